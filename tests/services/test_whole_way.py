"""An upload from its bucket to a reviewer: S3, SQS, the trigger, workers, PostgreSQL, reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moderation.client import JobHandle
from moderation.job import JobState, Kind
from moderation.person import local_person
from moderation.review import ReviewQueue
from moderation.s3_settings import S3Settings
from moderation.store import Jobs, Store
from moderation.testing.clips import BLACK, WHITE, Clip, long_clip
from moderation.verdict import Action, CoverageStatus
from tests.services.bucket import Amazon
from tests.services.installation import Installation
from tests.services.redis_server import RedisServer
from tests.services.server import until

MINUTES = 30


@pytest.fixture
def installation(
    tmp_path: Path, postgres_url: str, redis_server: RedisServer, amazon: Amazon
) -> Iterator[Installation]:
    s3 = S3Settings(endpoint_url=amazon.endpoint)
    made = Installation(tmp_path / "home", postgres_url, redis_server.url, s3=s3, lease_s=30)
    made.more = {
        "MODERATION_PUBLISH__RESULTS": f"s3://{amazon.bucket}/moderation/results/",
        "MODERATION_PUBLISH__PICTURES": f"s3://{amazon.bucket}/moderation/pictures/",
        "MODERATION_PUBLISH__TAGS": "true",
    }
    yield made
    made.close()


def keys(amazon: Amazon, prefix: str) -> list[str]:
    listed = amazon.s3.list_objects_v2(Bucket=amazon.bucket, Prefix=prefix)
    return [each["Key"] for each in listed.get("Contents", [])]


def tags(amazon: Amazon, key: str) -> dict[str, str]:
    found = amazon.s3.get_object_tagging(Bucket=amazon.bucket, Key=key)["TagSet"]
    return {each["Key"]: each["Value"] for each in found}


def report(installation: Installation) -> dict[str, Any]:
    """By URI."""
    done = installation.run("report", "--format", "json")
    assert done.returncode == 0, done.stderr
    return {each["video"]["uri"]: each for each in json.loads(done.stdout)}


def test_an_upload_goes_the_whole_way(
    amazon: Amazon, installation: Installation, tmp_path: Path
) -> None:
    for _ in range(2):
        installation.worker()
    short = Clip(64, 48, fps=5).show(1, BLACK).show(2, WHITE).write(tmp_path / "short.mp4")
    uploads = {"in/a b.mp4": short, "in/long.mkv": long_clip(tmp_path / "l.mkv", MINUTES * 60)}
    with (
        installation.client() as client,
        installation.running(
            "watch", "--queue-url", amazon.queue, "--endpoint", amazon.endpoint, "--prefix", "in/"
        ),
    ):
        for key, path in uploads.items():
            amazon.put(key, path)
        until(lambda: len(client.jobs()) == len(uploads), "a job for each upload")
        jobs = {each.job.uri.rpartition("/")[2]: each.wait(120) for each in client.jobs()}
        until(lambda: not unpublished(installation), "the publications")
        until(lambda: len(keys(amazon, "moderation/results/")) == len(uploads), "the documents")
        until(lambda: not amazon.waiting(amazon.queue), "an end of the notifications")
        assert len(client.jobs()) == len(uploads), "what is published is no upload"
    check_verdicts(jobs)
    with Store.open(installation.settings.database_url) as store:
        assert ReviewQueue(store).count(local_person()) == len(uploads)
    told = report(installation)
    for key in uploads:
        assert told[f"s3://{amazon.bucket}/{key}"]["verdict"]["action"] == "review"
        assert tags(amazon, key)["moderation-verdict"] == "review"
    assert keys(amazon, "moderation/pictures/")


def check_verdicts(jobs: dict[str, JobHandle]) -> None:
    assert {each.state for each in jobs.values()} == {JobState.DONE}
    assert {each.verdict.action for each in jobs.values()} == {Action.REVIEW}
    sections = [each for each in jobs["long.mkv"].job.parts if each.kind is Kind.SCAN]
    assert [each.number for each in sections] == [0, 1, 2]
    (coverage,) = jobs["long.mkv"].scan.coverage
    assert coverage.status is CoverageStatus.COMPLETE
    assert coverage.planned == coverage.examined >= MINUTES * 60


def unpublished(installation: Installation) -> bool:
    with Store.open(installation.settings.database_url) as store:
        return bool(Jobs(store).counts())
