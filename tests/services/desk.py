"""A desk: videos that wait for people, and the people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import update

from moderation.decision import Outcome
from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.review import ReviewCase, ReviewQueue
from moderation.store import Store
from moderation.store.models import ReviewItemRow
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Action, Severity

__all__ = [
    "ADA",
    "ANN",
    "BEN",
    "LEA",
    "POLICY",
    "PORTAL",
    "claimed",
    "decided",
    "run_out",
    "saved",
    "somebody",
]

POLICY = Policy.parse(
    """
schema = "moderation.policy/v1"
name = "ours"
version = "1"

[reasons]
toy = "what looks like a weapon is a toy"
""",
    "ours.toml",
)


def saved(store: Store, name: str, severity: Severity = Severity.HIGH, score: float = 0.9) -> str:
    """A video that waits for a person; the URI of it."""
    scan = make_scan(make_evidence(score=score), name=name, id=f"{name} at {score}")
    judged = replace(scan.verdict, policy=POLICY.ref, action=Action.REVIEW, severity=severity)
    store.save(replace(scan, verdict=judged), POLICY, fingerprint="all")
    return scan.video.uri


def somebody(name: str, role: Role = Role.REVIEWER) -> Person:
    return Person(name=name, role=role, created_at=datetime.now(UTC))


ANN, BEN = map(somebody, ("ann", "ben"))
LEA, ADA = somebody("lea", Role.LEAD), somebody("ada", Role.ADMIN)
PORTAL = somebody("portal", Role.SERVICE)


def claimed(queue: ReviewQueue, name: str, role: Role = Role.REVIEWER) -> ReviewCase:
    case = queue.claim_next(somebody(name, role))
    assert case is not None
    return case


def decided(
    queue: ReviewQueue, name: str, outcome: Outcome = Outcome.UPHOLD, role: Role = Role.REVIEWER
) -> ReviewCase:
    """The item that the person has decided."""
    case = claimed(queue, name, role)
    queue.decide(case.item.id, somebody(name, role), version=case.item.version, outcome=outcome)
    return case


def run_out(store: Store, id: str) -> None:
    """The claim of an item."""
    with store.writing() as session:
        session.execute(update(ReviewItemRow).where(ReviewItemRow.id == id).values(held_until_us=1))
