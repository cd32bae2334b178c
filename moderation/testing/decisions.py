"""Decisions made by hand, for tests of what shows or sends them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moderation.decision import Decision, Judgement, Outcome, Remedy, SegmentDecision
from moderation.evidence import Evidence

__all__ = ["confirmed", "corrected", "make_decision", "rejected"]


def confirmed(evidence: Evidence, remedy: Remedy = Remedy.NONE) -> SegmentDecision:
    """Of the segment that `make_scan` makes of this evidence: it is there."""
    return _judged(evidence, Judgement.CONFIRM, remedy=remedy)


def corrected(evidence: Evidence, label: str, remedy: Remedy = Remedy.NONE) -> SegmentDecision:
    """It is `label`."""
    return _judged(evidence, Judgement.CORRECT, corrected=label, remedy=remedy)


def rejected(evidence: Evidence) -> SegmentDecision:
    """It is nothing."""
    return _judged(evidence, Judgement.REJECT)


def make_decision(
    *segments: SegmentDecision, outcome: Outcome = Outcome.PARTIAL, **fields: Any
) -> Decision:
    """What anna said, in twelve and a half seconds; `fields` are those of `Decision`."""
    return Decision(
        outcome=outcome,
        segments=segments,
        **{
            "id": 1,
            "item_id": "abcdefghij",
            "number": 1,
            "person": "anna",
            "reason": "",
            "note": "",
            "seconds": 12.5,
            "decided_at": datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
            **fields,
        },
    )


def _judged(evidence: Evidence, judgement: Judgement, **fields: Any) -> SegmentDecision:
    return SegmentDecision(
        label=evidence.label,
        span=evidence.span,
        subject=evidence.subject,
        evidence_ids=(evidence.id,),
        judgement=judgement,
        **fields,
    )
