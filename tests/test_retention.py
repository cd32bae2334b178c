"""Retention: what is kept too long goes by itself, and nothing that somebody waits for.

Row 122 of the faults: killed in the middle, the next sweep ends it, and no file is left without a
row.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from moderation.audit import AuditLog
from moderation.config import Settings
from moderation.errors import ConfigurationError, SourceUnavailable
from moderation.job import JobState
from moderation.keeper import Keeper
from moderation.people import People
from moderation.person import Role, local_person
from moderation.pictures import Pictures
from moderation.publish_settings import PublishSettings
from moderation.retention import Retention, sweep
from moderation.retention_settings import RetentionSettings
from moderation.review import ReviewQueue
from moderation.s3_settings import S3Settings
from moderation.scan import Scan
from moderation.shelf import FolderShelf
from moderation.store import Store
from moderation.store.answers import Answer, Answers, Turn
from moderation.store.enqueue import ItemState
from moderation.store.models import (
    AttemptRow,
    CoverageRow,
    DecisionRow,
    EvidenceRow,
    JobRow,
    PartResultRow,
    PartRow,
    ReviewItemRow,
    ScanRow,
    UriRow,
    VerdictRow,
    VideoRow,
    WebhookEventRow,
)
from moderation.store.web_sessions import WebSessions
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Action
from tests.services.half_way import kill_half_way
from tests.services.upload import POLICY, SECRET, Upload, make_clip

TABLES = (
    VideoRow, UriRow, ScanRow, EvidenceRow, VerdictRow, CoverageRow, ReviewItemRow, DecisionRow,
    JobRow, PartRow, AttemptRow, PartResultRow,
)  # fmt: skip
"""Which all are empty when nothing is left."""

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def upload(tmp_path: Path, clip: Path) -> Iterator[Upload]:
    publish = PublishSettings(results=str(tmp_path / "home" / "results"))
    made = Upload(Settings(home=tmp_path / "home", publish=publish), str(clip))
    yield made
    made.store.close()


def now() -> datetime:
    return datetime.now(UTC)


def later(days: float) -> datetime:
    return now() + days * DAY


def decide(store: Store, **values: object) -> None:
    """All that waits for a person, by nobody's rules."""
    with store.writing() as session:
        done = {"state": ItemState.DECIDED, **values}
        session.execute(update(ReviewItemRow).values(done))


def counts(store: Store) -> dict[str, int]:
    with store.reading() as session:
        found = {
            table.__tablename__: len(session.execute(select(table.__table__)).all())
            for table in TABLES
        }
    return {name: count for name, count in found.items() if count}


def pictured(upload: Upload) -> set[str]:
    return {*Pictures.of(upload.settings).videos()}


def documents(upload: Upload) -> set[str]:
    return {path.stem for path in (upload.settings.home / "results").rglob("*.json")}


# One kind of data after the other


def test_pictures_go_first(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    decide(upload.store)
    assert sweep(upload.store, upload.settings, later(29)).total() == 0
    assert sweep(upload.store, upload.settings, later(31))["pictures"] == 1
    assert pictured(upload) == set()
    assert upload.hits(SECRET)


def test_what_workers_noted_goes_and_the_verdict_stays(upload: Upload) -> None:
    job = upload.submit()
    upload.bring(job, "published")
    removed = sweep(upload.store, upload.settings, later(31))
    assert (removed["parts"], removed["jobs"]) == (4, 0)
    assert upload.store.judged(upload.scan_id, POLICY.ref.digest) == upload.scan
    assert upload.jobs.get(job.id).state is JobState.DONE
    with pytest.raises(ConfigurationError, match="its parts are kept no longer"):
        upload.jobs.retry(job.id)


def test_a_job_without_a_verdict_is_forgotten_and_may_be_submitted_anew(upload: Upload) -> None:
    job = upload.submit()
    upload.bring(job, "queued")
    upload.jobs.cancel(job.id)
    assert sweep(upload.store, upload.settings, later(31))["jobs"] == 1
    assert upload.submit().id != job.id


def test_a_job_that_is_not_over_is_kept(upload: Upload) -> None:
    job = upload.submit()
    upload.bring(job, "seen")
    assert sweep(upload.store, upload.settings, later(1000)).total() == 0
    assert upload.jobs.get(job.id).state is JobState.RUNNING


def test_evidence_goes_with_its_documents_and_the_bare_verdict_stays(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    decide(upload.store, note=SECRET)
    removed = sweep(upload.store, upload.settings, later(191))
    assert (removed["evidence"], removed["documents"]) == (1, 1)
    assert upload.store.compact()
    assert upload.hits(SECRET) == []
    (scan,) = upload.store.scans()
    assert (scan.id, scan.evidence) == (upload.scan_id, ())
    assert scan.verdict.action is Action.REVIEW
    assert sweep(upload.store, upload.settings, later(191)).total() == 0


def test_in_the_end_nothing_is_left(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    decide(upload.store)
    sweep(upload.store, upload.settings, later(201))
    assert counts(upload.store) == {}
    assert (pictured(upload), documents(upload)) == (set(), set())


def test_an_erased_video_is_forgotten_in_the_end(upload: Upload) -> None:
    upload.bring(upload.submit(), "planned")
    upload.erase()
    assert counts(upload.store)["video"] == 1
    sweep(upload.store, upload.settings, later(201))
    assert counts(upload.store) == {}


def test_messages_to_webhooks_go(upload: Upload) -> None:
    event = {"id": "msg_1", "type": "job.completed", "at": now(), "content": "{}"}
    with upload.store.writing() as session:
        session.execute(insert(WebhookEventRow).values(event))
    assert sweep(upload.store, upload.settings, later(29))["webhook_events"] == 0
    assert sweep(upload.store, upload.settings, later(31))["webhook_events"] == 1


def test_answers_and_sessions_go_when_they_are_over(upload: Upload) -> None:
    """Whatever the days that the rest is kept."""
    People(upload.store).add("ann", Role.ADMIN, by=local_person())
    WebSessions(upload.store, timedelta(hours=12)).open("ann", token="secret")
    answers = Answers(upload.store)
    turn = answers.begin("ann", "key", "digest")
    assert isinstance(turn, Turn)
    answers.finish(turn, Answer(200, SECRET))
    assert sweep(upload.store, upload.settings, later(0.4)).total() == 0
    removed = sweep(upload.store, upload.settings, later(1))
    assert (removed["web_sessions"], removed["answers"]) == (1, 0)
    assert sweep(upload.store, upload.settings, later(2.1))["answers"] == 1


def test_days_of_zero_are_for_ever(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    decide(upload.store)
    days = dict.fromkeys(("pictures", "evidence", "verdicts", "work", "webhooks"), 0)
    settings = upload.settings.model_copy(update={"retention": RetentionSettings(**days)})
    assert sweep(upload.store, settings, later(10_000)).total() == 0


def test_what_was_swept_is_in_the_audit_log(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    decide(upload.store)
    sweep(upload.store, upload.settings, later(201))
    log = AuditLog(upload.store)
    swept = log.entries(subject="retention")
    assert {(each.actor, each.action) for each in swept} == {("retention", "retention.swept")}
    assert log.verify().flaw is None


# What stays, however old


def test_what_waits_for_a_person_is_kept(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    removed = sweep(upload.store, upload.settings, later(10_000))
    assert {what for what, count in removed.items() if count} == {"parts"}
    assert pictured(upload) == {upload.sha256}
    queue, me = ReviewQueue(upload.store), local_person()
    (item,) = queue.list(me)
    assert queue.show(item.id, me).item.verdict == upload.scan.verdict


def test_a_late_decision_begins_the_time_anew(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    decide(upload.store, closed_at=later(150))
    sweep(upload.store, upload.settings, later(201))
    assert upload.store.judged(upload.scan_id, POLICY.ref.digest) == upload.scan
    sweep(upload.store, upload.settings, later(351))
    assert counts(upload.store) == {}


def test_bytes_that_come_again_keep_their_verdict(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    decide(upload.store)
    with upload.store.writing() as session:
        session.execute(update(UriRow).values(seen_at=later(150)))
    sweep(upload.store, upload.settings, later(201))
    assert upload.store.judged(upload.scan_id, POLICY.ref.digest) == upload.scan


def test_files_of_others_are_left_alone(upload: Upload) -> None:
    shelf = FolderShelf(upload.settings.pictures, "pictures")
    shelf.put(f"{'0' * 64}/1.jpg", b"JPEG", "image/jpeg")
    shelf.put("notes/1.jpg", b"JPEG", "image/jpeg")
    assert sweep(upload.store, upload.settings, later(10_000)).total() == 0
    assert {*shelf.folders()} == {"0" * 64, "notes"}


def test_pictures_that_a_worker_left_of_an_erased_video_go_at_once(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    upload.erase()
    name = f"{upload.sha256}/1.jpg"
    FolderShelf(upload.settings.pictures, "pictures").put(name, b"JPEG", "image/jpeg")
    assert sweep(upload.store, upload.settings, now())["pictures"] == 1


def test_files_that_were_left_half_way_go_after_a_day(upload: Upload) -> None:
    for folder in (upload.settings.pictures, upload.settings.home / "results"):
        kill_half_way(folder, "0/1.jpg")
    assert sweep(upload.store, upload.settings, now())["unfinished_files"] == 0
    assert sweep(upload.store, upload.settings, later(1.1))["unfinished_files"] == 2
    assert list(upload.settings.home.rglob("*.part")) == []


# Row 122: killed in the middle

MANY = 120
"""More than one batch."""

SWEEP = """
import os, signal, sys
from datetime import UTC, datetime, timedelta
from moderation.config import Settings
from moderation.retention import Retention
from moderation.store import Store

steps = 0

def stopping():
    global steps
    steps += 1
    if steps == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return False

settings = Settings.read()
with Store.open(settings.database_url) as store:
    Retention(store, settings, stopping).sweep(datetime.now(UTC) + timedelta(days=201))
"""


def fill(upload: Upload) -> None:
    """Many videos with pictures, all of them old; and one that waits for a person."""
    shelf = FolderShelf(upload.settings.pictures, "pictures")
    for number in range(MANY):
        action = Action.REVIEW if number == 0 else Action.REJECT
        scan = _scan(number, action)
        upload.store.save(scan, POLICY, fingerprint="all")
        shelf.put(f"{scan.video.sha256}/1.jpg", b"JPEG", "image/jpeg")


def _scan(number: int, action: Action) -> Scan:
    made = make_scan(make_evidence(text=SECRET), name=f"{number}.mp4", action=action)
    return replace(made, verdict=replace(made.verdict, policy=POLICY.ref))


@pytest.mark.parametrize("step", [1, 125, 250, 345])
def test_row_122_who_is_killed_leaves_nothing_that_the_next_does_not_find(
    upload: Upload, step: int
) -> None:
    fill(upload)
    home = upload.settings.home
    environment = {
        "MODERATION_HOME": str(home),
        "MODERATION_PUBLISH__RESULTS": str(home / "results"),
        "PATH": "",
    }
    ended = subprocess.run([sys.executable, "-c", SWEEP, str(step)], env=environment, check=False)
    assert ended.returncode == -9
    with upload.store.reading() as session:
        known = {*session.scalars(select(VideoRow.sha256))}
    assert pictured(upload) <= known  # files go first: none is without its row
    sweep(upload.store, upload.settings, later(201))
    with upload.store.reading() as session:
        known = {*session.scalars(select(VideoRow.sha256))}
    assert pictured(upload) == known == {_scan(0, Action.REVIEW).video.sha256}


def test_a_sweep_ends_when_it_is_told_to(upload: Upload) -> None:
    fill(upload)
    Retention(upload.store, upload.settings, lambda: True).sweep(later(201))
    assert len(pictured(upload)) == MANY - 1


def test_what_cannot_be_swept_does_not_keep_the_rest(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    upload.bring(upload.submit(), "published")
    decide(upload.store)
    s3 = S3Settings(endpoint_url="http://127.0.0.1:1", region="us-east-1", max_attempts=1)
    elsewhere = PublishSettings(pictures="s3://nowhere/pictures/")
    settings = upload.settings.model_copy(update={"publish": elsewhere, "s3": s3})
    with pytest.raises(SourceUnavailable):
        sweep(upload.store, settings, later(191))
    assert counts(upload.store).keys() & {"evidence", "part"} == set()


# By itself


def test_a_worker_sweeps(upload: Upload) -> None:
    upload.bring(upload.submit(), "published")
    upload.erase()
    name = f"{upload.sha256}/1.jpg"
    FolderShelf(upload.settings.pictures, "pictures").put(name, b"JPEG", "image/jpeg")
    keeper = Keeper(upload.settings, upload.store)
    keeper.start()
    keeper.sweep()
    keeper.stop()
    assert not keeper.is_alive()
    assert pictured(upload) == set()
