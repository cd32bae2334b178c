"""How full a worker's GPU is, as the process knows that uses it."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any, Final, NamedTuple

import structlog

from moderation.config import Settings
from moderation.device_faults import is_spent
from moderation.errors import ModerationError
from moderation.store import Store
from moderation.store.workers import Workers

__all__ = ["Memory", "Teller", "after_task", "memory"]

log = structlog.get_logger(__name__)

_WORTH_TELLING: Final = 64 << 20
"""Bytes by which it has to differ: a busy worker must not write at every part."""


class Memory(NamedTuple):
    """Bytes, of all that use the GPU."""

    used: int
    total: int


def memory() -> Memory | None:
    """Of the GPU that this process uses; `None` where it uses none: asking must not begin it."""
    torch = sys.modules.get("torch")
    if torch is None or is_spent() or not torch.cuda.is_initialized():
        return None
    free, total = torch.cuda.mem_get_info()
    return Memory(total - free, total)


def after_task(*_: Any, task: Any, **__: Any) -> None:
    """For Celery's signal `task_postrun`: have the database know it, for metrics."""
    now = memory()
    if now is not None:
        try:
            _teller().tell(str(task.request.hostname), now)
        except ModerationError as error:  # the next part tells it
            log.warning("how full the GPU is was not told", error=str(error))


class Teller:
    """Tells the database what is worth telling."""

    def __init__(self, workers: Workers) -> None:
        self._workers, self._told = workers, Memory(0, 0)

    def tell(self, worker: str, now: Memory) -> None:
        """Raises what the database raises."""
        if abs(now.used - self._told.used) >= _WORTH_TELLING:
            self._workers.say_memory(worker, used=now.used, total=now.total)
            self._told = now


@cache
def _teller() -> Teller:
    return Teller(Workers(Store.open(Settings.read().database_url)))
