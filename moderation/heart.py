"""A heart: keeps a lease while its part is worked on, and says when that has no use any more."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType

import structlog

from moderation.errors import Cancelled, DeadlineExceeded, Interruption, TransientError
from moderation.job import Lease
from moderation.look import Step
from moderation.store import Hold, Leases

__all__ = ["Heart"]

log = structlog.get_logger(__name__)

_BEATS = 3
"""Heartbeats in the time of a lease: two may fail."""


class Heart:
    """A context manager around the work on one part; beats in a thread of its own.

    limit_s   seconds that the work may take
    stopping  whether this process is to end
    """

    def __init__(
        self,
        leases: Leases,
        lease: Lease,
        *,
        lease_s: float,
        limit_s: float,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._leases, self._lease, self._every_s = leases, lease, lease_s / _BEATS
        self._lease_s, self._stopping = lease_s, stopping
        self._kept_until = time.monotonic() + lease_s
        self._deadline = time.monotonic() + limit_s
        self._progress, self._hold = 0.0, Hold.OURS
        self._said: Interruption | None = None
        self._over = threading.Event()
        beat = partial(contextvars.copy_context().run, self._beat)
        self._thread = threading.Thread(target=beat, name="heart", daemon=True)

    def watch(self, step: Step) -> None:
        """To be called now and then by whoever works; raises `Interruption`."""
        length_us = step.end - step.start
        if step.detector == "decode" and length_us > 0:
            self._progress = min(1.0, max(0.0, (step.at - step.start) / length_us))
        self.check()

    def check(self) -> None:
        """Raises `DeadlineExceeded`, or `Cancelled` when what is done here is not wanted.

        Once it has, it always does: whoever was stopped has not looked at the rest.
        """
        self._said = self._said or self.reason
        if self._said is not None:
            raise self._said

    @property
    def reason(self) -> Interruption | None:
        """Why the work is to end."""
        if self._hold is not Hold.OURS:
            return Cancelled(f"the part is {self._hold.value}")
        if time.monotonic() > self._kept_until:
            return Cancelled("the lease ran out: the database did not answer")
        if time.monotonic() > self._deadline:
            return DeadlineExceeded("the part takes longer than jobs.time_limit_s")
        return Cancelled("the worker is to end") if self._stopping() else None

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while self._hold is Hold.OURS and not self._over.wait(self._every_s):
            began = time.monotonic()
            try:
                self._hold = self._leases.renew(self._lease, self._progress)
                self._kept_until = began + self._lease_s
            except TransientError as error:
                log.warning("a heartbeat failed", part=self._lease.part_id, error=str(error))
