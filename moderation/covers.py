"""Covers: where a blur lies over time, from the boxes of sampled frames.

Between two samples nobody looked, so the box moves evenly from one to the other, grown by what it
may stray meanwhile; before the first and after the last it stays for half a sampling period. What
is hidden too much does no harm; what is hidden too little is all that the blur was for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from moderation.evidence import Box, Evidence
from moderation.timeline import Instant, Span
from moderation.trail import PATH

__all__ = ["PATH", "Part", "covers"]

_MARGIN = 0.15
"""Of a box's sides: detectors draw boxes tight, and not twice the same."""

_LEAST_MARGIN = 0.01
"""Of the frame."""

_STRAY = 0.25
"""Of the way from one sample to the next: a thing that starts slowly and stops slowly is a tenth of
the way off the even line."""

_NEAR = 1.5
"""Sizes of a box that a thing moves between two samples; further away it may be another."""

_LOST_US = 5_000_000
"""A thing that is not seen for longer is another one when it comes back."""

_WHOLE = "where it stood is known for one instant only: the whole picture is hidden"


class Part(NamedTuple):
    """A stretch of time, and what of the picture: a box that moves evenly to `box_to` meanwhile, or
    all of it."""

    span: Span
    box: Box | None = None
    box_to: Box | None = None


class _Sample(NamedTuple):
    at_us: int
    box: Box


@dataclass(slots=True)
class _Track:
    samples: list[_Sample] = field(default_factory=list)

    @property
    def last(self) -> _Sample:
        return self.samples[-1]


def covers(evidence: Iterable[Evidence], period_us: int) -> tuple[tuple[Part, ...], str]:
    """What hides all of this evidence, sampled so many microseconds apart.

    Returns the parts, and a sentence when something could only be hidden with the whole picture.
    """
    parts: list[Part] = []
    single: list[_Sample] = []
    note, hold_us = "", period_us // 2
    for seen in evidence:
        path = list(_path(seen))
        if path:
            parts += _follow(_Track(path), hold_us)
        elif seen.box is None or seen.span.duration_us:
            parts.append(Part(_held(seen.span, hold_us)))
            note = _WHOLE if seen.box is not None else note
        else:
            single.append(_Sample(seen.span.start.us, seen.box))
    for track in _tracks(single):
        parts += _follow(track, hold_us)
    return tuple(parts), note


def _path(evidence: Evidence) -> Iterator[_Sample]:
    for at_us, left, top, width, height in evidence.detail.get(PATH, ()):
        yield _Sample(int(at_us), Box.from_corners(left, top, left + width, top + height))


def _tracks(samples: Iterable[_Sample]) -> list[_Track]:
    """Boxes of single frames, joined: each goes on where the nearest was before."""
    tracks: list[_Track] = []
    for at_us, boxes in sorted(_by_time(samples).items()):
        open_ones = [each for each in tracks if at_us - each.last.at_us <= _LOST_US]
        pairs = sorted(
            (_apart(track.last.box, box), i, k)
            for i, track in enumerate(open_ones)
            for k, box in enumerate(boxes)
        )
        continued: set[int] = set()
        placed: set[int] = set()
        for _, i, k in pairs:
            if i not in continued and k not in placed:
                continued.add(i)
                placed.add(k)
                open_ones[i].samples.append(_Sample(at_us, boxes[k]))
        tracks += [_Track([_Sample(at_us, box)]) for k, box in enumerate(boxes) if k not in placed]
    return tracks


def _by_time(samples: Iterable[_Sample]) -> dict[int, list[Box]]:
    found: dict[int, list[Box]] = {}
    for at_us, box in samples:
        found.setdefault(at_us, []).append(box)
    return found


def _follow(track: _Track, hold_us: int) -> Iterator[Part]:
    """The parts that hide one thing from before it was first seen until after it was last."""
    samples = track.samples
    yield _hold(samples[0], -hold_us, samples[1:2])
    for before, after in pairwise(samples):
        yield _link(before, after)
        if _apart(before.box, after.box) > _NEAR:  # it may be two that do not move
            yield _hold(before, hold_us, ())
            yield _hold(after, -hold_us, ())
    yield _hold(samples[-1], hold_us, samples[-2:-1])


def _link(before: _Sample, after: _Sample) -> Part:
    across = abs(_middle(after.box)[0] - _middle(before.box)[0]) * _STRAY
    down = abs(_middle(after.box)[1] - _middle(before.box)[1]) * _STRAY
    span = Span(Instant(before.at_us), Instant(after.at_us))
    return Part(span, _grown(before.box, across, down), _grown(after.box, across, down))


def _hold(sample: _Sample, hold_us: int, others: Sequence[_Sample]) -> Part:
    """Where it stood, and where it would be if it moved on as it did to or from the other."""
    times = sorted((sample.at_us, sample.at_us + hold_us))
    box = sample.box
    for other in others:
        share = min(1.0, abs(hold_us) / max(1, abs(sample.at_us - other.at_us)))
        x, y = (
            (here - there) * share
            for here, there in zip(_middle(sample.box), _middle(other.box), strict=True)
        )
        box = _hull(box, _moved(box, x, y))
    box = _grown(box, 0.0, 0.0)
    span = Span(Instant(max(0, times[0])), Instant(max(1, times[1])))
    return Part(span, box, box)


def _held(span: Span, hold_us: int) -> Span:
    return Span(Instant(max(0, span.start.us - hold_us)), span.end + hold_us)


def _grown(box: Box, across: float, down: float) -> Box:
    across += max(_LEAST_MARGIN, _MARGIN * box.width)
    down += max(_LEAST_MARGIN, _MARGIN * box.height)
    return Box.from_corners(
        box.left - across, box.top - down, box.right + across, box.bottom + down
    )


def _moved(box: Box, x: float, y: float) -> Box:
    return Box.from_corners(box.left + x, box.top + y, box.right + x, box.bottom + y)


def _hull(a: Box, b: Box) -> Box:
    return Box.from_corners(
        min(a.left, b.left), min(a.top, b.top), max(a.right, b.right), max(a.bottom, b.bottom)
    )


def _middle(box: Box) -> tuple[float, float]:
    return box.left + box.width / 2, box.top + box.height / 2


def _apart(a: Box, b: Box) -> float:
    """How far apart their middles are, in sizes of the larger."""
    (ax, ay), (bx, by) = _middle(a), _middle(b)
    size = max(math.hypot(a.width, a.height), math.hypot(b.width, b.height), 1e-6)
    return math.hypot(ax - bx, ay - by) / size
