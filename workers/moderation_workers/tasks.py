"""The task, and the process that it runs in: models are loaded once and stay."""

from __future__ import annotations

import faulthandler
import os
import signal
from functools import cache
from typing import Any, Final

import structlog
from celery import Task
from celery.platforms import EX_FAILURE
from celery.signals import worker_init, worker_process_init
from celery.worker import state

from moderation.config import Settings
from moderation.device_faults import is_spent, is_stuck
from moderation.errors import ConfigurationError
from moderation.registry import Registry
from moderation.stages import Stages
from moderation.store import Store
from moderation.wake import try_to_wake
from moderation_workers import prints
from moderation_workers.app import app
from moderation_workers.device import find
from moderation_workers.heartbeat_file import HeartbeatFile
from moderation_workers.housekeeping import Housekeeping
from moderation_workers.request import Acknowledging
from moderation_workers.wake import TASK, CeleryWaker

__all__ = ["work"]

log = structlog.get_logger(__name__)

_DEVICE_GONE: Final = signal.SIGUSR2
"""From the pool's process to the main one: SIGTERM would pass for a wish, and end with 0."""

app.steps["worker"].update((Housekeeping, HeartbeatFile))


@app.task(name=TASK, bind=True, base=Acknowledging)  # type: ignore[untyped-decorator]
def work(self: Task[Any, Any], lane: str) -> None:
    """Work on the part of the lane whose turn it is; who found one says where more may be.

    Ends its process after a fault of the device, which another may get back, and where a detector
    hangs: the pool has another process.
    """
    with prints.logged():
        for each in _stages().work(lane, owner=str(self.request.hostname)):
            try_to_wake(CeleryWaker(app), each, 1)
    if is_spent() or is_stuck():
        log.warning("this process ends: its device gave out, or a detector hangs", pid=os.getpid())
        raise SystemExit


@worker_process_init.connect  # type: ignore[untyped-decorator]
def tell_of_crashes(**_: object) -> None:
    """Have the log show where an engine crashed: its process ends without another word."""
    faulthandler.enable()


@worker_process_init.connect  # type: ignore[untyped-decorator]
def see_device(**_: object) -> None:
    """End the whole worker where its device is gone: no process of its pool would fare better.

    Its supervisor starts it again, and it refuses to start until the device is back.
    """
    asked = Settings.read().device
    if asked in ("auto", "cpu"):
        return
    try:
        find(asked)
    except ConfigurationError as error:
        log.error("the worker ends", reason=str(error))
        os.kill(os.getppid(), _DEVICE_GONE)
        raise SystemExit from None


@worker_init.connect  # type: ignore[untyped-decorator]
def end_without_device(**_: object) -> None:
    """In the main process: end with a code that has every supervisor start the worker again."""

    def end(*_: object) -> None:
        state.should_stop = EX_FAILURE

    signal.signal(_DEVICE_GONE, end)


@cache
def _stages() -> Stages:
    settings = Settings.read()
    store = Store.open(settings.database_url, review=settings.review)
    return Stages(settings, Registry.installed(settings.plugins), store)
