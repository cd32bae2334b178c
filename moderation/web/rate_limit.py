"""Rate limits: how much one sender may do in a minute.

Each process counts for itself: what it protects is its own time. A sender who was quiet may do a
minute's worth at once (the generic cell rate algorithm: one number for each sender).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final

from fastapi import HTTPException

__all__ = ["RateLimit"]

_MINUTE: Final = 60.0

_SENDERS: Final = 10_000
"""That are remembered: of more at a time, those forgotten first begin anew."""


class RateLimit:
    """`per_minute` for each sender. Threads share it."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._each, self._clock = _MINUTE / per_minute, clock
        self._lock, self._used_until = threading.Lock(), dict[str, float]()

    def __len__(self) -> int:
        """Senders that are remembered."""
        return len(self._used_until)

    def require(self, sender: str) -> None:
        """Count one; raise what is answered with 429 where it is one too many, and count none."""
        wait_s = self.wait_s(sender)
        if wait_s > 0:
            raise HTTPException(429, headers={"Retry-After": str(math.ceil(wait_s))})

    def wait_s(self, sender: str) -> float:
        """Count one; where it is one too many count none, and tell when to come back."""
        with self._lock:
            now = self._clock()
            until = max(self._used_until.pop(sender, now), now) + self._each
            wait_s = until - now - _MINUTE
            # Rounding must not refuse the last of a minute.
            refused = wait_s > self._each / 2
            self._used_until[sender] = until - self._each if refused else until
            self._forget(now)
            return wait_s if refused else 0.0

    def _forget(self, now: float) -> None:
        if len(self._used_until) <= _SENDERS:
            return
        quiet = [sender for sender, until in self._used_until.items() if until <= now]
        for sender in quiet or [next(iter(self._used_until))]:
            del self._used_until[sender]
