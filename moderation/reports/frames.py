"""Frame rates, where other programs count frames and we count microseconds."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

from moderation.scan import Video

__all__ = ["frame_rate"]


def frame_rate(video: Video, unknown: int) -> Fraction:
    """Frames per second, such as 30000/1001; `unknown` for a video that says none."""
    return _rational(video.fps) or Fraction(unknown)


@lru_cache(maxsize=256)
def _rational(fps: float) -> Fraction:
    if not math.isfinite(fps) or fps <= 0:
        return Fraction(0)
    return Fraction(fps).limit_denominator(1001)
