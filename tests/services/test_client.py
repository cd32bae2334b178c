"""The client: what a program may ask of an installation, with nobody at work."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from moderation import AsyncClient, Client
from moderation.config import Settings
from moderation.errors import ConfigurationError, PolicyError, SourceError, StillRunning
from moderation.job import Job, JobState, Pinned
from moderation.job_settings import JobSettings
from moderation.s3_settings import S3Settings
from moderation.testing.clips import BLACK, Clip
from tests.services.redis_server import RedisServer


@pytest.fixture
def settings(tmp_path: Path, redis_server: RedisServer) -> Settings:
    return Settings(home=tmp_path, jobs=JobSettings(broker=redis_server.url))


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with Client(settings) as client:
        yield client


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return Clip(64, 48, fps=5).show(1, BLACK).write(path)


def test_a_submitted_video_waits(client: Client, clip: Path) -> None:
    job = client.submit(clip, priority=9, tag="mine")
    assert (job.state, job.job.priority, job.job.tag) == (JobState.QUEUED, 9, "mine")
    assert job.job.uri == str(clip)


def test_workers_are_told_of_it(client: Client, clip: Path, redis_server: RedisServer) -> None:
    client.submit(clip)
    assert redis_server.client.llen("moderation:control") == 1


def test_a_backlog_is_not_a_message_for_each(settings: Settings, redis_server: RedisServer) -> None:
    few = settings.model_copy(update={"jobs": settings.jobs.model_copy(update={"wakes": 7})})
    with Client(few) as client:
        client.submit_many([Pinned(f"s3://b/{n}", "etag:1") for n in range(100)])
    assert redis_server.client.llen("moderation:control") == 7


def test_the_same_again_is_the_same_job(client: Client, clip: Path) -> None:
    first, second = client.submit_many([clip, clip])
    assert first.id == second.id == client.submit(str(clip)).id


def test_an_idempotency_key_decides(client: Client, clip: Path) -> None:
    first = client.submit(clip, idempotency_key="upload 1")
    assert first.id != client.submit(clip, idempotency_key="upload 2").id


def test_what_cannot_be_opened_is_refused_at_once(client: Client, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such file"):
        client.submit(tmp_path / "nothing.mp4")
    assert not client.jobs()


def test_of_many_each_says_whether_it_can_be_opened(
    client: Client, clip: Path, tmp_path: Path
) -> None:
    opened, missing, again = client.pin_many([clip, tmp_path / "nothing.mp4", str(clip)])
    assert opened == again == client.pin(clip)
    assert isinstance(missing, SourceError)


def test_who_knows_a_version_learns_whether_it_has_a_job(client: Client) -> None:
    first, second = Pinned("s3://b/a", "etag:1"), Pinned("s3://b/a", "etag:2")
    client.submit_many([first])
    assert client.known([first, second]) == [True, False]
    assert client.known([first], policy="light") == [False]
    assert client.pins(["s3://b/a", "s3://b/b"]) == {"s3://b/a": {"etag:1"}}


def test_thousands_are_one_call(client: Client) -> None:
    jobs = client.submit_many(Pinned(f"s3://b/{n}", "etag:1") for n in range(2_500))
    assert client.waiting() == 2_500
    jobs[17].cancel()
    outcomes = client.outcomes(jobs)
    assert len(outcomes) == 2_500
    assert [name for name, each in outcomes.items() if each.state.is_final] == [jobs[17].id]


def test_fault_105_a_bucket_that_is_not_listed_is_refused_unasked(settings: Settings) -> None:
    s3 = S3Settings(endpoint_url="http://127.0.0.1:9", buckets=("ours",))
    with Client(settings.model_copy(update={"s3": s3})) as client:
        for given in ("s3://others/a.mp4", Pinned("s3://others/a.mp4", "etag:1")):
            with pytest.raises(SourceError, match=r"others is not among s3\.buckets"):
                client.submit_many([given])
        client.submit_many([Pinned("s3://ours/a.mp4", "etag:1")])
        assert [job.job.uri for job in client.jobs()] == ["s3://ours/a.mp4"]


def test_a_policy_or_priority_that_there_is_not_is_refused(client: Client, clip: Path) -> None:
    with pytest.raises(PolicyError):
        client.submit(clip, policy="nonsense")
    with pytest.raises(ConfigurationError, match="priority 10"):
        client.submit(clip, priority=10)


def test_waiting_ends_and_the_job_goes_on(client: Client, clip: Path) -> None:
    job, told = client.submit(clip), list[Job]()
    with pytest.raises(StillRunning, match="is queued after 0 s"):
        job.wait(timeout=0, on_progress=told.append)
    assert [each.id for each in told] == [job.id]


def test_what_is_not_judged_has_no_verdict(client: Client, clip: Path) -> None:
    with pytest.raises(StillRunning, match="has no verdict, it is queued"):
        client.submit(clip).verdict  # noqa: B018  # asked for


def test_jobs_are_listed_by_what_became_of_them(client: Client, clip: Path) -> None:
    job = client.submit(clip)
    assert [each.id for each in client.jobs("queued")] == [job.id]
    assert job.cancel().wait(1).state is JobState.CANCELLED
    assert not client.jobs("queued")
    assert client.job(job.id).retry().state is JobState.QUEUED


def test_the_same_can_be_awaited(settings: Settings, clip: Path) -> None:
    async def go() -> JobState:
        client = AsyncClient(settings)
        job = await client.submit(clip)
        (found,) = await client.jobs("queued")
        assert found.id == (await client.job(job.id)).id == job.id
        job.cancel()
        state = (await client.wait(job, timeout=5)).state
        await client.close()
        return state

    assert asyncio.run(go()) is JobState.CANCELLED
