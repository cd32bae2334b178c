"""Motion: which face is which after the camera, or the people, have moved by more than a face.

Nothing but place and size tells. Faces that a pan moves all move alike, so the shift that explains
most of them is taken first; what is left moved on its own, and the shortest way is the likeliest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from moderation import Box

__all__ = ["moved", "nearness"]

REACH = 0.2
"""How far a face may go in a second, in fractions of the frame: a pan, a person who walks by."""

_ALIKE = 0.7
"""Least ratio of the sizes of one face in two frames that lie a second apart."""

_LANDED = 0.5
"""Nearness to where a shift takes a face from which the shift explains it."""

_MOST = 20
"""Faces that are tried against each other: the effort grows with the third power."""


@dataclass(frozen=True, slots=True)
class _Shift:
    across: float
    down: float

    @property
    def length(self) -> float:
        return math.hypot(self.across, self.down)

    def nearness(self, one: Box, other: Box) -> float:
        return nearness(one, other, self.across, self.down)


def moved(before: Sequence[Box], now: Sequence[Box], seconds: float) -> Iterator[tuple[int, int]]:
    """Pairs of indices: faces of `before` and where they are `now`, `seconds` later."""
    left, right = set(range(min(len(before), _MOST))), set(range(min(len(now), _MOST)))
    while shifts := [
        shift
        for index in left
        for other in right
        if (shift := _shift(before[index], now[other])).length < REACH * seconds
        and size_ratio(before[index], now[other]) >= _ALIKE
    ]:
        explained = [_explained(shift, before, now, left, right) for shift in shifts]
        _, _, pairs = max(
            (len(pairs), -shift.length, pairs)
            for pairs, shift in zip(explained, shifts, strict=True)
        )
        left -= {index for index, _ in pairs}
        right -= {other for _, other in pairs}
        yield from pairs


def nearness(one: Box, other: Box, across: float = 0.0, down: float = 0.0) -> float:
    """1 for the same box, 0 for boxes that are a whole face apart; less for unequal sizes.

    across, down  shift of `one`, in fractions of the frame
    """
    left = (one.left + one.right - other.left - other.right + 2 * across) / (
        one.width + other.width
    )
    top = (one.top + one.bottom - other.top - other.bottom + 2 * down) / (one.height + other.height)
    return max(0.0, 1 - math.hypot(left, top)) * size_ratio(one, other)


def size_ratio(one: Box, other: Box) -> float:
    """Of the smaller face to the larger one, 0..1."""
    return math.sqrt(min(one.area, other.area) / max(one.area, other.area))


def _shift(one: Box, other: Box) -> _Shift:
    across = (other.left + other.right - one.left - one.right) / 2
    return _Shift(across, (other.top + other.bottom - one.top - one.bottom) / 2)


def _explained(
    shift: _Shift, before: Sequence[Box], now: Sequence[Box], left: set[int], right: set[int]
) -> list[tuple[int, int]]:
    """The pairs that a shift makes meet, each face at most once."""
    pairs: list[tuple[int, int]] = []
    free = sorted(right)
    for index in sorted(left):
        near = max(free, key=lambda other: shift.nearness(before[index], now[other]), default=None)
        if near is not None and shift.nearness(before[index], now[near]) >= _LANDED:
            pairs.append((index, near))
            free.remove(near)
    return pairs
