"""Moments: what was flagged in a video, and what of it a decision is asked about."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from moderation.evidence import Box
from moderation.pictures import shown
from moderation.reports.lanes import family
from moderation.scan import Scan
from moderation.taxonomy import CONTEXT, is_within
from moderation.timeline import Span
from moderation.verdict import Segment, Verdict

__all__ = [
    "JUDGED",
    "MOMENTS",
    "Moment",
    "asked_about",
    "flagged",
    "judged_segments",
    "moments",
]

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
    is_asked     whether a decision is asked about it; others were seen besides
    """

    segment: Segment
    index: int
    box: Box | None
    is_pictured: bool
    is_asked: bool = True

    @property
    def family(self) -> str:
        return family(self.segment.label)


def flagged(verdict: Verdict) -> list[Segment]:
    """What is more than context, the weightiest first: what made a rule fire, then the surest."""
    fired = _firing(verdict)
    found = [each for each in verdict.segments if not is_within(each.label, CONTEXT)]
    return sorted(found, key=lambda each: (not fired(each), -each.score))


def asked_about(verdict: Verdict, found: Sequence[Segment]) -> list[Segment]:
    """Of what `flagged` gave, that on which a rule fired: nobody need see more. All of it where no
    rule did, and yet a person is asked.
    """
    fired = _firing(verdict)
    return [each for each in found if fired(each)] or list(found)


def judged_segments(verdict: Verdict) -> list[Segment]:
    """Those with a part of the form each, in time order: the same for the same verdict."""
    return sorted(flagged(verdict)[:JUDGED], key=_place)


def moments(scan: Scan, found: Sequence[Segment], asked: Sequence[Segment]) -> list[Moment]:
    """Of what `flagged` and `asked_about` gave, in time order."""
    wanted = {id(each) for each in asked}
    indices = {id(each): index for index, each in enumerate(sorted(found[:JUDGED], key=_place))}
    pictured, boxes = set(shown(scan)), {each.id: each.box for each in scan.evidence if each.box}
    return [
        Moment(
            each,
            indices.get(id(each), -1),
            boxes.get(each.best_id),
            each.best in pictured,
            id(each) in wanted,
        )
        for each in sorted(found[:MOMENTS], key=_place)
    ]


def _firing(verdict: Verdict) -> Callable[[Segment], bool]:
    """Whether a rule fired on a segment. Reasons name some of their evidence: the rest has the
    label, and lies within the span, or anywhere where a rule fired more often than it has reasons.
    """
    named = {id for reason in verdict.reasons for id in reason.evidence_ids}
    told = Counter(reason.rule for reason in verdict.reasons)
    spans: defaultdict[str, list[Span]] = defaultdict(list)
    anywhere: set[str] = set()
    for reason in verdict.reasons:
        spans[reason.label].append(reason.span)
        often = reason.values.get("occurrences", 0)
        if isinstance(often, int) and often > told[reason.rule]:
            anywhere.add(reason.label)

    def is_fired(segment: Segment) -> bool:
        if segment.label in anywhere or not named.isdisjoint(segment.evidence_ids):
            return True
        own = segment.span
        return any(
            each.start <= own.start and own.end <= each.end for each in spans.get(segment.label, ())
        )

    return is_fired


def _place(segment: Segment) -> tuple[int, int, str, str]:
    span = segment.span
    return span.start.us, span.end.us, segment.label, segment.subject or ""
