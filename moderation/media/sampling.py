"""Sampling: which frames are looked at, and the promise that they keep.

The first and the last frame of a stream are always among them, and two neighbours are never
further apart than 1 / `per_second` where the stream has a frame between them.
"""

from __future__ import annotations

from collections.abc import Iterator

from moderation.media.picture import Picture
from moderation.timeline import MICROSECONDS

__all__ = ["Sampler"]


class Sampler:
    """Chooses among the pictures of one stream, offered in presentation order.

    It looks one frame ahead: only when the next frame comes too late is the one before it the last
    that keeps the promise. So it holds on to one frame that is not converted yet.
    """

    def __init__(self, per_second: float) -> None:
        self._interval_us = round(MICROSECONDS / per_second)
        self._last_us: int | None = None
        self._held: Picture | None = None

    def offer(self, picture: Picture) -> Iterator[Picture]:
        """The pictures to look at, now that this one is known."""
        if self._late(picture) and self._held is not None:
            yield self._take(self._held)
        if self._last_us is None or picture.elapsed_us - self._last_us >= self._interval_us:
            yield self._take(picture)
        else:
            self._held = picture

    def finish(self) -> Iterator[Picture]:
        """The last frame, unless it has been taken."""
        if self._held is not None:
            yield self._take(self._held)

    def _late(self, picture: Picture) -> bool:
        last = self._last_us
        return last is not None and picture.elapsed_us - last > self._interval_us

    def _take(self, picture: Picture) -> Picture:
        self._last_us, self._held = picture.elapsed_us, None
        return picture
