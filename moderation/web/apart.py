"""Threads apart: what may take long holds up others of its kind, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

__all__ = ["Apart"]

Got = TypeVar("Got")


class Apart:
    """So many threads at most, for one kind of work; used in one event loop alone."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._limiter: CapacityLimiter | None = None

    async def work(self, work: Callable[[], Got]) -> Got:
        """Its result, once it had its turn."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._threads)
        return await to_thread.run_sync(work, limiter=self._limiter)
