"""From an upload to S3 over its notification to a verdict: a real S3 protocol, queue and worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from moderation_workers.filter import Filter
from moderation_workers.trigger import Trigger
from moto.server import ThreadedMotoServer

from moderation.client import Client
from moderation.job import JobState
from moderation.s3_settings import S3Settings
from moderation.testing.clips import BLACK, WHITE, Clip
from moderation.verdict import Action
from tests.services.installation import Installation
from tests.services.redis_server import RedisServer


class Amazon(NamedTuple):
    """A bucket that notifies a queue, which has a dead letter queue."""

    endpoint: str
    s3: Any
    sqs: Any
    bucket: str
    queue: str
    dead: str

    def put(self, key: str, path: Path) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=path.read_bytes())

    def tell(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def waiting(self, queue: str) -> list[Any]:
        return list(self.sqs.receive_message(QueueUrl=queue).get("Messages", []))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://127.0.0.1:{1}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def amazon(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Amazon:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3, sqs = (boto3.client(name, endpoint_url=endpoint) for name in ("s3", "sqs"))
    name = f"uploads-{abs(hash(request.node.name))}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": _arn(sqs, dead), "maxReceiveCount": "2"}
    attributes = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "0"}
    queue = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    s3.create_bucket(Bucket=name)
    notify = [
        {"QueueArn": _arn(sqs, queue), "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    ]
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"QueueConfigurations": notify}
    )
    return Amazon(endpoint, s3, sqs, name, queue, dead)


@pytest.fixture
def installation(
    tmp_path: Path, postgres_url: str, redis_server: RedisServer, amazon: Amazon
) -> Iterator[Installation]:
    s3 = S3Settings(endpoint_url=amazon.endpoint)
    made = Installation(tmp_path / "home", postgres_url, redis_server.url, s3=s3)
    yield made
    made.close()


@pytest.fixture
def client(installation: Installation) -> Iterator[Client]:
    with installation.client() as client:
        yield client


@pytest.fixture(scope="module")
def white(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "white.mp4"
    return Clip(64, 48, fps=5).show(1, BLACK).show(2, WHITE).write(path)


def _arn(sqs: Any, queue: str) -> str:
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return str(asked["Attributes"]["QueueArn"])


def trigger(amazon: Amazon, client: Client, **accept: Any) -> Trigger:
    return Trigger(amazon.sqs, amazon.queue, client, Filter(**accept), tag="")


def polled(watching: Trigger, times: int = 6) -> int:
    return sum(watching.poll(wait_s=0) for _ in range(times))


def test_an_upload_becomes_a_job_and_gets_its_verdict(
    amazon: Amazon, installation: Installation, client: Client, white: Path
) -> None:
    installation.worker()
    amazon.put("holiday/a b+c.mp4", white)
    polled(trigger(amazon, client))
    (job,) = client.jobs()
    assert (job.job.uri, job.job.tag) == (
        f"s3://{amazon.bucket}/holiday/a b+c.mp4",
        amazon.bucket,
    )
    assert job.wait(60).verdict.action is Action.REVIEW
    assert not amazon.waiting(amazon.queue)


def test_announced_and_submitted_at_once_it_is_one_job(
    amazon: Amazon, client: Client, white: Path
) -> None:
    amazon.put("a.mp4", white)
    by_hand = client.submit(f"s3://{amazon.bucket}/a.mp4")
    polled(trigger(amazon, client))
    assert [job.id for job in client.jobs()] == [by_hand.id]


def test_a_version_is_named_where_the_bucket_keeps_versions(
    amazon: Amazon, client: Client, white: Path
) -> None:
    amazon.s3.put_bucket_versioning(
        Bucket=amazon.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    amazon.put("a.mp4", white)
    first = client.submit(f"s3://{amazon.bucket}/a.mp4")
    amazon.put("a.mp4", white)
    second = client.submit(f"s3://{amazon.bucket}/a.mp4")
    assert first.id != second.id
    assert "?versionId=" in first.job.uri


def test_an_object_that_was_replaced_is_not_judged_as_the_old_one(
    amazon: Amazon, installation: Installation, client: Client, white: Path, tmp_path: Path
) -> None:
    amazon.put("a.mp4", white)
    job = client.submit(f"s3://{amazon.bucket}/a.mp4")
    amazon.put("a.mp4", Clip(64, 48, fps=5).show(1, BLACK).write(tmp_path / "other.mp4"))
    installation.worker()
    assert job.wait(60).state is JobState.FAILED
    assert "source_changed" in job.job.error


def test_a_deletion_cancels_what_is_not_over(amazon: Amazon, client: Client, white: Path) -> None:
    amazon.put("a.mp4", white)
    watching = trigger(amazon, client)
    polled(watching)
    amazon.s3.delete_object(Bucket=amazon.bucket, Key="a.mp4")
    polled(watching)
    assert [job.state for job in client.jobs()] == [JobState.CANCELLED]


def test_what_the_filter_refuses_becomes_no_job(
    amazon: Amazon, client: Client, white: Path
) -> None:
    amazon.put("results/a.mp4", white)
    amazon.put("notes.txt", white)
    polled(trigger(amazon, client, ignore_prefixes=("results/",), suffixes=(".mp4",)))
    assert not client.jobs()
    assert not amazon.waiting(amazon.queue)


def test_fault_099_what_is_no_notification_goes_to_the_dead_letter_queue(
    amazon: Amazon, client: Client, white: Path
) -> None:
    amazon.tell("garbage")
    amazon.put("a.mp4", white)
    polled(trigger(amazon, client))
    assert len(client.jobs()) == 1
    (dead,) = amazon.waiting(amazon.dead)
    assert dead["Body"] == "garbage"


def test_a_message_that_is_delivered_twice_is_one_job(
    amazon: Amazon, client: Client, white: Path
) -> None:
    amazon.put("a.mp4", white)
    message = next(
        each
        for _ in range(10)
        for each in amazon.waiting(amazon.queue)
        if "Records" in each["Body"]
    )
    for _ in range(3):
        amazon.tell(message["Body"])
    polled(trigger(amazon, client))
    assert len(client.jobs()) == 1
