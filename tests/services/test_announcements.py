"""What jobs and verdicts tell: in the transaction that ends them, and once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from moderation.address_guard import AddressGuard
from moderation.decision import Outcome
from moderation.errors import LeaseLost
from moderation.job import Kind
from moderation.lanes import CONTROL
from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.review import ReviewQueue
from moderation.review_settings import ReviewSettings
from moderation.store import Failure, Jobs, Leases, Store
from moderation.store.clock import now_us
from moderation.store.deliveries import Deliveries
from moderation.store.models import DeliveryRow, WebhookEventRow
from moderation.store.webhooks import Webhooks
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Action
from tests.services.job_flow import POLICY, drain, submit


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store.open(database_url) as store:
        guard = AddressGuard(resolve=lambda *_: ["93.184.215.14"])
        Webhooks(store, guard).add("https://one.example.com/", actor="ann")
        yield store


def told(store: Store, type: str) -> list[dict[str, Any]]:
    """The oldest first."""
    log = [each.event for each in Deliveries(store).log() if each.event.type == type]
    return [json.loads(each.body)["data"] for each in reversed(log)]


def test_a_job_that_is_done_tells_its_verdict_once(store: Store) -> None:
    jobs, leases = Jobs(store), Leases(store)
    (job,) = submit(jobs, "s3://uploads/a.mp4")
    drain(jobs, leases, "worker")
    (data,) = told(store, "job.completed")
    done = jobs.get(job.id)
    assert (data["job_id"], data["state"], data["uri"]) == (job.id, "done", job.uri)
    assert (data["verdict"]["action"], data["scan_id"]) == (done.action, done.scan_id)
    assert told(store, "verdict.changed") == []


def test_a_job_that_failed_for_good_tells_why(store: Store) -> None:
    jobs, leases = Jobs(store), Leases(store)
    (job,) = submit(jobs, "s3://uploads/a.mp4")
    lease = leases.claim(CONTROL, "worker")
    assert lease is not None
    assert lease.kind is Kind.INGEST
    leases.fail(lease, Failure(error="nobody can read it"))
    (data,) = told(store, "job.completed")
    assert (data["job_id"], data["state"], data["error"]) == (
        job.id,
        "failed",
        "nobody can read it",
    )


def test_who_lost_the_lease_tells_nothing(store: Store) -> None:
    jobs, leases = Jobs(store), Leases(store)
    (job,) = submit(jobs, "s3://uploads/a.mp4")
    lease = leases.claim(CONTROL, "worker")
    assert lease is not None
    jobs.cancel(job.id)
    with pytest.raises(LeaseLost):
        leases.decided(lease, make_scan(), POLICY, "f")
    assert told(store, "job.completed") == []


def test_another_verdict_of_the_same_bytes_tells_both(store: Store) -> None:
    policy = Policy.read("default")
    scan = make_scan(make_evidence(), policy=policy.ref)
    store.save(scan, policy, fingerprint="f")
    store.save(scan, policy, fingerprint="f")
    approved = make_scan(action=Action.APPROVE, policy=policy.ref)
    store.save(replace(approved, id="other"), policy, fingerprint="g")
    (data,) = told(store, "verdict.changed")
    assert data["sha256"] == scan.video.sha256
    assert (data["former"]["action"], data["verdict"]["action"]) == ("review", "approve")
    store.save(scan, policy, fingerprint="f")
    assert [each["verdict"]["action"] for each in told(store, "verdict.changed")][1] == "review"


def due(store: Store) -> list[str]:
    """Types of events that are sent now."""
    with store.reading() as session:
        found = select(WebhookEventRow.type).join(
            DeliveryRow, DeliveryRow.event_id == WebhookEventRow.id
        )
        return list(session.scalars(found.where(DeliveryRow.due_us <= now_us())))


def somebody(name: str) -> Person:
    return Person(name=name, role=Role.LEAD, created_at=datetime.now(UTC))


def decided(queue: ReviewQueue, name: str, outcome: Outcome = Outcome.OVERTURN) -> str:
    """The id of the item that waited."""
    case = queue.claim_next(somebody(name))
    assert case is not None
    queue.decide(
        case.item.id,
        somebody(name),
        version=case.item.version,
        outcome=outcome,
        note="nobody else's business",
    )
    return case.item.id


def test_fault_118_a_decision_and_one_on_an_appeal_are_told_once_each(store: Store) -> None:
    policy = Policy.read("default")
    store.save(make_scan(make_evidence(), policy=policy.ref), policy, fingerprint="f")
    queue = ReviewQueue(store, ReviewSettings(second_look_share=0, undo_s=0))
    item = decided(queue, "ann")
    (data,) = told(store, "review.decided")
    assert (data["item"], data["outcome"], data["action"]) == (item, "overturn", "review")
    assert "note" not in data
    queue.appeal(item, somebody("ann"), note="it is a toy")
    appeal = decided(queue, "ben")
    (data,) = told(store, "appeal.decided")
    assert (data["item"], data["case"]) == (appeal, item)
    assert due(store) == ["review.decided", "appeal.decided"]


def test_fault_118_a_second_look_tells_which_decision_stands(store: Store) -> None:
    """It only asks the question; the third look answers it."""
    policy = Policy.read("default")
    store.save(make_scan(make_evidence(), policy=policy.ref), policy, fingerprint="f")
    queue = ReviewQueue(store, ReviewSettings(second_look_share=1, undo_s=0))
    for name, outcome in (("ann", Outcome.UPHOLD), ("ben", Outcome.OVERTURN)):
        decided(queue, name, outcome)
    decided(queue, "cid", Outcome.OVERTURN)
    assert [
        (each["purpose"], each["outcome"], each["stands"]) for each in told(store, "review.decided")
    ] == [
        ("verdict", "uphold", "uphold"),
        ("second_look", "overturn", "uphold"),
        ("third_look", "overturn", "overturn"),
    ]


def test_what_is_taken_back_was_never_told(store: Store) -> None:
    policy = Policy.read("default")
    store.save(make_scan(make_evidence(), policy=policy.ref), policy, fingerprint="f")
    queue = ReviewQueue(store, ReviewSettings(second_look_share=0, undo_s=600))
    item = decided(queue, "ann")
    assert len(told(store, "review.decided")) == 1
    assert due(store) == [], "not while it can be taken back"
    queue.undo(item, somebody("ann"))
    assert told(store, "review.decided") == []
