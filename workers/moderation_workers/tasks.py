"""The task, and the process that it runs in: models are loaded once and stay."""

from __future__ import annotations

from functools import cache
from typing import Any

from celery import Task

from moderation.config import Settings
from moderation.registry import Registry
from moderation.stages import Stages
from moderation.store import Store
from moderation.wake import try_to_wake
from moderation_workers.app import app
from moderation_workers.housekeeping import Housekeeping
from moderation_workers.wake import TASK, CeleryWaker

__all__ = ["work"]

app.steps["worker"].add(Housekeeping)


@app.task(name=TASK, bind=True)  # type: ignore[untyped-decorator]
def work(self: Task[Any, Any], lane: str) -> None:
    """Work on the part of the lane whose turn it is; who found one says where more may be."""
    for each in _stages().work(lane, owner=str(self.request.hostname)):
        try_to_wake(CeleryWaker(app), each, 1)


@cache
def _stages() -> Stages:
    settings = Settings.read()
    store = Store.open(settings.database_url)
    return Stages(settings, Registry.installed(settings.plugins), store)
