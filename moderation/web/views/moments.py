"""Moments: what was flagged in a video, the weightiest of it, in the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from moderation.evidence import Box
from moderation.pictures import shown
from moderation.reports.lanes import family
from moderation.scan import Scan
from moderation.taxonomy import CONTEXT, is_within
from moderation.verdict import Segment, Verdict

__all__ = ["JUDGED", "MOMENTS", "Moment", "flagged", "judged_segments", "moments"]

MOMENTS: Final = 1_000
"""Steps of a long video; nobody takes more, and the page stays small."""

JUDGED: Final = 150
"""Segments that can be judged one by one: six fields each, and a form has at most a thousand."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A flagged segment on the page.

    index        of its part of the form; -1: it has none
    box          where it is seen best
    is_pictured  whether a frame of it was kept
    """

    segment: Segment
    index: int
    box: Box | None
    is_pictured: bool

    @property
    def family(self) -> str:
        return family(self.segment.label)


def flagged(verdict: Verdict) -> list[Segment]:
    """What is more than context, the weightiest first: what made a rule fire, then the surest."""
    fired = {id for reason in verdict.reasons for id in reason.evidence_ids}
    found = [each for each in verdict.segments if not is_within(each.label, CONTEXT)]
    return sorted(found, key=lambda each: (fired.isdisjoint(each.evidence_ids), -each.score))


def judged_segments(verdict: Verdict) -> list[Segment]:
    """Those with a part of the form each, in time order: the same for the same verdict."""
    return sorted(flagged(verdict)[:JUDGED], key=_place)


def moments(scan: Scan, found: Sequence[Segment]) -> list[Moment]:
    """Of what `flagged` gave, in time order."""
    indices = {id(each): index for index, each in enumerate(sorted(found[:JUDGED], key=_place))}
    pictured, boxes = set(shown(scan)), {each.id: each.box for each in scan.evidence if each.box}
    return [
        Moment(each, indices.get(id(each), -1), boxes.get(each.best_id), each.best in pictured)
        for each in sorted(found[:MOMENTS], key=_place)
    ]


def _place(segment: Segment) -> tuple[int, int, str, str]:
    span = segment.span
    return span.start.us, span.end.us, segment.label, segment.subject or ""
