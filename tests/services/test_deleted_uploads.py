"""An upload that is gone from its bucket is nobody's work any more: real S3 protocol and queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moderation_workers.filter import Filter
from moderation_workers.trigger import Trigger

from moderation.audit import AuditLog
from moderation.client import Client
from moderation.config import Settings
from moderation.decision import Outcome, Purpose
from moderation.errors import ReviewConflict
from moderation.review import CloseReason, ItemState, ReviewItem, ReviewQueue
from moderation.s3_settings import S3Settings
from moderation.store import Store
from moderation.testing.scans import make_evidence, make_scan
from tests.services.bucket import Amazon
from tests.services.desk import ANN, LEA, POLICY, PORTAL, claimed, decided


@pytest.fixture
def trigger(tmp_path: Path, store: Store, amazon: Amazon) -> Iterator[Trigger]:
    s3 = S3Settings(endpoint_url=amazon.endpoint)
    url = store.engine.url.render_as_string(hide_password=False)
    settings = Settings(home=tmp_path / "home", database=url, s3=s3)
    with Client(settings) as client:
        yield Trigger(amazon.sqs, amazon.queue, client, Filter(), hold_s=0)


def seen(store: Store, *uris: str, name: str = "the bytes") -> None:
    """The same bytes in these places, as a worker saves them."""
    scan = make_scan(make_evidence(), name=name)
    judged = replace(scan.verdict, policy=POLICY.ref)
    for uri in uris:
        video = replace(scan.video, uri=uri)
        store.save(replace(scan, video=video, verdict=judged), POLICY, fingerprint="all")


def deleted(amazon: Amazon, trigger: Trigger, key: str) -> None:
    """And heard of."""
    amazon.s3.delete_object(Bucket=amazon.bucket, Key=key)
    heard(amazon, trigger, amazon.event(key, "ObjectRemoved:Delete"))


def heard(amazon: Amazon, trigger: Trigger, event: dict[str, Any]) -> None:
    """Of this alone: moto's own events name no versions."""
    amazon.drain()
    amazon.announce(event)
    assert trigger.poll(wait_s=0) == 1


def only(queue: ReviewQueue, state: ItemState) -> ReviewItem:
    (item,) = queue.list(LEA, state=state)
    return item


def test_fault_107_a_deleted_upload_closes_its_review_item(
    amazon: Amazon, trigger: Trigger, store: Store, queue: ReviewQueue
) -> None:
    """Also one that somebody has at this moment, whose late decision is refused."""
    amazon.write("a.mp4", "bytes")
    seen(store, f"s3://{amazon.bucket}/a.mp4")
    item = claimed(queue, "ann").item
    deleted(amazon, trigger, "a.mp4")
    closed = only(queue, ItemState.CLOSED)
    assert (closed.id, closed.closed_reason, closed.holder) == (item.id, CloseReason.DELETED, "")
    (event, *_) = AuditLog(store).entries(subject=f"item:{item.id}")
    assert (event.actor, event.action) == ("trigger", "item.closed")
    assert event.content == {"reason": "deleted", "holder": "ann"}
    with pytest.raises(ReviewConflict, match="is closed: deleted"):
        queue.decide(item.id, ANN, version=item.version, outcome=Outcome.UPHOLD)
    assert queue.claim_next(ANN) is None


def test_fault_107_an_event_of_what_lies_there_again_closes_nothing(
    amazon: Amazon, trigger: Trigger, store: Store, queue: ReviewQueue
) -> None:
    amazon.write("a.mp4", "bytes")
    seen(store, f"s3://{amazon.bucket}/a.mp4")
    heard(amazon, trigger, amazon.event("a.mp4", "ObjectRemoved:Delete"))
    assert queue.count(LEA) == 1


def test_fault_107_the_same_bytes_elsewhere_are_looked_at_there(
    amazon: Amazon, trigger: Trigger, store: Store, queue: ReviewQueue
) -> None:
    for key in ("a.mp4", "b.mp4"):
        amazon.write(key, "bytes")
    seen(store, *(f"s3://{amazon.bucket}/{key}" for key in ("a.mp4", "b.mp4")))
    deleted(amazon, trigger, "a.mp4")
    assert queue.count(LEA) == 1
    deleted(amazon, trigger, "b.mp4")
    assert queue.count(LEA) == 0


def test_fault_107_a_file_is_not_known_to_be_gone(
    amazon: Amazon, trigger: Trigger, store: Store, queue: ReviewQueue
) -> None:
    """It may be one of another machine."""
    seen(store, f"s3://{amazon.bucket}/a.mp4", "/uploads/a.mp4")
    deleted(amazon, trigger, "a.mp4")
    assert queue.count(LEA) == 1


def test_fault_107_a_version_that_is_removed_is_that_version_s_alone(
    amazon: Amazon, trigger: Trigger, store: Store, queue: ReviewQueue
) -> None:
    enabled = {"Status": "Enabled"}
    amazon.s3.put_bucket_versioning(Bucket=amazon.bucket, VersioningConfiguration=enabled)
    place = {"Bucket": amazon.bucket, "Key": "a.mp4"}
    first, second = (amazon.s3.put_object(**place, Body=b"it")["VersionId"] for _ in range(2))
    uris = [f"s3://{amazon.bucket}/a.mp4?versionId={version}" for version in (first, second)]
    for uri in uris:
        seen(store, uri, name=uri)
    amazon.s3.delete_object(**place, VersionId=first)
    heard(amazon, trigger, amazon.event("a.mp4", "ObjectRemoved:Delete", versionId=first))
    assert [only(queue, state).uri for state in (ItemState.CLOSED, ItemState.OPEN)] == uris
    marker = amazon.s3.delete_object(**place)["VersionId"]
    name = "ObjectRemoved:DeleteMarkerCreated"
    heard(amazon, trigger, amazon.event("a.mp4", name, versionId=marker))
    assert queue.count(LEA) == 0, "the key is gone, whatever versions it has"


def test_fault_107_what_is_uploaded_again_waits_again(
    amazon: Amazon, trigger: Trigger, store: Store, queue: ReviewQueue
) -> None:
    seen(store, f"s3://{amazon.bucket}/a.mp4")
    deleted(amazon, trigger, "a.mp4")
    seen(store, f"s3://{amazon.bucket}/a.mp4")
    item = only(queue, ItemState.OPEN)
    assert (item.closed_reason, item.closed_at) == (None, None)


def test_fault_107_an_appeal_is_answered_all_the_same(
    amazon: Amazon, trigger: Trigger, store: Store, queue: ReviewQueue
) -> None:
    seen(store, f"s3://{amazon.bucket}/a.mp4")
    appeal = queue.appeal(decided(queue, "ann").item.id, PORTAL, note="it is a toy")
    deleted(amazon, trigger, "a.mp4")
    item = only(queue, ItemState.OPEN)
    assert (item.id, item.purpose) == (appeal, Purpose.APPEAL)
