"""Decisions as they are read: what was said and not taken back, the oldest first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.decision import Decision, Outcome, Purpose, SegmentDecision
from moderation.store.models import DecisionRow, ReviewItemRow, ScanRow, VerdictRow

__all__ = ["SEGMENTS", "decision_from", "of_case", "of_scans"]

SEGMENTS: Final = TypeAdapter(tuple[SegmentDecision, ...])
"""Between a decision's segments and their column."""


def of_case(session: Session, case_id: str) -> tuple[Decision, ...]:
    """Of all items of one case."""
    found = (
        select(DecisionRow, ReviewItemRow)
        .join(ReviewItemRow, ReviewItemRow.id == DecisionRow.item_id)
        .where(DecisionRow.case_id == case_id, DecisionRow.withdrawn_at.is_(None))
        .order_by(DecisionRow.decided_at, DecisionRow.id)
    )
    return tuple(decision_from(row, item) for row, item in session.execute(found))


def of_scans(session: Session, scan_ids: Collection[str]) -> Mapping[str, tuple[Decision, ...]]:
    """Of verdicts in force, by scan."""
    found = (
        select(ScanRow.scan_id, DecisionRow, ReviewItemRow)
        .join(ReviewItemRow, ReviewItemRow.id == DecisionRow.item_id)
        .join(VerdictRow, VerdictRow.id == ReviewItemRow.verdict_id)
        .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
        .where(ScanRow.scan_id.in_(scan_ids), VerdictRow.current)
        .where(DecisionRow.withdrawn_at.is_(None))
        .order_by(DecisionRow.decided_at, DecisionRow.id)
    )
    said: dict[str, list[Decision]] = {}
    for scan_id, row, item in session.execute(found):
        said.setdefault(scan_id, []).append(decision_from(row, item))
    return {scan_id: tuple(each) for scan_id, each in said.items()}


def decision_from(row: DecisionRow, item: ReviewItemRow) -> Decision:
    return Decision(
        id=row.id,
        item_id=row.item_id,
        number=row.number,
        person=row.person,
        outcome=Outcome(row.outcome),
        reason=row.reason,
        note=row.note,
        segments=SEGMENTS.validate_python(row.segments),
        seconds=row.seconds,
        decided_at=row.decided_at,
        purpose=Purpose(item.purpose),
    )
