"""Which verdicts wait for a person, and keeping the review queue in step with them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from moderation.decision import Purpose
from moderation.errors import MediaFault
from moderation.review_settings import ReviewSettings
from moderation.scan import Scan
from moderation.store.audit import record
from moderation.store.database import insert_new
from moderation.store.models import ReviewItemRow, VerdictRow
from moderation.timeline import MICROSECONDS
from moderation.verdict import Action, Severity

__all__ = [
    "ACTOR",
    "HIDING_FAULTS",
    "CloseReason",
    "ItemState",
    "close_items",
    "drawn",
    "due_us",
    "item_id",
    "lock_cases",
    "needs_person",
    "note_opened",
    "retire_verdicts",
    "settle",
]

ACTOR: Final = "queue"
"""Who opens and closes items when no person does, for the audit log."""

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
    DELETED = "deleted"
    """The upload is gone from its bucket: nobody can look at it any more."""
    OTHER = "other"
    """Something that only a newer version of this program knows."""


_PASSING: Final = (CloseReason.SUPERSEDED, CloseReason.DELETED)
"""Reasons that may hold no longer when the same bytes are judged again."""


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
    asking = (ReviewItemRow.video_id == video_id, ReviewItemRow.purpose != Purpose.APPEAL)
    close_items(session, *asking, reason=CloseReason.SUPERSEDED, now=now)


def close_items(
    session: Session,
    *which: ColumnElement[bool],
    reason: CloseReason,
    now: datetime,
    actor: str = ACTOR,
) -> list[str]:
    """Close those of them that are open, whoever has them; their ids."""
    are_open = (ReviewItemRow.state == ItemState.OPEN, *which)
    lock_cases(session, *are_open)
    rows = session.scalars(
        select(ReviewItemRow).where(*are_open).order_by(ReviewItemRow.id).with_for_update()
    ).all()
    for row in rows:
        held = {"holder": row.holder} if row.holder else {}
        row.state, row.closed_reason, row.closed_at = ItemState.CLOSED, reason, now
        row.holder, row.held_until_us, row.version = "", 0, row.version + 1
        _note(session, actor, "item.closed", row.id, now, reason=reason.value, **held)
    return [row.id for row in rows]


def lock_cases(session: Session, *which: ColumnElement[bool]) -> None:
    """Until the end of the transaction nobody else changes more than one item of their cases.

    By the first item of each, in one order: who changes one item alone waits for nobody else.
    """
    cases = select(ReviewItemRow.case_id).where(*which)
    firsts = select(ReviewItemRow.id).where(ReviewItemRow.id.in_(cases)).order_by(ReviewItemRow.id)
    session.execute(firsts.with_for_update()).all()


def note_opened(session: Session, row: Mapping[str, Any], now: datetime) -> None:
    """That a person is asked, in the audit log.

    row  columns of the item
    """
    content = {"purpose": str(row["purpose"]), "case": row["case_id"]}
    _note(session, ACTOR, "item.opened", row["id"], now, **content)


def _note(
    session: Session, actor: str, action: str, id: str, now: datetime, **content: Any
) -> None:
    subject = f"item:{id}"
    record(session, actor=actor, action=action, subject=subject, content=content, now=now)


def settle(
    session: Session, scan: Scan, verdict: VerdictRow, now: datetime, review: ReviewSettings
) -> None:
    """Open the review item of the verdict in force, if a person is needed or the lot says so."""
    purpose = _purpose(scan, review)
    if purpose is None:
        return
    _open_again(session, verdict.id, now)
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
    if session.get(ReviewItemRow, id) is None:  # nobody else: the video's row is locked
        insert_new(session, ReviewItemRow, [item])
        note_opened(session, item, now)


def _open_again(session: Session, verdict_id: int, now: datetime) -> None:
    """An older verdict is in force again, or the upload is back; what a person closed stays so."""
    closed = (ReviewItemRow.verdict_id == verdict_id, ReviewItemRow.closed_reason.in_(_PASSING))
    lock_cases(session, *closed)
    found = select(ReviewItemRow).where(*closed).order_by(ReviewItemRow.id).with_for_update()
    for row in session.scalars(found):
        row.state, row.closed_reason, row.closed_at = ItemState.OPEN, None, None
        row.holder, row.held_until_us, row.version = "", 0, row.version + 1
        note_opened(session, {"id": row.id, "purpose": row.purpose, "case_id": row.case_id}, now)


def _purpose(scan: Scan, review: ReviewSettings) -> Purpose | None:
    if needs_person(scan):
        return Purpose.VERDICT
    is_approved = scan.failure is None and scan.verdict.action is Action.APPROVE
    if is_approved and drawn(review.audit_share, scan.id, scan.verdict.policy.digest):
        return Purpose.AUDIT
    return None
