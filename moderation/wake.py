"""Waking workers: whoever tells them that a lane has work.

The database knows what work there is. A message that is lost costs time, never a job: workers
look for themselves every `jobs.sweep_s` seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from typing import Final, Protocol

import structlog

from moderation.config import Settings
from moderation.errors import TransientError
from moderation.finding import Finding

__all__ = ["GROUP", "Waker", "installed", "try_to_wake"]

log = structlog.get_logger(__name__)

GROUP: Final = "moderation.wakers"
"""The entry point group; each is called with the settings."""


class Waker(Protocol):
    """Sends messages to workers. Raises `TransientError`."""

    def wake(self, lane: str, count: int) -> None:
        """Tell up to `count` workers of the lane."""
        ...

    def waiting(self, lane: str) -> int:
        """Messages that no worker has taken yet."""
        ...

    def check(self) -> Iterator[Finding]:
        """What `moderation doctor` says of where the messages go. Raises nothing."""
        ...


def installed(settings: Settings) -> Waker | None:
    """The waker of this installation; `None` without workers."""
    for point in metadata.entry_points(group=GROUP):
        waker: Waker = point.load()(settings)
        return waker
    return None


def try_to_wake(waker: Waker | None, lane: str, count: int) -> None:
    """Not hearing of work is no reason to refuse it."""
    if waker is None:
        return
    try:
        waker.wake(lane, count)
    except TransientError as error:
        log.warning("workers were not told, and will see for themselves", reason=error.message)
