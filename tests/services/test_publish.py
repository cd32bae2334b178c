"""Publishing a verdict: its document, the object's tags and the pictures, in S3 and in folders."""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moderation_workers.filter import Filter
from moderation_workers.trigger import Trigger

from moderation.client import Client
from moderation.config import Settings
from moderation.errors import (
    ConfigurationError,
    PermanentError,
    SourceUnavailable,
    StoreError,
)
from moderation.job import Pinned
from moderation.job_settings import JobSettings
from moderation.media import MediaReader
from moderation.pictures import Pictures
from moderation.publish import MOST_TAGS, Publisher, document_name, verdict_tags
from moderation.publish_settings import PublishSettings, ignored_prefixes
from moderation.reports import ReportOptions, document, write_report
from moderation.s3_settings import S3Settings
from moderation.scan import Scan
from moderation.sources import open_source
from moderation.testing.clips import WHITE, Clip
from moderation.testing.scans import POLICY, make_evidence, make_failed_scan, make_scan
from moderation.timeline import Instant
from moderation.verdict import Action
from tests.services.s3_proxy import Answer, S3Proxy
from tests.services.s3_server import S3Server

RESULTS = "s3://uploads/moderation/results/"
PICTURES = "s3://uploads/moderation/pictures/"

BUSY = Answer(503, "SlowDown")
DENIED = Answer(403, "AccessDenied")

PERSON = make_evidence("Context/Person", start_s=0)
KNIFE = make_evidence("Violence/Weapons/Knife", start_s=0)

pytestmark = pytest.mark.usefixtures("credentials")


@pytest.fixture
def server(s3_server: S3Server, film: bytes) -> S3Server:
    """With a bucket "uploads", and in it "a.mp4"."""
    s3_server.reset()
    s3_server.client.create_bucket(Bucket="uploads")
    put(s3_server, film)
    return s3_server


@pytest.fixture
def proxy(server: S3Server, s3_proxy: S3Proxy) -> S3Proxy:
    """Before `server`, with nothing asked yet."""
    s3_proxy.reset()
    s3_proxy.upstream = server.port
    return s3_proxy


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    clip = Clip(64, 48, fps=5).show(2, WHITE)
    return clip.write(tmp_path_factory.mktemp("clips") / "clip.mp4").read_bytes()


class Installation:
    """What publishes, and what it publishes to."""

    def __init__(self, home: Path, server: S3Server, proxy: S3Proxy) -> None:
        self.home, self.server, self.proxy = home, server, proxy

    def settings(self, **publish: Any) -> Settings:
        s3 = S3Settings(endpoint_url=self.proxy.url, region="us-east-1", max_attempts=2)
        return Settings(
            home=self.home,
            s3=s3,
            publish=PublishSettings(**publish),
            jobs=JobSettings(broker="redis://127.0.0.1:1/0"),
        )

    def pinned(self, key: str = "a.mp4", bucket: str = "uploads") -> Pinned:
        """As it is now."""
        with open_source(f"s3://{bucket}/{key}", self.settings().s3) as source:
            pinned = Pinned(source.pinned_uri, source.pin)
        self.proxy.reset()
        return pinned

    def publish(
        self, scan: Scan, pinned: Pinned | None = None, job: str = "job", **publish: Any
    ) -> None:
        settings = self.settings(**publish)
        pinned = pinned or self.pinned()
        with contextlib.ExitStack() as stack:

            def opened() -> MediaReader:
                source = stack.enter_context(open_source(pinned.uri, settings.s3))
                return stack.enter_context(MediaReader(source))

            Publisher(settings).publish(scan, pinned, job, opened)

    def put_there(self, prefix: str = "moderation/") -> list[str]:
        listed = self.server.client.list_objects_v2(Bucket="uploads", Prefix=prefix)
        return [each["Key"] for each in listed.get("Contents", ())]

    def got(self, key: str) -> Any:
        return self.server.client.get_object(Bucket="uploads", Key=key)

    def published(self) -> bytes:
        """The only document."""
        (key,) = self.put_there("moderation/results/")
        return bytes(self.got(key)["Body"].read())

    def tags(self, version: str = "", key: str = "a.mp4") -> dict[str, str]:
        which = {"VersionId": version} if version else {}
        found = self.server.client.get_object_tagging(Bucket="uploads", Key=key, **which)
        return {each["Key"]: each["Value"] for each in found["TagSet"]}

    def set_tags(self, **tags: str) -> None:
        pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
        self.server.client.put_object_tagging(
            Bucket="uploads", Key="a.mp4", Tagging={"TagSet": pairs}
        )

    def keep_versions(self) -> None:
        self.server.client.put_bucket_versioning(
            Bucket="uploads", VersioningConfiguration={"Status": "Enabled"}
        )


@pytest.fixture
def here(tmp_path: Path, server: S3Server, proxy: S3Proxy) -> Installation:
    return Installation(tmp_path / "home", server, proxy)


def put(server: S3Server, content: bytes, key: str = "a.mp4") -> str:
    """Its version, or ""."""
    answer = server.client.put_object(Bucket="uploads", Key=key, Body=content)
    return str(answer.get("VersionId", ""))


def scan_of(*evidence: Any, **fields: Any) -> Scan:
    """A scan of the film, whose pictures can be had."""
    scan = make_scan(*evidence, **fields)
    return replace(scan, video=replace(scan.video, container="mov"))


def expected(scan: Scan, pinned: Pinned) -> bytes:
    """What `moderation report --format jsonl` writes of it."""
    scan = replace(scan, video=replace(scan.video, uri=pinned.uri))
    return document(scan).model_dump_json(by_alias=True).encode() + b"\n"


# The document


def test_the_document_is_that_of_the_reports(here: Installation) -> None:
    scan, pinned = scan_of(PERSON), here.pinned()
    here.publish(scan, pinned, results=RESULTS)
    assert here.published() == expected(scan, pinned)
    (key,) = here.put_there()
    etag = pinned.pin.removeprefix("etag:")
    assert key == f"moderation/results/s3/uploads/a.mp4/etag={etag}/job.json"


def test_the_document_says_what_it_is_and_that_it_is_not_for_caches(here: Installation) -> None:
    here.publish(scan_of(PERSON), results=RESULTS)
    answer = here.got(here.put_there()[0])
    assert (answer["ContentType"], answer["CacheControl"]) == (
        "application/json",
        "private, no-cache",
    )


def test_each_version_has_a_document_of_its_own(here: Installation, film: bytes) -> None:
    here.keep_versions()
    versions = [put(here.server, film) for _ in range(2)]
    for version in versions:
        here.publish(scan_of(PERSON), here.pinned(f"a.mp4?versionId={version}"), results=RESULTS)
    assert sorted(here.put_there()) == sorted(
        f"moderation/results/s3/uploads/a.mp4/version={version}/job.json" for version in versions
    )


def test_published_twice_it_is_there_once(here: Installation) -> None:
    here.publish(scan_of(KNIFE), results=RESULTS, pictures=PICTURES, tags=True)
    first = {key: here.got(key)["Body"].read() for key in here.put_there()}
    here.publish(scan_of(KNIFE), results=RESULTS, pictures=PICTURES, tags=True)
    assert {key: here.got(key)["Body"].read() for key in here.put_there()} == first
    assert len(first) == 2


def test_a_video_that_could_not_be_read_has_a_document_too(here: Installation) -> None:
    here.publish(make_failed_scan(), results=RESULTS, tags=True)
    assert json.loads(here.published())["verdict"]["action"] == "incomplete"
    assert here.tags()["moderation-verdict"] == "incomplete"


def test_a_big_scan_is_published_whole(here: Installation) -> None:
    seen = [make_evidence("Context/Person", start_s=number / 100) for number in range(10_000)]
    scan, pinned = replace(scan_of(), evidence=tuple(seen)), here.pinned()
    here.publish(scan, pinned, results=RESULTS)
    assert here.published() == expected(scan, pinned)


def test_without_a_place_for_results_nothing_is_put(here: Installation) -> None:
    here.publish(scan_of(PERSON))
    assert here.put_there() == []
    assert here.proxy.asked == []


@pytest.mark.parametrize(
    "key",
    [
        "../../../etc/passwd",
        "a/../../b.mp4",
        "./a.mp4",
        "/a.mp4",
        "//a//b.mp4",
        "a.mp4/",
        "...",
        "red flower+100%.mp4",
        "ünï/日本 🎬.mp4",
        "what?.mp4",
        "a#b.mp4",
        "a=b&c.mp4",
        "back\\slash.mp4",
        "x" * 1024,
        "日" * 341,
        "d/" * 511 + "x",
    ],
)
def test_fault_091_a_strange_key_leads_nowhere_else(
    here: Installation, tmp_path: Path, key: str
) -> None:
    scan, pinned = scan_of(PERSON), Pinned(f"s3://uploads/{key}", "etag:0123")
    here.publish(scan, pinned, results=RESULTS)
    assert here.published() == expected(scan, pinned)
    here.publish(scan, pinned, results=str(tmp_path / "results"))
    (path,) = (tmp_path / "results").rglob("*.json")
    assert path.read_bytes() == expected(scan, pinned)
    assert str(path.relative_to(tmp_path / "results")) == document_name(pinned, "job")


@pytest.mark.parametrize("key", ["%" * 1024, "%/" * 512, "x" * 1024, "d/" * 512])
def test_the_longest_names_fit_into_a_key_and_a_file_system(key: str) -> None:
    pinned = Pinned(f"s3://{'b' * 63}/{key}", f"version:{'/' * 1024}")
    name = document_name(pinned, "j" * 32)
    assert len(name) <= 1024 - 128
    assert max(map(len, name.split("/"))) <= 255


def test_a_bucket_leads_nowhere_else_either() -> None:
    assert ".." not in document_name(Pinned("s3://../a", "etag:1"), "job")


def test_no_two_uploads_share_a_name() -> None:
    keys = [
        "a/b",
        "a//b",
        "a%2Fb",
        "/a/b",
        "a/b/",
        "a/=/b",
        "a/./b",
        "a/../b",
        "a/etag=1/job.json",
        "x" * 600,
        "x" * 601,
        "d/" * 500,
        "d/" * 501,
        "é",
        "e\u0301",
    ]
    names = {document_name(Pinned(f"s3://uploads/{key}", "etag:1"), "job") for key in keys}
    assert len(names) == len(keys)
    assert document_name(Pinned("/s3/uploads/a/b", "etag:1"), "job") not in names


# Tags


def test_a_scanned_object_is_tagged_with_its_verdict(here: Installation) -> None:
    here.publish(scan_of(PERSON, action=Action.APPROVE, id="5c4n"), tags=True)
    assert here.tags() == {
        "moderation-verdict": "approve",
        "moderation-scan": "5c4n",
        "moderation-policy": "by hand",
    }


def test_tags_of_others_are_kept(here: Installation) -> None:
    theirs = {"owner": "ünï", "GuardDutyMalwareScanStatus": "NO_THREATS_FOUND"}
    here.set_tags(**theirs)
    here.publish(scan_of(PERSON, action=Action.APPROVE), tags=True)
    here.publish(scan_of(PERSON, action=Action.REJECT), tags=True)
    assert here.tags() == theirs | verdict_tags(scan_of(action=Action.REJECT))


def test_tags_that_are_there_are_not_put_again(here: Installation) -> None:
    here.publish(scan_of(PERSON), tags=True)
    here.publish(scan_of(PERSON), tags=True)
    assert [method for method, _ in here.proxy.asked] == ["HEAD", "GET"]  # of the second time


def test_of_an_object_with_versions_the_scanned_one_is_tagged(
    here: Installation, film: bytes
) -> None:
    here.keep_versions()
    scanned = put(here.server, film)
    newer = put(here.server, film + b"more")
    here.publish(scan_of(PERSON), here.pinned(f"a.mp4?versionId={scanned}"), tags=True)
    assert here.tags(scanned)["moderation-verdict"] == "review"
    assert here.tags(newer) == {}


def test_an_object_that_replaced_the_scanned_one_is_not_tagged(
    here: Installation, film: bytes
) -> None:
    pinned = here.pinned()
    put(here.server, film + b"more")
    here.publish(scan_of(KNIFE), pinned, tags=True, results=RESULTS, pictures=PICTURES)
    assert here.tags() == {}
    assert here.published() == expected(scan_of(KNIFE), pinned)
    assert here.put_there("moderation/pictures/") == []


def test_an_object_that_is_replaced_while_it_is_published_is_not_tagged(
    here: Installation, film: bytes
) -> None:
    pinned, settings = here.pinned(), here.settings(tags=True)
    with open_source(pinned.uri, settings.s3) as source, MediaReader(source) as media:
        put(here.server, film + b"more")
        Publisher(settings).publish(scan_of(PERSON), pinned, "job", lambda: media)
    assert here.tags() == {}


def test_an_object_that_was_deleted_has_a_document_and_no_error(here: Installation) -> None:
    pinned = here.pinned()
    here.server.client.delete_object(Bucket="uploads", Key="a.mp4")
    here.publish(scan_of(KNIFE), pinned, tags=True, results=RESULTS)
    assert here.published() == expected(scan_of(KNIFE), pinned)


def test_where_little_room_is_left_the_verdict_has_it(here: Installation) -> None:
    theirs = {f"tag{number}": "" for number in range(MOST_TAGS - 1)}
    here.set_tags(**theirs)
    here.publish(scan_of(PERSON), tags=True)
    assert here.tags() == theirs | {"moderation-verdict": "review"}


def test_where_no_room_is_left_no_tag_of_others_gives_way(here: Installation) -> None:
    theirs = {f"tag{number}": "" for number in range(MOST_TAGS)}
    here.set_tags(**theirs)
    with pytest.raises(ConfigurationError, match=r"a\.mp4: the object has 10 tags of others"):
        here.publish(scan_of(PERSON), tags=True, results=RESULTS)
    assert here.tags() == theirs
    assert here.published()


def test_a_policy_of_any_name_makes_a_tag_that_s3_takes(here: Installation) -> None:
    policy = replace(POLICY, name="<ours & theirs>! " + "é" * 300)
    here.publish(scan_of(PERSON, policy=policy), tags=True)
    assert here.tags()["moderation-policy"] == "_ours _ theirs__ " + "é" * 239


def test_a_local_file_has_no_tags(here: Installation, tmp_path: Path) -> None:
    pinned = Pinned("/videos/a.mp4", "file:1:2")
    here.publish(scan_of(PERSON), pinned, tags=True, results=str(tmp_path))
    assert here.proxy.asked == []
    assert (tmp_path / "file/=/videos/a.mp4/file=1%3A2/job.json").exists()


# Pictures


def test_pictures_go_to_s3_and_come_back_in_a_report(here: Installation, tmp_path: Path) -> None:
    scan = scan_of(KNIFE)
    here.publish(scan, pictures=PICTURES)
    (key,) = here.put_there()
    assert key == f"moderation/pictures/{scan.video.sha256}/0.jpg"
    answer = here.got(key)
    assert answer["ContentType"] == "image/jpeg"
    page = tmp_path / "report.html"
    pictures = Pictures.of(here.settings(pictures=PICTURES))
    write_report(
        [scan], form="html", target=str(page), options=ReportOptions(pictures=pictures.get)
    )
    assert base64.b64encode(answer["Body"].read()).decode() in page.read_text()


def test_a_picture_that_is_kept_is_not_decoded_again(here: Installation) -> None:
    here.publish(scan_of(KNIFE), pictures=PICTURES)
    here.publish(scan_of(KNIFE), pictures=PICTURES)
    assert [method for method, _ in here.proxy.asked] == ["HEAD", "GET"]


def test_without_leave_to_list_pictures_are_kept_again(here: Installation) -> None:
    pinned = here.pinned()
    here.proxy.faults.extend([None, DENIED])
    here.publish(scan_of(KNIFE), pinned, pictures=PICTURES)
    assert len(here.put_there("moderation/pictures/")) == 1


def test_context_is_not_pictured_and_nobody_is_asked(here: Installation) -> None:
    here.publish(scan_of(PERSON), pictures=PICTURES)
    assert here.proxy.asked == []


def test_a_picture_that_may_not_be_read_is_none(here: Installation) -> None:
    here.publish(scan_of(KNIFE), pictures=PICTURES)
    pictures = Pictures.of(here.settings(pictures=PICTURES))
    here.proxy.faults.append(DENIED)
    assert pictures.get(scan_of(KNIFE), Instant(0)) is None
    assert pictures.get(scan_of(KNIFE), Instant(99)) is None
    assert pictures.get(scan_of(KNIFE), Instant(0)) is not None


def test_a_report_does_not_leave_out_pictures_of_a_store_that_is_down(here: Installation) -> None:
    here.proxy.faults.extend([BUSY] * 2)
    with pytest.raises(SourceUnavailable):
        Pictures.of(here.settings(pictures=PICTURES)).get(scan_of(KNIFE), Instant(0))


# Folders


def test_all_goes_to_folders_as_well(here: Installation, tmp_path: Path) -> None:
    scan, pinned = scan_of(KNIFE), here.pinned()
    results, pictures = tmp_path / "results", tmp_path / "pictures"
    for _ in range(2):
        here.publish(scan, pinned, results=str(results), pictures=str(pictures))
    (path,) = (each for each in results.rglob("*") if each.is_file())
    assert path == results / document_name(pinned, "job")
    assert path.read_bytes() == expected(scan, pinned)
    (picture,) = (each for each in pictures.rglob("*") if each.is_file())
    assert picture == pictures / scan.video.sha256 / "0.jpg"


def test_others_may_read_a_document_and_not_a_picture(here: Installation, tmp_path: Path) -> None:
    here.publish(scan_of(KNIFE), results=str(tmp_path / "results"))
    (path,) = (tmp_path / "results").rglob("*.json")
    (picture,) = here.home.rglob("*.jpg")
    (tmp_path / "new").touch()
    assert path.stat().st_mode == (tmp_path / "new").stat().st_mode
    assert picture.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written_is_one_sentence(
    here: Installation, tmp_path: Path
) -> None:
    (tmp_path / "results").write_text("in the way")
    with pytest.raises(StoreError, match=r"results cannot be kept in .*publish\.results"):
        here.publish(scan_of(PERSON), results=str(tmp_path / "results"), tags=True)
    assert here.tags()


# What fails


def test_a_store_that_is_busy_is_asked_again_later(here: Installation) -> None:
    pinned = here.pinned()
    here.proxy.faults.extend([BUSY] * 2)
    with pytest.raises(SourceUnavailable):
        here.publish(scan_of(PERSON), pinned, results=RESULTS, tags=True)
    assert here.put_there() == []
    assert here.tags()
    here.publish(scan_of(PERSON), pinned, results=RESULTS, tags=True)
    assert here.published() == expected(scan_of(PERSON), pinned)


@pytest.mark.parametrize("code", ["OperationAborted", "BadDigest", "RequestTimeout"])
def test_what_another_writer_is_in_the_way_of_may_go_better_later(
    here: Installation, code: str
) -> None:
    pinned = here.pinned()
    here.proxy.faults.extend([Answer(409, code)] * 2)
    with pytest.raises(SourceUnavailable, match=code):
        here.publish(scan_of(PERSON), pinned, results=RESULTS)


def test_a_store_that_is_down_is_asked_again_later(here: Installation) -> None:
    pinned = here.pinned()
    here.server.kill()
    with pytest.raises(SourceUnavailable):
        here.publish(scan_of(PERSON), pinned, results=RESULTS, tags=True)


@pytest.mark.parametrize("allowed", [2, 4], ids=["reading tags", "writing tags"])
def test_tags_that_are_denied_do_not_cost_the_document(here: Installation, allowed: int) -> None:
    pinned = here.pinned()
    here.proxy.faults.extend([None] * allowed + [DENIED])
    with pytest.raises(PermanentError, match=r"tagging is not permitted .*s3:PutObjectTagging"):
        here.publish(scan_of(KNIFE), pinned, results=RESULTS, pictures=PICTURES, tags=True)
    assert len(here.put_there()) == 2
    assert here.tags() == {}


def test_a_store_without_tags_is_not_asked_for_ever(here: Installation) -> None:
    pinned = here.pinned()
    here.proxy.faults.extend([None, *[Answer(501, "NotImplemented")] * 2])
    with pytest.raises(PermanentError, match="the store has no such operation"):
        here.publish(scan_of(PERSON), pinned, tags=True)


def test_a_document_that_is_denied_does_not_cost_the_tags(here: Installation) -> None:
    pinned = here.pinned()
    here.proxy.faults.append(DENIED)
    with pytest.raises(ConfigurationError, match=r"writing is not permitted .*s3:PutObject"):
        here.publish(scan_of(PERSON), pinned, results=RESULTS, tags=True)
    assert here.tags()["moderation-verdict"] == "review"


def test_a_bucket_that_is_not_there_is_one_sentence(here: Installation) -> None:
    with pytest.raises(ConfigurationError, match="there is no such bucket"):
        here.publish(scan_of(PERSON), results="s3://elsewhere/results/")


def test_all_that_failed_for_good_is_told_in_one_sentence(here: Installation) -> None:
    pinned = here.pinned()
    here.proxy.faults.extend([DENIED, None, DENIED])
    with pytest.raises(PermanentError, match=r"writing is not permitted.*; .*tagging is not"):
        here.publish(scan_of(PERSON), pinned, results=RESULTS, tags=True)


def test_what_may_go_better_later_is_told_before_what_will_not(here: Installation) -> None:
    pinned = here.pinned()
    here.proxy.faults.extend([DENIED, BUSY, BUSY])
    with pytest.raises(SourceUnavailable):
        here.publish(scan_of(PERSON), pinned, results=RESULTS, tags=True)


# What is ours is no upload


def test_only_what_lies_in_the_bucket_is_ignored() -> None:
    settings = PublishSettings(results="s3://uploads/results", pictures="s3://pictures/a/b/")
    assert ignored_prefixes(settings, "uploads") == ("results/",)
    assert ignored_prefixes(settings, "pictures") == ("a/b/",)
    assert ignored_prefixes(settings, "others") == ()
    assert ignored_prefixes(PublishSettings(results="/results"), "uploads") == ()


def test_results_that_are_announced_become_no_job(here: Installation) -> None:
    sqs = here.server.service("sqs")
    queue = sqs.create_queue(QueueName="uploads")["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    events = ["s3:ObjectCreated:*", "s3:ObjectTagging:*"]
    notify = {"QueueArn": asked["Attributes"]["QueueArn"], "Events": events}
    here.server.client.put_bucket_notification_configuration(
        Bucket="uploads", NotificationConfiguration={"QueueConfigurations": [notify]}
    )
    put(here.server, b"another upload", "b.mp4")
    here.publish(scan_of(KNIFE), results=RESULTS, pictures=PICTURES, tags=True)
    settings = here.settings(results=RESULTS, pictures=PICTURES, tags=True)
    accept = Filter(publish=settings.publish)
    with Client(settings) as client:
        trigger = Trigger(sqs, queue, client, accept, tag="")
        handled = [trigger.poll(wait_s=0) for _ in range(6)]
        assert [job.job.uri for job in client.jobs()] == ["s3://uploads/b.mp4"]
    assert sum(handled) >= 4  # the test event, the upload, the document and the picture


def test_results_that_were_scanned_all_the_same_bring_forth_no_more(here: Installation) -> None:
    here.publish(scan_of(PERSON), results=RESULTS)
    (key,) = here.put_there()
    here.publish(scan_of(PERSON), here.pinned(key), results=RESULTS, tags=True)
    assert here.put_there() == [key]
    assert here.tags(key=key) == {}


@pytest.mark.parametrize(
    ("publish", "upload", "local"),
    [({}, False, False), ({"tags": True}, True, False), ({"results": RESULTS}, True, True)],
)
def test_where_nothing_is_to_be_published_no_part_is_needed(
    here: Installation, publish: dict[str, Any], upload: bool, local: bool
) -> None:
    publisher = Publisher(here.settings(**publish))
    assert publisher.is_needed(scan_of(PERSON, name="s3://uploads/a.mp4")) is upload
    assert publisher.is_needed(scan_of(PERSON, name="/a.mp4")) is local
    assert publisher.is_needed(scan_of(KNIFE, name="/a.mp4"))


# Settings


@pytest.mark.parametrize(
    "place",
    [
        "s3://",
        "s3://bucket",
        "s3://bucket/",
        "gs://bucket/a/",
        "s3://b c/a/",
        "s3://bucket/a\nb/",
        "s3://bucket/" + "x" * 128,
    ],
)
def test_a_place_that_cannot_hold_results_is_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODERATION_PUBLISH__RESULTS", place)
    with pytest.raises(ConfigurationError, match=r"publish\.results does not hold"):
        Settings.read()


def test_places_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODERATION_PUBLISH__RESULTS", "s3://bucket/results")
    monkeypatch.setenv("MODERATION_PUBLISH__TAGS", "1")
    assert Settings.read().publish == PublishSettings(results="s3://bucket/results/", tags=True)
