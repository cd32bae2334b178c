"""The sweeper: takes back what dead workers held, and tells workers what they did not hear.

Every worker has one, in its main process; any number of them may run at one time.
"""

from __future__ import annotations

import random
import threading

import structlog

from moderation.config import Settings
from moderation.errors import ModerationError
from moderation.store import Leases, Store
from moderation.wake import Waker

__all__ = ["Sweeper"]

log = structlog.get_logger(__name__)

_SPREAD = 0.5
"""Share of the time between two sweeps that chance takes away: workers start together."""


class Sweeper(threading.Thread):
    """Sweeps until it is told to end."""

    def __init__(self, settings: Settings, store: Store, waker: Waker) -> None:
        super().__init__(name="sweeper", daemon=True)
        jobs = settings.jobs
        self._leases = Leases(store, lease_s=jobs.lease_s, attempts=jobs.attempts)
        self._waker, self._most, self._every_s = waker, jobs.wakes, jobs.sweep_s
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._every_s * (1 - _SPREAD * random.random())):
            try:
                self.sweep()
            except ModerationError as error:  # the next sweep may find them awake again
                log.warning("a sweep failed", error=str(error))

    def sweep(self) -> None:
        """Once. Raises what the database and the broker raise."""
        reaped = self._leases.reap()
        if reaped:
            log.warning("parts of silent workers were taken back", parts=reaped)
        for lane, parts in self._leases.waiting().items():
            missing = min(parts, self._most) - self._waker.waiting(lane)
            if missing > 0:
                self._waker.wake(lane, missing)

    def stop(self) -> None:
        self._over.set()
        self.join(self._every_s)
