"""`moderation submit`: paths, objects, folders and lists become jobs."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moderation.client import Client
from moderation.s3_settings import S3Settings
from moderation.testing.clips import BLACK, WHITE, Clip
from tests.services.commands import begin, command
from tests.services.installation import Installation
from tests.services.redis_server import RedisServer
from tests.services.s3_proxy import S3Proxy
from tests.services.s3_server import S3Server
from tests.services.server import until

KEYS = ("in/a b+c.mp4", "in/a%2Fb.mp4", "in/b&<c>.MP4", "in/notes.txt", "in/ü.mp4", "out/z.mp4")
"""In the order of a bucket: of bytes, in UTF-8."""

pytestmark = pytest.mark.usefixtures("credentials")


@pytest.fixture
def store(s3_server: S3Server) -> Iterator[S3Proxy]:
    """An empty bucket "uploads", whose requests are counted."""
    s3_server.reset()
    s3_server.client.create_bucket(Bucket="uploads")
    with S3Proxy(s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def s3(s3_server: S3Server, store: S3Proxy) -> Any:
    """For what tests put there, past the count."""
    assert not store.asked
    return s3_server.client


@pytest.fixture
def installation(
    tmp_path: Path, redis_server: RedisServer, store: S3Proxy
) -> Iterator[Installation]:
    database = f"sqlite:///{tmp_path / 'moderation.db'}"
    s3 = S3Settings(endpoint_url=store.url)
    made = Installation(tmp_path / "home", database, redis_server.url, s3=s3)
    yield made
    made.close()


@pytest.fixture
def client(installation: Installation) -> Iterator[Client]:
    with installation.client() as client:
        yield client


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return Clip(64, 48, fps=5).show(1, BLACK).write(tmp_path / "clip.mp4")


def put(s3: Any, *keys: str, content: bytes = b"video") -> None:
    for key in keys:
        s3.put_object(Bucket="uploads", Key=key, Body=content)


def uris(client: Client) -> set[str]:
    return {job.job.uri for job in client.jobs(limit=None)}


def test_each_video_is_a_job_whose_id_is_a_line(
    installation: Installation, client: Client, s3: Any, clip: Path
) -> None:
    put(s3, "a.mp4")
    done = command(installation, "submit", str(clip), "s3://uploads/a.mp4", "--tag", "mine")
    assert done.returncode == 0, done.stderr
    jobs = [client.job(line).job for line in done.stdout.splitlines()]
    assert [job.uri for job in jobs] == [str(clip), "s3://uploads/a.mp4"]
    assert {job.tag for job in jobs} == {"mine"}


def test_all_objects_below_a_prefix_are_jobs_without_a_request_for_each(
    installation: Installation, client: Client, s3: Any, store: S3Proxy
) -> None:
    put(s3, *KEYS)
    put(s3, "in/folder/", "in/empty.mp4", content=b"")
    done = command(installation, "submit", "--prefix", "s3://uploads/in/", "--suffix", ".mp4")
    assert done.returncode == 0, done.stderr
    wanted = [key for key in KEYS if key.startswith("in/") and not key.endswith(".txt")]
    assert uris(client) == {f"s3://uploads/{key}" for key in wanted}
    assert not [method for method, _ in store.asked if method == "HEAD"]


def test_what_is_listed_is_pinned_as_what_is_opened(
    installation: Installation, client: Client, s3: Any
) -> None:
    put(s3, "a.mp4")
    opened = client.submit("s3://uploads/a.mp4")
    assert command(installation, "submit", "--prefix", "s3://uploads/a").stdout == f"{opened.id}\n"


def test_of_a_bucket_that_keeps_versions_the_newest_are_named(
    installation: Installation, client: Client, s3: Any
) -> None:
    s3.put_bucket_versioning(Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
    put(s3, "a.mp4", "b.mp4", "gone.mp4")
    put(s3, "a.mp4", content=b"newer")
    s3.delete_object(Bucket="uploads", Key="gone.mp4")
    opened = [client.submit(f"s3://uploads/{key}").id for key in ("a.mp4", "b.mp4")]
    assert command(installation, "submit", "--prefix", "s3://uploads").stdout.split() == opened


def test_a_list_may_have_comments_and_empty_lines(
    installation: Installation, client: Client, s3: Any, clip: Path, tmp_path: Path
) -> None:
    put(s3, "#1 ü.mp4")
    listed = tmp_path / "list.txt"
    listed.write_text(f"# of today\n\n  {clip}\ns3://uploads/#1 ü.mp4\n")
    done = command(installation, "submit", "--from", str(listed))
    assert len(done.stdout.split()) == 2, done.stderr
    assert uris(client) == {str(clip), "s3://uploads/#1 ü.mp4"}


def test_a_list_may_come_from_a_pipe(
    installation: Installation, client: Client, clip: Path
) -> None:
    done = command(installation, "submit", "--from", "-", given=f"{clip}\n{clip}\n")
    assert len(set(done.stdout.split())) == 1
    assert len(client.jobs()) == 1


def test_one_that_cannot_be_opened_costs_only_itself(
    installation: Installation, client: Client, clip: Path
) -> None:
    done = command(installation, "submit", "/nowhere.mp4", str(clip))
    assert done.returncode == 3
    assert "there is no such file" in done.stderr
    assert uris(client) == {str(clip)}


def test_a_misspelt_policy_is_told_before_anything_is_asked(
    installation: Installation, store: S3Proxy
) -> None:
    done = command(installation, "submit", "--prefix", "s3://uploads/", "--policy", "nonsense")
    assert done.returncode == 2
    assert not store.asked


def test_a_bucket_that_there_is_not_is_one_sentence(installation: Installation) -> None:
    done = command(installation, "submit", "--prefix", "s3://nothing-here/")
    assert done.returncode == 3
    assert "there is no such bucket" in done.stderr


def test_fault_105_a_bucket_that_is_not_listed_is_not_asked(
    installation: Installation, store: S3Proxy
) -> None:
    listed = {"MODERATION_S3__BUCKETS": "ours,others"}
    for arguments in (("s3://uploads/a.mp4",), ("--prefix", "s3://uploads/")):
        done = command(installation, "submit", *arguments, **listed)
        assert done.returncode == 3
        assert "the bucket uploads is not among s3.buckets" in done.stderr
    assert not store.asked


def test_waiting_tells_the_verdicts(
    installation: Installation, s3: Any, clip: Path, tmp_path: Path
) -> None:
    installation.worker()
    put(s3, "black.mp4", content=clip.read_bytes())
    white = Clip(64, 48, fps=5).show(1, WHITE).write(tmp_path / "white.mp4")
    put(s3, "white.mp4", content=white.read_bytes())
    done = command(
        installation, "submit", "--prefix", "s3://uploads/", "--wait", "--fail-on", "review"
    )
    assert done.returncode == 1, done.stderr
    assert "2 of 2 jobs were judged: 1 approve, 1 review" in done.stderr


def test_waiting_says_what_was_not_judged(
    installation: Installation, client: Client, clip: Path
) -> None:
    job = client.submit(clip).cancel()
    done = command(installation, "submit", str(clip), "--wait")
    assert (done.returncode, done.stdout) == (3, f"{job.id}\n")
    assert f"{clip}: cancelled" in done.stderr


def test_who_stops_waiting_leaves_the_jobs(
    installation: Installation, client: Client, clip: Path
) -> None:
    waiting = begin(installation, "submit", str(clip), "--wait")
    until(lambda: bool(client.jobs()), "the submission")
    assert waiting.stdout is not None
    job = waiting.stdout.readline().strip()
    waiting.send_signal(signal.SIGINT)
    _, told = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert re.search("1 .+ go on; see `moderation status`", told)
    assert client.job(job).state == "queued"
