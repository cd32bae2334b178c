"""The keeper: has what is kept too long taken away, while its process runs.

Every worker has one, in its main process, and so has a server of one machine; any number of them
may be at it at one time.
"""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime

import structlog

from moderation.config import Settings
from moderation.errors import ModerationError
from moderation.retention import Retention
from moderation.store import Store

__all__ = ["Keeper"]

log = structlog.get_logger(__name__)

_HOUR_S = 3600

_SPREAD = 0.5
"""Share of the time between two sweeps that chance takes away: workers start together."""

_PATIENCE_S = 5
"""Seconds that its process' end waits for the step at hand; what it leaves, the next one finds."""


class Keeper(threading.Thread):
    """Sweeps until it is told to end."""

    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__(name="keeper", daemon=True)
        self._every_s = settings.retention.every_h * _HOUR_S
        self._over = threading.Event()
        self._retention = Retention(store, settings, self._over.is_set)

    def run(self) -> None:
        while not self._over.wait(self._every_s * (1 - _SPREAD * random.random())):
            self.sweep()

    def sweep(self) -> None:
        """Once; what stands in its way is logged, and is over by the next time or is not."""
        try:
            removed = self._retention.sweep(datetime.now(UTC))
        except ModerationError as error:
            log.warning("what is kept too long was not all removed", error=str(error))
            return
        except Exception:  # the boundary: it must not end what runs by itself
            log.exception("what is kept too long was not all removed")
            return
        if removed.total():
            log.info("what was kept too long was removed", **removed)

    def stop(self) -> None:
        self._over.set()
        self.join(_PATIENCE_S)
