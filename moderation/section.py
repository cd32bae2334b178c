"""Sections: a long video is looked at in parts, by several workers at one time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from moderation.timeline import Instant

__all__ = ["Section", "sections"]

_START = Instant(0)


@dataclass(frozen=True, slots=True, order=True)
class Section:
    """From `start` to just before `end`; without an `end`: to wherever the video ends."""

    number: int
    start: Instant
    end: Instant | None = None

    def __contains__(self, at: Instant) -> bool:
        return self.start <= at and (self.end is None or at < self.end)

    def __str__(self) -> str:
        return f"{self.start}-{self.end or 'end'}"


def sections(cuts: Sequence[Instant]) -> tuple[Section, ...]:
    """What a video falls into when it is cut at these instants; all of it where there are none."""
    edges = [_START, *cuts, None]
    return tuple(
        Section(number, start or _START, end) for number, (start, end) in enumerate(pairwise(edges))
    )
