"""`moderation sweep`: objects that no event announced become jobs, once and in no hurry."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from moderation import backfill
from moderation.backfill import Backfill, Bookmark, Reached
from moderation.client import Client
from moderation.config import Settings
from moderation.errors import ConfigurationError, SourceError, SourceUnavailable
from moderation.job import JobState, Pinned
from moderation.object_filter import ObjectFilter
from moderation.policy import Policy
from moderation.s3_listing import Folder, list_objects
from moderation.s3_settings import S3Settings
from tests.services.commands import begin, command
from tests.services.installation import Installation
from tests.services.redis_server import RedisServer
from tests.services.s3_proxy import Answer, S3Proxy
from tests.services.s3_server import S3Server
from tests.services.server import until

EVERYTHING = ObjectFilter()

pytestmark = pytest.mark.usefixtures("credentials")


@pytest.fixture
def s3(s3_server: S3Server, s3_proxy: S3Proxy) -> Any:
    """An empty bucket "uploads"."""
    s3_server.reset()
    s3_server.client.create_bucket(Bucket="uploads")
    s3_proxy.reset()
    return s3_server.client


@pytest.fixture
def installation(
    tmp_path: Path, redis_server: RedisServer, s3: Any, s3_proxy: S3Proxy
) -> Iterator[Installation]:
    assert s3
    database = f"sqlite:///{tmp_path / 'moderation.db'}"
    settings = S3Settings(endpoint_url=s3_proxy.url, max_attempts=1)
    made = Installation(tmp_path / "home", database, redis_server.url, s3=settings)
    yield made
    made.close()


@pytest.fixture
def client(installation: Installation) -> Iterator[Client]:
    with installation.client() as client:
        yield client


def put(s3: Any, *keys: str, content: bytes = b"video") -> None:
    for key in keys:
        s3.put_object(Bucket="uploads", Key=key, Body=content)


def keys(client: Client) -> list[str]:
    return sorted(job.job.uri.removeprefix("s3://uploads/") for job in client.jobs(limit=None))


def sweeping(client: Client, s3: S3Settings, **more: Any) -> Backfill:
    given = {"priority": 1, "tag": "sweep", "backlog": 100, **more}
    return Backfill(client, s3, Folder("uploads", ""), EVERYTHING, **given)


def test_what_no_event_announced_becomes_a_job(
    installation: Installation, client: Client, s3: Any
) -> None:
    put(s3, "a.mp4", "in/b c+d.mp4", "in/e.mp4")
    done = command(installation, "sweep", "s3://uploads/in/")
    assert done == (0, "2 seen, 2 new, 0 known, 0 refused\n", "")
    assert keys(client) == ["in/b c+d.mp4", "in/e.mp4"]


def test_uploads_go_first(installation: Installation, client: Client, s3: Any) -> None:
    put(s3, "a.mp4")
    command(installation, "sweep", "s3://uploads")
    (job,) = client.jobs()
    assert (job.job.priority, job.job.tag) == (1, "sweep:uploads")


def test_what_has_a_job_gets_no_other(installation: Installation, client: Client, s3: Any) -> None:
    put(s3, "a.mp4", "b.mp4")
    client.submit("s3://uploads/a.mp4")
    for new in (1, 0):
        done = command(installation, "sweep", "s3://uploads")
        assert done.stdout == f"2 seen, {new} new, {2 - new} known, 0 refused\n"
    assert keys(client) == ["a.mp4", "b.mp4"]


def test_a_new_version_is_a_new_job(installation: Installation, s3: Any) -> None:
    put(s3, "a.mp4")
    command(installation, "sweep", "s3://uploads")
    put(s3, "a.mp4", content=b"other")
    assert command(installation, "sweep", "s3://uploads").stdout.startswith("1 seen, 1 new")


def test_of_versions_only_the_newest_is_seen(
    installation: Installation, client: Client, s3: Any
) -> None:
    s3.put_bucket_versioning(Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
    put(s3, "a.mp4", "gone.mp4")
    newest = s3.put_object(Bucket="uploads", Key="a.mp4", Body=b"newer")["VersionId"]
    s3.delete_object(Bucket="uploads", Key="gone.mp4")
    assert command(installation, "sweep", "s3://uploads").stdout.startswith("1 seen, 1 new")
    assert keys(client) == [f"a.mp4?versionId={newest}"]


def test_the_rules_are_those_of_the_trigger(
    installation: Installation, client: Client, s3: Any
) -> None:
    put(s3, "a.MP4", "a.txt", "trash/b.mp4", "results/c.mp4")
    put(s3, "long.mp4", content=b"a long video")
    put(s3, "empty.mp4", "folder/", content=b"")
    rules = ("--suffix", ".mp4", "--ignore-prefix", "trash/", "--max-bytes", "10")
    ours = {"MODERATION_PUBLISH__RESULTS": "s3://uploads/results/"}
    done = command(installation, "sweep", "s3://uploads", *rules, **ours)
    assert done.stdout == "6 seen, 1 new, 0 known, 5 refused\n"
    assert keys(client) == ["a.MP4"]


def test_a_policy_may_belong_to_a_prefix(
    installation: Installation, client: Client, s3: Any
) -> None:
    put(s3, "kids/a.mp4", "b.mp4")
    done = command(installation, "sweep", "s3://uploads", "--policy", "kids/=default")
    assert done.returncode == 0, done.stderr
    policies = {job.job.uri: job.job.policy for job in client.jobs()}
    ours = Policy.read(installation.settings.policy).ref.digest
    assert policies == {
        "s3://uploads/kids/a.mp4": Policy.read("default").ref.digest,
        "s3://uploads/b.mp4": ours,
    }


def test_it_goes_on_where_it_was(
    installation: Installation, client: Client, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, *(f"{number}.mp4" for number in range(5)))
    monkeypatch.setattr(backfill, "_BATCH", 2)
    first = next(sweeping(client, installation.settings.s3).run(Reached()))
    assert first == Reached(after="1.mp4", seen=2, new=2)
    Bookmark(installation.settings, Folder("uploads", ""), EVERYTHING).write(first)
    done = command(installation, "sweep", "s3://uploads")
    assert done.stdout == "5 seen, 5 new, 0 known, 0 refused\n"
    assert "going on behind 1.mp4: 2 seen" in done.stderr
    assert keys(client) == [f"{number}.mp4" for number in range(5)]


def test_it_starts_anew_when_it_was_done_or_is_told_to(
    installation: Installation, client: Client, s3: Any
) -> None:
    put(s3, "a.mp4", "b.mp4")
    bookmark = Bookmark(installation.settings, Folder("uploads", ""), EVERYTHING)
    bookmark.write(Reached(after="a.mp4", seen=1))
    assert command(installation, "sweep", "s3://uploads", "--restart").stdout.startswith("2 seen")
    assert command(installation, "sweep", "s3://uploads").stdout.startswith("2 seen, 0 new")
    assert keys(client) == ["a.mp4", "b.mp4"]


def test_another_question_has_another_bookmark(tmp_path: Path) -> None:
    folder, other = Folder("uploads", "in/"), ObjectFilter(suffixes=(".mp4",))
    Bookmark(Settings(home=tmp_path), folder, EVERYTHING).write(Reached(after="in/a", seen=1))
    for place in ((folder, other), (replace(folder, prefix="out/"), EVERYTHING)):
        assert Bookmark(Settings(home=tmp_path), *place).read() == Reached()
    assert Bookmark(Settings(home=tmp_path), folder, EVERYTHING).read().after == "in/a"


def test_a_broken_bookmark_is_one_sentence(tmp_path: Path) -> None:
    bookmark = Bookmark(Settings(home=tmp_path), Folder("uploads", ""), EVERYTHING)
    bookmark.write(Reached())
    (file,) = (tmp_path / "sweeps").iterdir()
    file.write_text("{")
    with pytest.raises(ConfigurationError, match="does not say where the sweep was"):
        bookmark.read()


def test_a_store_that_was_busy_is_swept_later(
    installation: Installation, s3: Any, s3_proxy: S3Proxy
) -> None:
    put(s3, "a.mp4", "b.mp4")
    s3_proxy.faults.append(Answer(503, "SlowDown"))
    once = {"MODERATION_S3__MAX_ATTEMPTS": "1"}
    assert command(installation, "sweep", "s3://uploads", **once).returncode == 3
    assert command(installation, "sweep", "s3://uploads").stdout.startswith("2 seen, 2 new")


def test_who_may_not_ask_for_versions_may_list(
    installation: Installation, s3: Any, s3_proxy: S3Proxy
) -> None:
    put(s3, "a.mp4")
    s3_proxy.faults.append(Answer(403, "AccessDenied"))
    (found,) = list_objects(Folder("uploads", ""), installation.settings.s3)
    assert (found.key, found.size, found.version) == ("a.mp4", 5, "")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Answer(403, "AccessDenied"), SourceError),
        (Answer(404, "NoSuchBucket"), SourceError),
        (Answer(503, "SlowDown"), SourceUnavailable),
    ],
)
def test_fault_095_what_keeps_it_from_listing_is_told(
    installation: Installation, s3_proxy: S3Proxy, fault: Answer, error: type[Exception]
) -> None:
    s3_proxy.faults.extend([fault] * 2)
    with pytest.raises(error, match=r"s3://uploads/"):
        list(list_objects(Folder("uploads", ""), installation.settings.s3))


def test_fault_105_a_bucket_that_is_not_listed_is_not_asked(
    installation: Installation, s3_proxy: S3Proxy
) -> None:
    done = command(installation, "sweep", "s3://uploads", MODERATION_S3__BUCKETS="ours")
    assert done.returncode == 3
    assert "the bucket uploads is not among s3.buckets" in done.stderr
    assert not s3_proxy.asked


def test_it_waits_while_much_work_waits(
    installation: Installation, client: Client, s3: Any
) -> None:
    put(s3, "a.mp4")
    waiting = client.submit_many([Pinned(f"s3://uploads/{n}", "etag:1") for n in range(3)])
    paused: list[int] = []

    def pause(_: float) -> None:
        paused.append(client.waiting())
        waiting.pop().cancel()

    reached = list(
        sweeping(client, installation.settings.s3, backlog=1, pause=pause).run(Reached())
    )
    assert paused == [3, 2]
    assert [each.new for each in reached] == [1]


def test_what_names_no_bucket_is_one_sentence(installation: Installation) -> None:
    for place in ("uploads", "s3://", "/tmp"):
        done = command(installation, "sweep", place)
        assert done.returncode == 2
        assert "names no bucket" in done.stderr


def test_who_stops_it_is_told_how_far_it_came(
    installation: Installation, client: Client, s3: Any, s3_proxy: S3Proxy
) -> None:
    put(s3, "a.mp4")
    client.submit_many([Pinned("s3://uploads/x", "etag:1")])
    running = begin(installation, "sweep", "s3://uploads", "--backlog", "0")
    until(lambda: len(s3_proxy.asked) >= 2, "listing")
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert "0 seen, 0 new, 0 known, 0 refused; the same command goes on there" in err
    assert [job.state for job in client.jobs()] == [JobState.QUEUED]
