"""The evidence timeline: one lane for each detector, drawn as few SVG paths whatever its length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from moderation.evidence import Evidence
from moderation.scan import Scan
from moderation.taxonomy import CONTEXT
from moderation.timeline import Instant
from moderation.verdict import Coverage

__all__ = ["COLUMNS", "HEIGHT", "Lane", "Shape", "family", "lanes", "ticks"]

COLUMNS: Final = 500
"""Columns of a lane: about two pixels each on a wide screen, and a bound on the page's size."""
HEIGHT: Final = 100
"""Units of a lane's height: a score of 1."""
_NARROWEST: Final = 3
"""Columns that a single frame fills, so that the eye finds it."""
_TICKS: Final = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """All evidence of one family in one lane, as the `d` of an SVG path."""

    family: str
    path: str


@dataclass(frozen=True, slots=True)
class Lane:
    """What one detector saw, over the whole length of the video."""

    coverage: Coverage
    shapes: tuple[Shape, ...]
    count: int
    strongest: Evidence | None


def family(label: str) -> str:
    """The first part of a label's path: what its colour stands for."""
    return label.partition("/")[0]


def lanes(scan: Scan) -> tuple[Lane, ...]:
    """One lane for each detector that coverage names, in its order."""
    end_us = max([scan.video.duration_us, 1, *(each.span.end.us for each in scan.evidence)])
    seen: dict[str, list[Evidence]] = {each.detector: [] for each in scan.coverage}
    for each in scan.evidence:
        seen.setdefault(each.detector, []).append(each)
    return tuple(_lane(each, seen[each.detector], end_us) for each in scan.coverage)


def ticks(duration_us: int) -> tuple[Instant, ...]:
    """Instants at equal distances, from the start to the end."""
    return tuple(Instant(duration_us * each // (_TICKS - 1)) for each in range(_TICKS))


def _lane(coverage: Coverage, evidence: Sequence[Evidence], end_us: int) -> Lane:
    # What is no violation lies behind the rest.
    behind_first = sorted(evidence, key=lambda each: (family(each.label) != CONTEXT, each.label))
    shapes = tuple(
        Shape(name, _path(_skyline(group, end_us)))
        for name, group in groupby(behind_first, key=lambda each: family(each.label))
    )
    strongest = max(evidence, key=lambda each: each.score, default=None)
    return Lane(coverage, shapes, len(evidence), strongest)


def _skyline(evidence: Iterable[Evidence], end_us: int) -> list[int]:
    """The highest score in each column, in units of height."""
    heights = [0] * COLUMNS
    for each in evidence:
        first = min(COLUMNS - _NARROWEST, max(0, each.span.start.us) * COLUMNS // end_us)
        last = max(first + _NARROWEST, each.span.end.us * COLUMNS // end_us)
        height = max(1, round(each.score * HEIGHT))
        for column in range(first, min(COLUMNS, last)):
            heights[column] = max(heights[column], height)
    return heights


def _path(heights: Sequence[int]) -> str:
    """One box for each run of columns of the same height."""
    boxes = []
    column = 0
    for height, run in groupby(heights):
        width = sum(1 for _ in run)
        if height:
            boxes.append(f"M{column} {HEIGHT}v-{height}h{width}v{height}z")
        column += width
    return "".join(boxes)
