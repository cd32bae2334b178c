"""Splice: the time of a video of which parts are cut out.

Pictures and sound are moved by the same microseconds, so they stay in step however many cuts
there are and wherever these fall between two pictures.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from moderation.media.protocol import Edit
from moderation.timeline import MICROSECONDS

__all__ = ["Splice", "Sweep"]

_SLIDE_US = MICROSECONDS
"""A picture that is shown for longer is a slide: a cut that begins while it stands takes its sound
away, not the picture from before the cut."""


class Splice:
    """What is left of a video, and when it is shown then.

    cuts  microseconds from and to before, in any order; they may overlap
    """

    def __init__(self, cuts: Iterable[tuple[int, int]] = ()) -> None:
        self._cuts = list(_merged(sorted(cuts)))
        self._starts = [start for start, _ in self._cuts]
        self._gone = [0, *accumulate(end - start for start, end in self._cuts)]

    def moved(self, us: int) -> int:
        """The new time of an old one; of one that is cut out, that of the cut."""
        number = bisect_right(self._starts, us)
        if not number:
            return us
        start, end = self._cuts[number - 1]
        return us - self._gone[number - 1] - (min(us, end) - start)

    def shows(self, start_us: int, end_us: int) -> bool:
        """Whether a picture that stood on the screen from one time to the other stays.

        It goes when it came up within a cut, or still stood there when one began.
        """
        number = bisect_right(self._starts, start_us)
        if number and start_us < self._cuts[number - 1][1]:
            return False
        is_slide = end_us - start_us > _SLIDE_US
        return is_slide or number == len(self._cuts) or end_us <= self._starts[number]

    def kept(self, start_us: int, end_us: int) -> Iterator[tuple[int, int]]:
        """The parts of a stretch of time that are not cut out."""
        for start, end in self._cuts[max(0, bisect_right(self._starts, start_us) - 1) :]:
            if start >= end_us:
                break
            if start > start_us:
                yield start_us, start
            start_us = max(start_us, end)
        if start_us < end_us:
            yield start_us, end_us


class Sweep:
    """Pieces of edits in the order of time, for one who goes through the video once."""

    def __init__(self, pieces: Iterable[Edit]) -> None:
        self._waiting = deque(sorted(pieces, key=lambda piece: piece.from_us))
        self._active: list[Edit] = []

    def over(self, start_us: int, end_us: int) -> Sequence[Edit]:
        """Those that hold somewhere between; neither time may fall back from call to call."""
        while self._waiting and self._waiting[0].from_us < end_us:
            self._active.append(self._waiting.popleft())
        self._active = [piece for piece in self._active if piece.to_us > start_us]
        return self._active


def _merged(cuts: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    last: tuple[int, int] | None = None
    for start, end in cuts:
        if last is not None and start <= last[1]:
            last = last[0], max(last[1], end)
            continue
        if last is not None:
            yield last
        last = start, end
    if last is not None:
        yield last
