"""Which verdicts wait for a person, and keeping the review queue in step with them."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from moderation.errors import MediaFault
from moderation.scan import Scan
from moderation.store.database import insert_new
from moderation.store.models import ReviewItemRow, VerdictRow

__all__ = [
    "HIDING_FAULTS",
    "CloseReason",
    "ItemState",
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
    CLOSED = "closed"


class CloseReason(StrEnum):
    SUPERSEDED = "superseded"
    """A newer verdict of the same video is in force."""


def needs_person(scan: Scan) -> bool:
    """Whether somebody has to look: what the verdict leaves open, or a failure may hide."""
    if scan.failure is not None and scan.failure.fault not in HIDING_FAULTS:
        return False
    return scan.verdict.action.needs_person


def item_id(scan_id: str, policy_digest: str) -> str:
    """Ten letters and digits, the same in every run: short enough to type."""
    digest = hashlib.sha256(f"{scan_id}:{policy_digest}".encode("utf-8", "surrogatepass")).digest()
    return base64.b32encode(digest)[:10].decode().lower()


def retire_verdicts(session: Session, video_id: int, now: datetime) -> None:
    """No verdict of the video is in force any more, and none of them waits for a person."""
    session.execute(
        update(VerdictRow)
        .where(VerdictRow.video_id == video_id, VerdictRow.current)
        .values(current=False)
    )
    session.execute(
        update(ReviewItemRow)
        .where(ReviewItemRow.video_id == video_id, ReviewItemRow.state == ItemState.OPEN)
        .values(state=ItemState.CLOSED, closed_reason=CloseReason.SUPERSEDED, closed_at=now)
    )


def settle(session: Session, scan: Scan, verdict: VerdictRow, now: datetime) -> None:
    """Open the review item of the verdict in force, if a person is needed."""
    if not needs_person(scan):
        return
    # An older verdict may be in force again; what a person closed stays closed.
    session.execute(
        update(ReviewItemRow)
        .where(ReviewItemRow.verdict_id == verdict.id)
        .where(ReviewItemRow.closed_reason == CloseReason.SUPERSEDED)
        .values(state=ItemState.OPEN, closed_reason=None, closed_at=None)
    )
    item = {
        "id": item_id(scan.id, scan.verdict.policy.digest),
        "verdict_id": verdict.id,
        "video_id": verdict.video_id,
        "severity_rank": scan.verdict.severity.rank,
        "state": ItemState.OPEN,
        "created_at": now,
    }
    insert_new(session, ReviewItemRow, [item])
