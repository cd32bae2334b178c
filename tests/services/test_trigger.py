"""From an upload to S3 over its notification to a verdict: a real S3 protocol, queue and worker."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moderation_workers.filter import Filter
from moderation_workers.trigger import Trigger
from moto.server import ThreadedMotoServer
from structlog.testing import capture_logs

from moderation.client import Client, JobHandle
from moderation.errors import ConfigurationError, TransientError
from moderation.job import JobState
from moderation.policy import Policy
from moderation.s3_settings import S3Settings
from moderation.testing.clips import BLACK, WHITE, Clip
from moderation.verdict import Action
from tests.services.bucket import Amazon
from tests.services.installation import Installation
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer
from tests.services.server import until


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


def trigger(amazon: Amazon, client: Client, **accept: Any) -> Trigger:
    """Which lets go of messages at once: tests need not wait until they come again."""
    return Trigger(amazon.sqs, amazon.queue, client, Filter(**accept), hold_s=0)


def polled(watching: Trigger, times: int = 6) -> int:
    return sum(watching.poll(wait_s=0) for _ in range(times))


def states(client: Client) -> dict[str, JobState]:
    """By pin."""
    return {job.job.pin: job.state for job in client.jobs()}


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


def test_fault_088_the_test_event_of_a_new_notification_is_no_job(
    amazon: Amazon, client: Client
) -> None:
    assert trigger(amazon, client).poll(wait_s=0) == 1
    assert not amazon.waiting(amazon.queue)
    assert not client.jobs()


def test_fault_089_ten_times_the_same_event_is_one_job(amazon: Amazon, client: Client) -> None:
    amazon.write("a.mp4", "one")
    amazon.announce(*[amazon.event("a.mp4", eTag="0a", sequencer="01")] * 10)
    polled(trigger(amazon, client))
    assert states(client) == {"etag:0a": JobState.QUEUED}


def test_fault_090_of_two_events_that_come_together_the_later_counts(
    amazon: Amazon, client: Client
) -> None:
    amazon.write("a.mp4", "one")
    older = amazon.event("a.mp4", eTag="0a", sequencer="00FF")
    amazon.announce(amazon.event("a.mp4", eTag="0b", sequencer="01A0"), older)
    polled(trigger(amazon, client), 1)
    assert states(client) == {"etag:0b": JobState.QUEUED}


@pytest.mark.parametrize("sequencers", [("1", "0F"), ("", ""), ("00FF", "xyz")])
def test_fault_090_where_sequencers_do_not_tell_the_object_does(
    amazon: Amazon, client: Client, sequencers: tuple[str, str]
) -> None:
    etag = amazon.write("a.mp4", "two")
    newer, older = sequencers
    amazon.announce(
        amazon.event("a.mp4", eTag=etag, sequencer=newer),
        amazon.event("a.mp4", eTag="0a", sequencer=older),
    )
    polled(trigger(amazon, client), 1)
    assert states(client) == {f"etag:{etag}": JobState.QUEUED}


def test_fault_090_an_older_event_that_comes_later_is_no_job(
    amazon: Amazon, client: Client
) -> None:
    etag, watching = amazon.write("a.mp4", "two"), trigger(amazon, client)
    for sent in (etag, "0a"):
        amazon.announce(amazon.event("a.mp4", eTag=sent))
        polled(watching, 1)
    assert states(client) == {f"etag:{etag}": JobState.QUEUED}


def test_fault_092_what_was_replaced_is_not_waited_for(amazon: Amazon, client: Client) -> None:
    watching, etags = trigger(amazon, client), list[str]()
    for content in ("one", "two"):
        etags.append(amazon.write("a.mp4", content))
        amazon.announce(amazon.event("a.mp4", eTag=etags[-1]))
        polled(watching, 1)
    first, second = (f"etag:{etag}" for etag in etags)
    assert states(client) == {first: JobState.CANCELLED, second: JobState.QUEUED}


def test_fault_090_a_deletion_that_comes_late_leaves_the_newest(
    amazon: Amazon, client: Client
) -> None:
    etag = amazon.write("a.mp4", "two")
    amazon.announce(amazon.event("a.mp4", eTag=etag), amazon.event("a.mp4", "ObjectRemoved:Delete"))
    polled(trigger(amazon, client), 2)
    assert states(client) == {f"etag:{etag}": JobState.QUEUED}


def test_fault_090_versions_stand_side_by_side(amazon: Amazon, client: Client) -> None:
    watching = trigger(amazon, client)
    amazon.announce(*(amazon.event("a.mp4", eTag="0a", versionId=name) for name in "213"))
    amazon.announce(amazon.event("a.mp4", "ObjectRemoved:Delete", versionId="1"))
    polled(watching)
    found = states(client)
    assert found == {
        "version:1": JobState.CANCELLED,
        "version:2": JobState.QUEUED,
        "version:3": JobState.QUEUED,
    }


def test_an_upload_that_comes_back_after_its_deletion_is_judged(
    amazon: Amazon, client: Client
) -> None:
    watching = trigger(amazon, client)
    etag = amazon.write("a.mp4", "one")
    for name in ("ObjectCreated:Put", "ObjectRemoved:Delete", "ObjectCreated:Put"):
        if name == "ObjectRemoved:Delete":
            amazon.s3.delete_object(Bucket=amazon.bucket, Key="a.mp4")
            amazon.drain()
        else:
            amazon.write("a.mp4", "one")
        amazon.announce(amazon.event("a.mp4", name, eTag=etag))
        polled(watching, 1)
        expected = JobState.CANCELLED if "Removed" in name else JobState.QUEUED
        assert states(client) == {f"etag:{etag}": expected}


@pytest.mark.parametrize(
    "key",
    [
        "a b.mp4",
        "a+b.mp4",
        "100%.mp4",
        "a=b&c.mp4",
        "é/ü.mp4",
        "\U0001f3a5.mp4",
        "a%2Fb.mp4",
        "=cmd()<img onerror=x>.mp4",
    ],
)
def test_fault_091_a_job_names_the_very_key(
    amazon: Amazon, client: Client, white: Path, key: str
) -> None:
    amazon.put(key, white)
    polled(trigger(amazon, client), 1)
    (job,) = client.jobs()
    assert job.job.uri == f"s3://{amazon.bucket}/{key}"
    assert client.submit(job.job.uri).id == job.id


def test_fault_094_an_object_that_is_gone_is_no_job(amazon: Amazon, client: Client) -> None:
    amazon.announce(amazon.event("gone.mp4"))
    assert polled(trigger(amazon, client)) >= 1
    assert not client.jobs()
    assert not amazon.waiting(amazon.queue)


def test_fault_099_every_record_of_a_message_is_taken(amazon: Amazon, client: Client) -> None:
    records = [amazon.event(f"{number}.mp4", eTag="0a") for number in range(3)]
    amazon.tell(json.dumps({"Records": records}))
    amazon.tell(json.dumps({"Records": []}))
    polled(trigger(amazon, client))
    assert len(client.jobs()) == 3
    assert not amazon.waiting(amazon.queue)


def test_fault_099_an_unknown_schema_goes_to_the_dead_letter_queue_with_a_reason(
    amazon: Amazon, client: Client
) -> None:
    amazon.announce(amazon.event("a.mp4", eTag="0a") | {"eventVersion": "3.0"})
    with capture_logs() as told:
        polled(trigger(amazon, client))
    assert any("eventVersion" in str(line.get("reason")) for line in told)
    assert len(amazon.waiting(amazon.dead)) == 1
    assert not client.jobs()


def test_fault_101_one_bad_message_of_ten_stays_alone(amazon: Amazon, client: Client) -> None:
    amazon.drain()
    for number in range(9):
        amazon.announce(amazon.event(f"{number}.mp4", eTag="0a"))
    amazon.tell("garbage")
    assert polled(trigger(amazon, client)) == 9
    assert len(client.jobs()) == 9
    assert [each["Body"] for each in amazon.waiting(amazon.dead)] == ["garbage"]


_DIES = """
import os, sys, boto3
from moderation.client import Client
from moderation_workers.filter import Filter
from moderation_workers.trigger import Trigger

class Dies(Trigger):
    def _delete(self, messages):
        os._exit(9)

endpoint, queue = sys.argv[1:]
Dies(boto3.client("sqs", endpoint_url=endpoint), queue, Client(), Filter(), hold_s=0).poll(0)
"""


def test_fault_102_a_poller_that_dies_before_it_deletes_leaves_one_job(
    amazon: Amazon, installation: Installation, client: Client
) -> None:
    amazon.drain()
    amazon.announce(amazon.event("a.mp4", eTag="0a"))
    died = subprocess.run(
        [sys.executable, "-c", _DIES, amazon.endpoint, amazon.queue], env=installation.environment
    )
    assert died.returncode == 9
    (job,) = client.jobs()
    assert polled(trigger(amazon, client)) == 1
    assert [each.id for each in client.jobs()] == [job.id]
    assert not amazon.waiting(amazon.queue)


class Delayed(Client):
    """Does something else before it submits."""

    first: Callable[[], object]

    def submit_many(self, *given: Any, **more: Any) -> list[JobHandle]:
        self.first()
        return super().submit_many(*given, **more)


@pytest.fixture
def delayed(installation: Installation) -> Iterator[Delayed]:
    with Delayed(installation.settings) as client:
        yield client


def test_fault_103_a_slow_poller_keeps_its_messages(
    amazon: Amazon, client: Client, delayed: Delayed
) -> None:
    amazon.announce(amazon.event("a.mp4", eTag="0a"))
    asked = Counter[str]()
    amazon.sqs.meta.events.register(
        "before-call.sqs", lambda model, **_: asked.update([model.name])
    )
    delayed.first = lambda: until(
        lambda: asked["ChangeMessageVisibilityBatch"] >= 2, "taking them anew"
    )
    slow = Trigger(amazon.sqs, amazon.queue, delayed, Filter(), hold_s=1)
    assert slow.poll(wait_s=0) >= 1
    assert len(client.jobs()) == 1


def test_fault_103_a_message_that_another_one_took_meanwhile_is_one_job(
    amazon: Amazon, client: Client, delayed: Delayed
) -> None:
    amazon.drain()
    amazon.announce(amazon.event("a.mp4", eTag="0a"))
    other = trigger(amazon, client)
    delayed.first = lambda: other.poll(wait_s=0)
    assert trigger(amazon, delayed).poll(wait_s=0) == 1
    assert len(client.jobs()) == 1
    assert not amazon.waiting(amazon.queue)


class Impatient(Trigger):
    """Ends soon when it is told to."""

    def poll(self, wait_s: int = 1) -> int:
        return super().poll(wait_s)


def test_fault_104_a_queue_that_was_away_is_read_when_it_is_back(
    amazon: Amazon, client: Client
) -> None:
    """Another door to the same queue, which opens late."""
    amazon.announce(amazon.event("a.mp4", eTag="0a"))
    door = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    door.start()
    host, port = door.get_host_and_port()
    door.stop()
    sqs = boto3.client(
        "sqs",
        endpoint_url=f"http://{host}:{port}",
        config=Config(retries={"total_max_attempts": 1}),
    )
    over = threading.Event()
    queue = amazon.queue.replace(amazon.endpoint, f"http://{host}:{port}")
    watching = Impatient(sqs, queue, client, Filter(), hold_s=0)
    with capture_logs() as told:
        running = threading.Thread(target=watching.run, args=(over.is_set,))
        running.start()
        until(lambda: len(_waits(told)) >= 2, "backing off")
        door = ThreadedMotoServer(ip_address=host, port=port, verbose=False)
        door.start()
        until(lambda: len(client.jobs()) == 1, "recovery")
        over.set()
        running.join()
        door.stop()
    first, second = _waits(told)[:2]
    assert second["seconds"] > first["seconds"]


def _waits(told: Sequence[Any]) -> list[Any]:
    return [line for line in told if line["event"] == "the trigger waits"]


def test_a_database_that_is_away_leaves_the_messages(
    amazon: Amazon, client: Client, postgres_server: PostgresServer
) -> None:
    amazon.announce(amazon.event("a.mp4", eTag="0a"))
    watching = trigger(amazon, client)
    postgres_server.kill()
    with pytest.raises(TransientError):
        polled(watching)
    postgres_server.start()
    polled(watching)
    assert states(client) == {"etag:0a": JobState.QUEUED}


def test_a_queue_that_there_is_not_is_one_sentence(amazon: Amazon, client: Client) -> None:
    nowhere = Trigger(amazon.sqs, f"{amazon.queue}-nowhere", client, Filter())
    with pytest.raises(ConfigurationError, match="cannot be received"):
        nowhere.run()


def test_a_policy_that_is_gone_costs_no_message(amazon: Amazon, client: Client) -> None:
    amazon.announce(amazon.event("a.mp4", eTag="0a"))
    with pytest.raises(ConfigurationError):
        polled(trigger(amazon, client, policies={"": "/gone.toml"}), 1)
    polled(trigger(amazon, client))
    assert states(client) == {"etag:0a": JobState.QUEUED}


def test_fault_105_an_event_of_a_bucket_that_is_not_listed_costs_only_itself(
    amazon: Amazon, installation: Installation
) -> None:
    amazon.drain()
    foreign = amazon.event("secret.mp4")
    foreign["s3"]["bucket"]["name"] = "others"
    amazon.tell(json.dumps({"Records": [foreign, amazon.event("a.mp4", eTag="0a")]}))
    amazon.announce(amazon.event("b.mp4", eTag="0b"))
    s3 = S3Settings(endpoint_url="http://127.0.0.1:9", buckets=(amazon.bucket,))
    with Client(installation.settings.model_copy(update={"s3": s3})) as client:
        with capture_logs() as told:
            polled(trigger(amazon, client))
        assert states(client) == {"etag:0a": JobState.QUEUED, "etag:0b": JobState.QUEUED}
    assert any("the bucket others is not among" in str(line.get("reason")) for line in told)
    assert len(amazon.waiting(amazon.dead)) == 1


def test_a_policy_may_belong_to_a_prefix(
    amazon: Amazon, client: Client, installation: Installation, tmp_path: Path
) -> None:
    strict = tmp_path / "strict.toml"
    strict.write_text(Path(installation.settings.policy).read_text().replace('"test"', '"strict"'))
    amazon.announce(*(amazon.event(key, eTag="0a") for key in ("kids/a.mp4", "b.mp4")))
    polled(trigger(amazon, client, policies={"kids/": str(strict)}))
    judges = {job.job.uri.rpartition("/")[2]: job.job.policy for job in client.jobs()}
    assert judges["a.mp4"] == Policy.read(str(strict)).ref.digest != judges["b.mp4"]


def test_with_too_much_waiting_messages_stay_in_the_queue(amazon: Amazon, client: Client) -> None:
    amazon.announce(*(amazon.event(f"{number}.mp4", eTag="0a") for number in range(3)))
    polled(trigger(amazon, client))
    amazon.announce(amazon.event("late.mp4", eTag="0a"))
    full = Trigger(amazon.sqs, amazon.queue, client, Filter(), backlog=2, hold_s=0)
    asked = iter([False, True])
    with capture_logs() as told:
        full.run(lambda: next(asked, True))
    assert "too many parts wait: messages stay in the queue" in {line["event"] for line in told}
    assert len(client.jobs()) == 3


MESSAGES = int(os.environ.get("TRIGGER_MESSAGES", "200"))
"""10,000 take minutes, most of them moto's."""


@pytest.mark.timeout(300 + MESSAGES)
def test_of_many_messages_each_upload_is_one_job_and_garbage_is_dead(
    amazon: Amazon, installation: Installation, client: Client
) -> None:
    """A fifth are duplicates, a twentieth is garbage; two pollers share the queue."""
    garbage, twice = MESSAGES // 20, MESSAGES // 5
    uploads = MESSAGES - garbage - twice
    events = [amazon.event(f"{number}.mp4", eTag=f"{number:032x}") for number in range(uploads)]
    bodies = [json.dumps({"Records": [each]}) for each in [*events, *events[:twice]]]
    bodies += [f"garbage {number}" for number in range(garbage)]
    random.Random(4).shuffle(bodies)
    amazon.drain()
    amazon.allow(receives=3)
    began = time.monotonic()
    given = (amazon, OneAtATime(amazon.sqs), installation, sent := threading.Event())
    pollers = [threading.Thread(target=empty, args=given) for _ in range(2)]
    for each in pollers:
        each.start()
    send(amazon._replace(sqs=given[1]), bodies)
    sent.set()
    for each in pollers:
        each.join()
    print(f"{MESSAGES / (time.monotonic() - began):.0f} messages a second")  # noqa: T201  # a figure
    assert len(client.jobs(limit=None)) == uploads
    assert amazon.dead_bodies() == {f"garbage {number}" for number in range(garbage)}


def send(amazon: Amazon, bodies: Sequence[str]) -> None:
    """A few hundred at a time: moto walks through all messages of a queue for each."""
    for first in range(0, len(bodies), 10):
        entries = [
            {"Id": str(number), "MessageBody": body}
            for number, body in enumerate(bodies[first : first + 10])
        ]
        amazon.sqs.send_message_batch(QueueUrl=amazon.queue, Entries=entries)
        if first % 200 == 0:
            until(lambda: amazon.count(amazon.queue, "") < 400, "the pollers' work")


class OneAtATime:
    """moto loses messages when two threads ask it at one moment; a queue does not."""

    def __init__(self, sqs: Any) -> None:
        self._sqs, self._lock = sqs, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        def call(**given: Any) -> Any:
            with self._lock:
                return getattr(self._sqs, name)(**given)

        return call


def empty(
    amazon: Amazon, sqs: OneAtATime, installation: Installation, sent: threading.Event
) -> None:
    """Until the queue is; each poller is a client of its own."""
    with installation.client() as client:
        watching = Trigger(sqs, amazon.queue, client, Filter(), hold_s=2)
        while (
            watching.poll(wait_s=0)
            or not sent.is_set()
            or amazon.count(amazon.queue, "", "NotVisible")
        ):
            continue
