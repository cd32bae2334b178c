"""Trail: where a thing stood at each frame in which it was seen, for `Evidence.detail`.

Evidence of what was followed over time has one box, at its best frame. A blur has to follow it:

>>> trail = Trail()
>>> trail.add(Instant(0), Box(0.1, 0.1, 0.2, 0.2))
>>> trail.add(Instant(1_000_000), Box(0.3, 0.1, 0.2, 0.2))
>>> trail.path
[[0, 0.1, 0.1, 0.2, 0.2], [1000000, 0.3, 0.1, 0.2, 0.2]]
"""

from __future__ import annotations

from moderation.evidence import Box
from moderation.timeline import Instant

__all__ = ["PATH", "Trail"]

PATH = "path"
"""Its name among the details: a list of microseconds, left, top, width and height."""

_STILL = 0.005
"""Of the frame: half the margin that a blur has at least."""

_DECIMALS = 4

_MOST = 1_500
"""Places: what fits among the details of evidence. The way of what moves for longer is given up,
and whoever hides it has to hide the whole picture."""


class Trail:
    """Grows while the thing moves, and not while it stands still.

    path  for the details; empty when it was given up
    """

    def __init__(self) -> None:
        self.path: list[list[float]] = []
        self._given_up = False

    def add(self, at: Instant, box: Box) -> None:
        """It is seen here; later than before."""
        place = (round(each, _DECIMALS) for each in (box.left, box.top, box.width, box.height))
        point = [at.us, *place]
        if len(self.path) > 1 and all(
            _near(self.path[-2], each) for each in (self.path[-1], point)
        ):
            self.path[-1] = point
        elif len(self.path) < _MOST and not self._given_up:
            self.path.append(point)
        else:
            self._given_up, self.path = True, []


def _near(a: list[float], b: list[float]) -> bool:
    return all(abs(x - y) <= _STILL for x, y in zip(a[1:], b[1:], strict=True))
