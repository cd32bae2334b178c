"""What people said of a verdict's segments, beside the segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from moderation.decision import Decision, Outcome, Remedy, SegmentDecision, standing
from moderation.scan import Scan
from moderation.taxonomy import CONTEXT, is_within
from moderation.verdict import Action, Segment

__all__ = ["Judged", "flagged", "judged"]

_Key: TypeAlias = tuple[str, str | None, int, int]


class Judged(NamedTuple):
    """A segment, and what is there as far as anybody knows.

    decision  None where nobody judged this segment
    label     the detectors' or the right one; None where a person says that nothing is there
    """

    segment: Segment
    decision: SegmentDecision | None
    label: str | None

    @property
    def remedy(self) -> Remedy:
        return self.decision.remedy if self.decision and self.label else Remedy.NONE


def judged(scan: Scan, decisions: Sequence[Decision]) -> Iterator[Judged]:
    """All segments of the verdict, in its order.

    Whoever overturns a verdict against a video and says nothing of a segment rejects it; else what
    nobody judged is as the detectors saw it. So it is where an approval is overturned: that says
    that more breaks the rules, not less.
    """
    decision = standing(decisions)
    overturned = decision is not None and decision.outcome is Outcome.OVERTURN
    cleared = overturned and scan.verdict.action is not Action.APPROVE
    said = {_key(each): each for each in decision.segments} if decision else {}
    for segment in scan.verdict.segments:
        own = said.get(_key(segment))
        unjudged = None if cleared else segment.label
        yield Judged(segment, own, own.true_label if own else unjudged)


def flagged(scan: Scan, decisions: Sequence[Decision]) -> Iterator[tuple[str, Judged]]:
    """What is there and more than context, in time order, each with its label."""
    in_order = sorted(judged(scan, decisions), key=lambda each: each.segment.span)
    for each in in_order:
        if each.label is not None and not is_within(each.label, CONTEXT):
            yield each.label, each


def _key(segment: Segment | SegmentDecision) -> _Key:
    start, end = segment.span
    return segment.label, segment.subject, start.us, end.us
