"""Erasure: nothing of a video is left in the data directory but the bare record.

Row 121 of the faults: erased in each state that a job can be in.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from moderation.audit import AuditLog
from moderation.cli import main
from moderation.config import Settings
from moderation.errors import ConfigurationError, LeaseLost, MediaFault, SourceError
from moderation.job import JobState, Kind, Lease, Submission
from moderation.lanes import CONTROL
from moderation.person import local_person
from moderation.pictures import Pictures
from moderation.policy import Policy
from moderation.publish import document_name
from moderation.publish_settings import PublishSettings
from moderation.registry import Registry
from moderation.review import ReviewQueue
from moderation.scan import Scan
from moderation.shelf import FolderShelf
from moderation.stages import Stages
from moderation.store import Store
from moderation.store.belongings import Named
from moderation.store.convert import scan_values
from moderation.store.erase import Erasures
from moderation.store.models import ScanRow, UriRow, VideoRow
from moderation.store.tombstone import unread_key, uri_digest
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from tests.services.half_way import kill_half_way
from tests.services.upload import NAME, POLICY, SECRET, Upload, make_clip

STATES = ("queued", "ingesting", "planned", "seen", "deciding", "publishing", "published", "dead")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With an empty database: to make its tables takes longer than most tests."""
    folder = tmp_path_factory.mktemp("home")
    Store.open(f"sqlite:///{folder / 'moderation.db'}").close()
    return folder


@pytest.fixture
def film(tmp_path: Path, clip: Path) -> Path:
    return Path(shutil.copy(clip, tmp_path))


@pytest.fixture
def upload(tmp_path: Path, home: Path, film: Path) -> Iterator[Upload]:
    """In a folder of this machine's."""
    folder = Path(shutil.copytree(home, tmp_path / "home"))
    publish = PublishSettings(results=str(folder / "results"))
    made = Upload(Settings(home=folder, publish=publish), str(film))
    yield made
    made.store.close()


MOMENT = datetime(2026, 1, 1, tzinfo=UTC)

VERSIONS = 1_500
"""More than SQLite takes as alternatives in one condition."""


def look_in_vain(upload: Upload, fault: MediaFault) -> None:
    """A scan of the upload that could not read it."""
    upload.store.save(vain(fault, upload.uri), POLICY, fingerprint="all")


def vain(fault: MediaFault, uri: str) -> Scan:
    return make_failed_scan(fault, name=uri, id=f"vain-{fault}", policy=POLICY.ref)


def fill(upload: Upload, place: str, versions: int) -> None:
    """As many uploads in one place of a bucket: each looked at once, and submitted again."""
    uris = [f"{place}?versionId={number}" for number in range(versions)]
    upload.jobs.keep(POLICY)
    upload.jobs.submit(
        [
            Submission(uri=uri, pin=f"version:{number}", policy=POLICY.ref.digest)
            for number, uri in enumerate(uris)
        ]
    )
    looked = {"fingerprint": "all", "current": True, "final": True}
    with upload.store.writing() as session:
        for number, uri in enumerate(uris):
            scan = make_scan(name=uri, id=f"look{number}")
            digest, video = scan.video.sha256, 1_000 + number
            session.add(VideoRow(id=video, key=digest, sha256=digest, uri=uri))
            session.flush()
            session.add(UriRow(video_id=video, digest=uri_digest(uri), uri=uri, seen_at=MOMENT))
            session.add(ScanRow(video_id=video, **looked, **scan_values(scan)))


# Row 121: erased in each state of a job


@pytest.mark.parametrize("state", STATES)
def test_row_121_no_text_is_left_whatever_state_the_job_is_in(upload: Upload, state: str) -> None:
    upload.bring(upload.submit(), state)
    assert upload.hits(NAME)
    assert upload.hits(SECRET) or state in ("queued", "ingesting")
    receipt = upload.erase()
    assert upload.hits(SECRET, NAME) == []
    assert receipt.is_clean


@pytest.mark.parametrize("state", ["ingesting", "planned", "deciding", "publishing"])
def test_row_121_whoever_is_at_it_brings_nothing_back(upload: Upload, state: str) -> None:
    job = upload.submit()
    lease = upload.bring(job, state)
    assert lease is not None
    upload.erase()
    ends: dict[Kind, Callable[[Lease], None]] = {
        Kind.INGEST: upload.plan,
        Kind.SCAN: upload.see,
        Kind.DECIDE: upload.decide,
        Kind.PUBLISH: upload.leases.published,
    }
    for end in (ends[lease.kind], upload.fail):
        with pytest.raises(LeaseLost):
            end(lease)
    assert upload.hits(SECRET, NAME) == []


def test_row_121_the_chain_of_the_audit_log_holds(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    receipt = upload.erase()
    log = AuditLog(upload.store)
    assert log.verify().flaw is None
    (entry,) = [each for each in log.entries() if each.number == receipt.audit]
    assert (entry.actor, entry.action) == ("dpo", "video.erased")
    assert entry.subject == f"video:{receipt.videos[0]}"


# What goes, and what stays


def test_the_bare_record_is_kept(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    receipt = upload.erase()
    (scan,) = upload.store.scans()
    was, verdict = upload.scan, scan.verdict
    assert (scan.id, verdict.policy) == (was.id, was.verdict.policy)
    assert (verdict.action, verdict.severity) == (was.verdict.action, was.verdict.severity)
    assert (scan.evidence, verdict.segments, verdict.reasons) == ((), (), ())
    assert {each.what: each.count for each in receipt.kept} == {
        "media": 1,
        "verdicts": 1,
        "jobs": 1,
    }


def test_the_receipt_counts_what_was_removed(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    receipt = upload.erase()
    removed = {what: count for what, count in receipt.removed.items() if count}
    assert removed == {
        "documents": 1,
        "evidence": 1,
        "job_plans": 1,
        "part_results": 1,
        "pictures": 1,
        "places": 1,
        "verdict_texts": 1,
    }
    assert receipt.stopped == ()


def test_a_live_job_is_stopped_and_named(upload: Upload) -> None:
    job = upload.submit()
    upload.bring(job, "seen")
    assert upload.erase().stopped == (job.id,)
    assert upload.jobs.get(job.id).state is JobState.CANCELLED
    assert upload.jobs.counts() == {}


def test_a_review_item_is_closed(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    assert ReviewQueue(upload.store).count(local_person()) == 1
    upload.erase()
    assert ReviewQueue(upload.store).count(local_person()) == 0


@pytest.mark.parametrize("by", ["name", "file uri", "sha256"])
def test_a_video_is_named_by_where_it_lies_or_by_its_bytes(upload: Upload, by: str) -> None:
    upload.bring(upload.submit(), "published")
    names = {
        "name": upload.uri,
        "file uri": Path(upload.uri).as_uri(),
        "sha256": upload.sha256,
    }
    upload.erase(names[by])
    assert upload.hits(SECRET, NAME) == []


def test_a_video_that_nothing_is_known_of_is_no_receipt(upload: Upload) -> None:
    with pytest.raises(ConfigurationError, match="nothing is known of"):
        upload.erase("/nowhere/else.mp4")
    with pytest.raises(ConfigurationError, match="nothing is known of"):
        upload.erase("0" * 64)


def test_what_others_uploaded_is_left_alone(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    other = make_scan(make_evidence(text="somebody else"), name="other.mp4", policy=POLICY.ref)
    upload.store.save(other, POLICY, fingerprint="all")
    upload.erase()
    assert upload.store.judged(other.id, POLICY.ref.digest) == other


def test_an_erasure_that_was_cut_off_is_done_again(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    Erasures(upload.store).stop(Named(uris=[upload.uri]), datetime.now(UTC))
    assert upload.hits(SECRET)
    receipt = upload.erase()
    assert upload.hits(SECRET, NAME) == []
    assert (receipt.removed["pictures"], receipt.removed["documents"]) == (1, 1)


def test_the_same_bytes_uploaded_anew_are_judged_anew(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    upload.erase()
    Path(upload.uri).touch()
    upload.scan_id = "0decaf"
    again = upload.submit()
    upload.bring(again, "publishing")
    assert upload.jobs.get(again.id).state is JobState.DONE
    (scan,) = upload.store.scans()
    assert scan.evidence[0].text == SECRET


def test_the_same_upload_announced_anew_is_not(upload: Upload) -> None:
    job = upload.submit()
    upload.bring(job, "seen")
    upload.erase()
    assert upload.submit().id == job.id
    assert upload.leases.waiting() == {}


def test_an_erased_job_does_not_go_on(upload: Upload) -> None:
    job = upload.submit()
    upload.bring(job, "dead")
    upload.erase()
    with pytest.raises(ConfigurationError, match="was erased"):
        upload.jobs.retry(job.id)


def test_a_job_of_the_same_bytes_elsewhere_ends_when_it_has_read_them(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    upload.uri = str(shutil.copy(upload.uri, Path(upload.uri).with_name("copy.mp4")))
    job = upload.submit()
    lease = upload.lease()
    upload.erase(upload.sha256)
    upload.plan(lease)
    assert upload.jobs.get(job.id).state is JobState.CANCELLED
    assert upload.store.compact()
    assert upload.hits(SECRET, "copy.mp4") == []


def test_a_scan_that_ran_meanwhile_is_not_stored(upload: Upload) -> None:
    upload.store.save(upload.scan, POLICY, fingerprint="all")
    upload.erase()
    upload.scan_id = "0decaf"
    with pytest.raises(SourceError, match="erased while it was scanned"):
        upload.store.save(upload.scan, POLICY, fingerprint="all")
    assert upload.hits(SECRET, NAME) == []


def test_the_same_bytes_of_somebody_else_may_be_submitted_anew(upload: Upload) -> None:
    theirs = upload.submit()
    upload.bring(theirs, "planned")
    there = upload.uri
    upload.uri = str(shutil.copy(upload.uri, Path(upload.uri).with_name("copy.mp4")))
    upload.submit()
    upload.plan(upload.lease())
    receipt = upload.erase()
    assert theirs.id in receipt.stopped
    upload.uri = there
    assert upload.submit().id != theirs.id


def test_row_121_what_a_worker_publishes_meanwhile_is_withdrawn(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = upload.bring(upload.submit(), "deciding")
    assert lease is not None
    upload.decide(lease)
    placed = FolderShelf.put

    def erased_before(shelf: FolderShelf, name: str, content: bytes, content_type: str) -> None:
        if not upload.store.is_erased(upload.scan):
            upload.erase()
        placed(shelf, name, content, content_type)

    monkeypatch.setattr(FolderShelf, "put", erased_before)
    list(Stages(upload.settings, Registry(), upload.store).work(CONTROL, "worker"))
    assert upload.store.is_erased(upload.scan)
    assert upload.hits(SECRET, NAME) == []
    assert [*Pictures.of(upload.settings).videos()] == []


@pytest.mark.parametrize("by", ["name", "sha256"])
def test_a_look_that_could_not_read_it_yet_is_erased_with_its_name(upload: Upload, by: str) -> None:
    look_in_vain(upload, MediaFault.ACCESS_DENIED)
    upload.bring(upload.submit(), "published")
    receipt = upload.erase({"name": upload.uri, "sha256": upload.sha256}[by])
    assert upload.hits(SECRET, NAME) == []
    assert {*receipt.videos} == {upload.sha256, unread_key(upload.uri)}


def test_a_look_that_found_nothing_there_any_more_is_erased_with_its_name(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    look_in_vain(upload, MediaFault.NOT_FOUND)
    upload.erase(upload.sha256)
    assert upload.hits(SECRET, NAME) == []


def test_a_look_that_could_not_learn_the_version_is_erased_too(upload: Upload) -> None:
    place = f"s3://uploads/{NAME}.mp4"
    upload.store.save(vain(MediaFault.ACCESS_DENIED, place), POLICY, fingerprint="all")
    read = make_scan(name=f"{place}?versionId=3", id="0c0ffee0", policy=POLICY.ref)
    upload.store.save(read, POLICY, fingerprint="all")
    upload.erase(read.video.sha256)
    assert upload.hits(NAME) == []


def test_a_later_job_that_cannot_read_the_same_version_is_erased_too(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    text = 'schema = "moderation.policy/v1"\nname = "other"\nversion = "1"'
    other = Policy.parse(text, "other.toml")
    upload.jobs.keep(other)
    uri, pin = upload.pinned
    upload.jobs.submit([Submission(uri=uri, pin=pin, policy=other.ref.digest)])
    failed = replace(vain(MediaFault.ACCESS_DENIED, uri), id="0decaf")
    failed = replace(failed, verdict=replace(failed.verdict, policy=other.ref))
    upload.leases.decided(upload.lease(), failed, other, "all")
    upload.erase(upload.sha256)
    assert upload.hits(SECRET, NAME) == []


def test_what_cannot_be_read_there_since_is_another_upload(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    look_in_vain(upload, MediaFault.ACCESS_DENIED)
    receipt = upload.erase(upload.sha256)
    assert receipt.videos == (upload.sha256,)
    assert ReviewQueue(upload.store).count(local_person()) == 1


def test_a_place_of_many_versions_is_erased_by_its_name(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    place = f"s3://uploads/{NAME}.mp4"
    fill(upload, place, VERSIONS)
    receipt = upload.erase(place)
    assert len(receipt.videos) == receipt.removed["places"] == VERSIONS
    assert len(receipt.stopped) == VERSIONS
    assert upload.hits(place) == []
    assert upload.hits(SECRET)


def test_a_document_that_was_left_half_way_is_erased_too(upload: Upload) -> None:
    job = upload.submit()
    upload.bring(job, "publishing")
    kill_half_way(upload.settings.home / "results", document_name(upload.pinned, job.id))
    assert [path for path in upload.hits(NAME) if path.endswith(".part")]
    assert upload.erase().removed["documents"] == 1
    assert upload.hits(SECRET, NAME) == []


# The upload itself


def test_the_upload_is_deleted_only_when_asked_for(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    upload.erase()
    assert Path(upload.uri).exists()


def test_the_upload_is_deleted_when_asked_for(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    receipt = upload.erase(media=True)
    assert not Path(upload.uri).exists()
    assert receipt.removed["media"] == 1


def test_what_has_replaced_the_upload_is_not_deleted(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    Path(upload.uri).write_bytes(b"other bytes in its place")
    receipt = upload.erase(media=True)
    assert Path(upload.uri).exists()
    assert receipt.removed["media"] == 0
    assert ("media", 1) in [(each.what, each.count) for each in receipt.kept]


# The command


def command(upload: Upload, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setenv("MODERATION_HOME", str(upload.settings.home))
    monkeypatch.setattr(sys, "argv", ["moderation", "erase", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_the_command_prints_a_receipt(
    upload: Upload, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    upload.bring(upload.submit(), "seen")
    sha256 = upload.sha256
    given = (upload.uri, "--by", "dpo", "--format", "json")
    assert command(upload, monkeypatch, *given) == 0
    printed = capsys.readouterr().out
    receipt = json.loads(printed)
    assert (receipt["schema"], receipt["by"]) == ("moderation.erasure/v1", "dpo")
    assert receipt["videos"] == [sha256]
    assert receipt["removed"]["part_results"] == 1
    assert NAME not in printed


def test_the_command_asks_before_it_deletes_an_upload(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload.bring(upload.submit(), "seen")
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert command(upload, monkeypatch, upload.uri, "--media") == 130
    assert Path(upload.uri).exists()
    assert upload.hits(SECRET)
    assert command(upload, monkeypatch, upload.uri, "--media", "--yes") == 0
    assert not Path(upload.uri).exists()
