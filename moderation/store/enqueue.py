"""Which verdicts wait for a person, and keeping the review queue in step with them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from moderation.decision import Purpose
from moderation.errors import MediaFault
from moderation.review_settings import ReviewSettings
from moderation.scan import Scan
from moderation.store.database import insert_new
from moderation.store.models import ReviewItemRow, VerdictRow
from moderation.timeline import MICROSECONDS
from moderation.verdict import Action, Severity

__all__ = [
    "HIDING_FAULTS",
    "CloseReason",
    "ItemState",
    "drawn",
    "due_us",
    "item_id",
    "needs_person",
    "retire_verdicts",
    "settle",
]

HIDING_FAULTS: Final = frozenset(
    {
        MediaFault.ENCRYPTED,
        MediaFault.UNSUPPORTED_CODEC,
        MediaFault.UNSUPPORTED_CONTAINER,
        MediaFault.TOO_LARGE,
        MediaFault.TOO_MANY_STREAMS,
        MediaFault.UNREADABLE,
        MediaFault.ACCESS_DENIED,
        MediaFault.CHANGED,
    }
)
"""Failures behind which somebody's player may still show something. An empty file or a missing
one shows nobody anything, and no person can look at it either."""


class ItemState(StrEnum):
    OPEN = "open"
    DECIDED = "decided"
    CLOSED = "closed"


class CloseReason(StrEnum):
    SUPERSEDED = "superseded"
    """A newer verdict of the same video is in force."""
    ERASED = "erased"
    """What was derived from the video is gone, and so is what there was to decide."""
    WITHDRAWN = "withdrawn"
    """The decision that it asked about was taken back."""


def needs_person(scan: Scan) -> bool:
    """Whether somebody has to look: what the verdict leaves open, or a failure may hide."""
    if scan.failure is not None and scan.failure.fault not in HIDING_FAULTS:
        return False
    return scan.verdict.action.needs_person


def item_id(*about: object) -> str:
    """Ten letters and digits, the same in every run: short enough to type."""
    return base64.b32encode(_digest(about))[:10].decode().lower()


def drawn(share: float, *about: object) -> bool:
    """Whether this is among the share that is drawn by lot; asked again, it says the same.

    Nobody who uploads a video knows the id of its scan.
    """
    return int.from_bytes(_digest(("lot", *about))[:8]) < share * 2**64


def due_us(review: ReviewSettings, severity: Severity, now: datetime) -> int:
    """When an item of now is to be decided, in microseconds since 1970."""
    due = now + timedelta(hours=review.due_h[severity.value])
    return round(due.timestamp() * MICROSECONDS)


def _digest(about: Iterable[object]) -> bytes:
    text = ":".join(map(str, about))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def retire_verdicts(session: Session, video_id: int, now: datetime) -> None:
    """No verdict of the video is in force any more, and none of them waits for a person.

    But appeals do: whoever made one is owed an answer.
    """
    session.execute(
        update(VerdictRow)
        .where(VerdictRow.video_id == video_id, VerdictRow.current)
        .values(current=False)
    )
    session.execute(
        update(ReviewItemRow)
        .where(ReviewItemRow.video_id == video_id, ReviewItemRow.state == ItemState.OPEN)
        .where(ReviewItemRow.purpose != Purpose.APPEAL)
        .values(
            state=ItemState.CLOSED,
            closed_reason=CloseReason.SUPERSEDED,
            closed_at=now,
            version=ReviewItemRow.version + 1,
        )
    )


def settle(
    session: Session, scan: Scan, verdict: VerdictRow, now: datetime, review: ReviewSettings
) -> None:
    """Open the review item of the verdict in force, if a person is needed or the lot says so."""
    purpose = _purpose(scan, review)
    if purpose is None:
        return
    # An older verdict may be in force again; what a person closed stays closed.
    session.execute(
        update(ReviewItemRow)
        .where(ReviewItemRow.verdict_id == verdict.id)
        .where(ReviewItemRow.closed_reason == CloseReason.SUPERSEDED)
        .values(
            state=ItemState.OPEN,
            closed_reason=None,
            closed_at=None,
            holder="",
            held_until_us=0,
            version=ReviewItemRow.version + 1,
        )
    )
    id, severity = item_id(scan.id, scan.verdict.policy.digest), scan.verdict.severity
    item = {
        "id": id,
        "case_id": id,
        "purpose": purpose,
        "verdict_id": verdict.id,
        "video_id": verdict.video_id,
        "severity_rank": severity.rank,
        "rank": -severity.rank,
        "due_us": due_us(review, severity, now),
        "state": ItemState.OPEN,
        "created_at": now,
    }
    insert_new(session, ReviewItemRow, [item])


def _purpose(scan: Scan, review: ReviewSettings) -> Purpose | None:
    if needs_person(scan):
        return Purpose.VERDICT
    is_approved = scan.failure is None and scan.verdict.action is Action.APPROVE
    if is_approved and drawn(review.audit_share, scan.id, scan.verdict.policy.digest):
        return Purpose.AUDIT
    return None
