"""The webhook that MinIO and RustFS call: answered when the job is in the database."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moderation_workers.filter import Filter
from moderation_workers.intake import Intake
from moderation_workers.webhook import Webhook

from moderation.client import Client
from moderation.config import Settings
from moderation.errors import ConfigurationError
from moderation.job import JobState
from moderation.job_settings import JobSettings
from moderation.s3_settings import S3Settings
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer

TOKEN = "hush"


@pytest.fixture
def client(tmp_path: Path, postgres_url: str, redis_server: RedisServer) -> Iterator[Client]:
    settings = Settings(
        home=tmp_path,
        database=postgres_url,
        jobs=JobSettings(broker=redis_server.url),
        s3=S3Settings(endpoint_url="http://127.0.0.1:9", buckets=("uploads",), max_attempts=1),
    )
    with Client(settings) as client:
        yield client


@pytest.fixture
def webhook(client: Client) -> Iterator[Webhook]:
    over = threading.Event()
    with Webhook("127.0.0.1", 0, Intake(client, Filter(suffixes=(".mp4",))), TOKEN) as webhook:
        running = threading.Thread(target=webhook.run, args=(over.is_set,))
        running.start()
        yield webhook
        over.set()
        running.join()


def event(key: str, bucket: str = "uploads", name: str = "s3:ObjectCreated:Put") -> str:
    """As MinIO sends it: the key encoded, the ETag of its bytes, no version."""
    thing = {"key": key, "size": 5, "eTag": "0a1b", "sequencer": "17D0"}
    record = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "eventName": name,
        "s3": {"bucket": {"name": bucket}, "object": thing},
    }
    return json.dumps({"EventName": name, "Key": f"{bucket}/{key}", "Records": [record]})


def post(webhook: Webhook, body: str | bytes, token: str = f"Bearer {TOKEN}", **more: str) -> int:
    return asked(webhook, "POST", body, {"Authorization": token, **more})


def asked(webhook: Webhook, method: str, body: Any = None, headers: Any = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", webhook.port, timeout=30)
    try:
        connection.request(method, "/", body, headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def test_an_upload_becomes_a_job(webhook: Webhook, client: Client) -> None:
    assert post(webhook, event("holiday/a+b%2Bc.mp4")) == 200
    (job,) = client.jobs()
    assert (job.job.uri, job.job.pin) == ("s3://uploads/holiday/a b+c.mp4", "etag:0a1b")
    assert job.job.tag == "uploads"


def test_the_same_again_is_the_same_job(webhook: Webhook, client: Client) -> None:
    assert [post(webhook, event("a.mp4")) for _ in range(3)] == [200] * 3
    assert len(client.jobs()) == 1


def test_many_at_once_are_all_taken(webhook: Webhook, client: Client) -> None:
    bodies = [event(f"{number % 20}.mp4") for number in range(60)]
    answers: list[int] = []
    senders = [
        threading.Thread(target=lambda body=body: answers.append(post(webhook, body)))
        for body in bodies
    ]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    assert answers == [200] * 60
    assert len(client.jobs()) == 20


def test_what_the_filter_refuses_needs_no_job(webhook: Webhook, client: Client) -> None:
    assert post(webhook, event("a.txt")) == 200
    assert not client.jobs()


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer other", "other", "bearer hush", "ü"])
def test_who_does_not_know_the_token_is_refused(
    webhook: Webhook, client: Client, token: str
) -> None:
    assert post(webhook, event("a.mp4"), token) == 401
    assert not client.jobs()


def test_the_token_may_come_without_its_scheme(webhook: Webhook) -> None:
    assert post(webhook, event("a.mp4"), TOKEN) == 200


@pytest.mark.parametrize(
    "body", [b"", b"garbage", b"\xff\xfe", b"[]", b'{"Records": 1}', b'{"Records": [{}]}']
)
def test_what_is_no_notification_is_refused(webhook: Webhook, body: bytes) -> None:
    assert post(webhook, body) == 400
    assert post(webhook, event("a.mp4")) == 200


def test_a_long_body_is_not_read(webhook: Webhook) -> None:
    assert post(webhook, b"", **{"Content-Length": str(1 << 40)}) == 413


def test_a_body_of_unknown_length_is_not_read(webhook: Webhook) -> None:
    assert post(webhook, b"", **{"Content-Length": "-1"}) == 411
    assert post(webhook, iter([b"{}"])) == 411  # type: ignore[arg-type]  # sent in chunks


def test_a_sender_who_hangs_up_costs_nothing(webhook: Webhook, client: Client) -> None:
    with socket.create_connection(("127.0.0.1", webhook.port)) as sender:
        sender.sendall(b"POST / HTTP/1.1\r\nContent-Length: 500\r\n\r\n{")
    assert post(webhook, event("a.mp4")) == 200
    assert len(client.jobs()) == 1


def test_senders_may_ask_whether_it_listens(webhook: Webhook) -> None:
    assert asked(webhook, "HEAD") == asked(webhook, "GET") == 200


def test_fault_105_a_bucket_that_is_not_listed_is_refused(webhook: Webhook, client: Client) -> None:
    assert post(webhook, event("a.mp4", bucket="others")) == 400
    assert not client.jobs()


def test_a_store_that_does_not_answer_leaves_the_event_with_its_sender(
    webhook: Webhook, client: Client
) -> None:
    unpinned = event("a.mp4").replace("0a1b", "")
    assert post(webhook, unpinned) == 503
    assert not client.jobs()


def test_fault_108_a_database_that_is_away_leaves_the_event_with_its_sender(
    webhook: Webhook, client: Client, postgres_server: PostgresServer
) -> None:
    postgres_server.kill()
    assert post(webhook, event("a.mp4")) == 503
    postgres_server.start()
    assert post(webhook, event("a.mp4")) == 200
    assert [job.state for job in client.jobs()] == [JobState.QUEUED]


def test_without_a_token_it_listens_to_this_machine_alone(client: Client) -> None:
    with pytest.raises(ConfigurationError, match="needs a token"):
        Webhook("0.0.0.0", 0, Intake(client, Filter()))
    Webhook("127.0.0.1", 0, Intake(client, Filter())).close()


def test_an_address_that_is_taken_is_one_sentence(client: Client, webhook: Webhook) -> None:
    with pytest.raises(ConfigurationError, match="cannot be listened on"):
        Webhook("127.0.0.1", webhook.port, Intake(client, Filter()), TOKEN)
