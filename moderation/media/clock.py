"""Clock: a stream's timestamps as instants that always advance.

Files leave timestamps out, repeat them, set them back, or start anywhere. A moderator wants to
find the frame again, so what is right is kept to the microsecond and only what cannot be is mended.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm

from moderation.timeline import MICROSECONDS, Instant

__all__ = ["Clock", "TimeScale", "believable"]

_DISCONTINUITY_US = MICROSECONDS
"""A timestamp that falls back by more than this begins a new count, as in joined recordings."""


_LONGEST_US = 1 << 52
"""A time further from the start than this, 142 years, is a broken number."""


def believable(us: int) -> int:
    """A time in microseconds that a file claims, cut to what one can be."""
    return min(max(us, -_LONGEST_US), _LONGEST_US)


class TimeScale:
    """Timestamps of a stream to microseconds since the start, in integers: it runs for each frame.

    start  seconds that are 0
    """

    def __init__(self, time_base: Fraction, start: Fraction) -> None:
        common = lcm(time_base.denominator, start.denominator)
        self._factor = int(time_base * common) * MICROSECONDS
        self._shift = int(start * common) * MICROSECONDS
        self._common = common

    def microseconds(self, pts: int) -> int:
        """The nearest microsecond, within what a time can be."""
        return believable(
            (2 * (pts * self._factor - self._shift) + self._common) // (2 * self._common)
        )


class Clock:
    """One stream's time.

    scale    with the same start for all streams of a file, so that they stay in step
    step_us  microseconds from a frame to the next, where timestamps do not say
    """

    def __init__(self, scale: TimeScale, step_us: int) -> None:
        self._scale, self._step_us = scale, step_us
        self._offset_us = 0
        self._stamp_us: int | None = None
        self.elapsed_us: int | None = None
        """Time of the last frame; negative for what an edit list cuts away before the start."""
        self._instant_us = -1

    def tick(self, pts: int | None) -> Instant:
        """The instant of the next frame in presentation order."""
        self.elapsed_us = self._mended(pts)
        self._instant_us = max(self.elapsed_us, self._instant_us + 1)
        return Instant(self._instant_us)

    def _mended(self, pts: int | None) -> int:
        last = self.elapsed_us
        if pts is None:
            return 0 if last is None else last + self._step_us
        stamp = self._scale.microseconds(pts) + self._offset_us
        before, self._stamp_us = self._stamp_us, stamp
        if last is None or stamp > last:
            return stamp
        if stamp <= last - _DISCONTINUITY_US:
            self._offset_us += last + self._step_us - stamp
            self._stamp_us = last + self._step_us
            return self._stamp_us
        if before is None or stamp <= before:
            return last + self._step_us
        # Behind the mended time but moving: let it catch up.
        return last + max(1, (stamp - before) // 2)
