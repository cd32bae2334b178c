"""The sweeper: says that its worker is there, takes back what dead workers held, and tells workers
what they did not hear.

Every worker has one, in its main process; any number of them may run at one time.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import structlog

from moderation.config import Settings
from moderation.errors import ModerationError
from moderation.store import Leases, Store
from moderation.store.workers import Presence, Workers
from moderation.wake import Waker

__all__ = ["Sweeper"]

log = structlog.get_logger(__name__)

_SPREAD = 0.5
"""Share of the time between two sweeps that chance takes away: workers start together."""

_SILENT = 3
"""Sweeps without a word after which a worker counts as gone: one may fail, one may be slow."""


class Sweeper(threading.Thread):
    """Sweeps until it is told to end."""

    def __init__(self, settings: Settings, store: Store, waker: Waker, presence: Presence) -> None:
        super().__init__(name="sweeper", daemon=True)
        jobs = settings.jobs
        self._workers, self._presence = Workers(store), presence
        self._leases = Leases(store, lease_s=jobs.lease_s, attempts=jobs.attempts)
        self._waker, self._most, self._every_s = waker, jobs.wakes, jobs.sweep_s
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._every_s * (1 - _SPREAD * random.random())):
            self._attempt(self.say)
            self._attempt(self.sweep)

    def say(self) -> None:
        """That the worker is there. Raises what the database raises."""
        self._workers.say(self._presence, silent_s=self._every_s * _SILENT)

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
        """The worker is there no longer."""
        self._over.set()
        self.join(self._every_s)
        self._attempt(lambda: self._workers.forget(self._presence.name))

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except ModerationError as error:  # the next sweep may find them awake again
            log.warning("a sweep failed", error=str(error))
