"""What the remedies that people chose do to a video, for programs that know boxes and times.

When and where is what `moderation redact` hides and mutes too. It follows what moves; here one box
holds a segment's whole way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from moderation.covers import Part
from moderation.decision import Decision, Remedy, SegmentDecision, standing
from moderation.evidence import Box
from moderation.redaction import Edit as Redacted
from moderation.redaction import decided
from moderation.redaction import edits as redacted
from moderation.scan import Scan
from moderation.timeline import Instant, Span

__all__ = ["Edit", "edits", "kept", "of_kind"]


class Edit(NamedTuple):
    """One remedy at one time.

    label  what is there
    box    that holds all of it; None for the whole frame
    """

    remedy: Remedy
    span: Span
    label: str
    box: Box | None = None


def edits(scan: Scan, decisions: Sequence[Decision]) -> tuple[Edit, ...]:
    """The remedies of the decision that stands, by time; none for a segment that was rejected.

    Where evidence is not stored any more, a blur hides the whole frame.
    """
    decision = standing(decisions)
    if decision is None:
        return ()
    seen = {each.id for each in scan.evidence}
    treated = tuple(
        _placed(each, seen)
        for each in decision.segments
        if each.true_label is not None and each.remedy is not Remedy.NONE
    )
    placed = redacted(decided(replace(decision, segments=treated)), [scan])
    found = (each for pair in zip(treated, placed, strict=True) for each in _edits(*pair))
    inside = (_within(each, scan.video.duration_us) for each in found)
    return tuple(sorted(inside, key=lambda each: (each.span, each.label)))


def of_kind(edits: Iterable[Edit], remedy: Remedy) -> tuple[Span, ...]:
    """When a remedy applies: apart from each other, in time order."""
    merged: list[Span] = []
    for span in sorted(each.span for each in edits if each.remedy is remedy):
        if merged and span.start <= merged[-1].end:
            span = Span.hull((merged.pop(), span))
        merged.append(span)
    return tuple(merged)


def kept(scan: Scan, cuts: Iterable[Span]) -> tuple[Span, ...]:
    """What cuts, apart and in order, leave of a video; empty where they leave nothing."""
    left, start = [], Instant(0)
    for cut in cuts:
        if cut.start > start:
            left.append(Span(start, cut.start))
        start = cut.end
    if scan.video.duration_us > start.us:
        left.append(Span(start, Instant(scan.video.duration_us)))
    return tuple(left)


def _placed(said: SegmentDecision, seen: set[str]) -> SegmentDecision:
    return said if seen.issuperset(said.evidence_ids) else replace(said, evidence_ids=())


def _edits(said: SegmentDecision, edit: Redacted) -> Iterator[Edit]:
    label = said.true_label or said.label
    if edit.remedy is Remedy.BLUR:
        yield Edit(
            edit.remedy, Span.hull(each.span for each in edit.parts), label, _hull(edit.parts)
        )
    elif edit.parts:
        yield from (Edit(edit.remedy, each.span, label) for each in edit.parts)
    else:
        yield Edit(edit.remedy, said.span, label)


def _hull(parts: Iterable[Part]) -> Box | None:
    boxes = [box for each in parts for box in (each.box, each.box_to or each.box)]
    known = [each for each in boxes if each is not None]
    if len(known) < len(boxes):
        return None
    return Box.from_corners(
        min(each.left for each in known),
        min(each.top for each in known),
        max(each.right for each in known),
        max(each.bottom for each in known),
    )


def _within(edit: Edit, duration_us: int) -> Edit:
    """Clipped to the video: not every program ignores what lies beyond its end."""
    start, end = (Instant(min(max(at.us, 0), duration_us)) for at in edit.span)
    return edit._replace(span=Span(start, end))
