"""Housekeeping: what the main process of a worker does from its start to its end."""

from __future__ import annotations

import os
import socket
from typing import Any

import structlog
from celery import bootsteps

from moderation.config import Settings
from moderation.errors import ModerationError
from moderation.keeper import Keeper
from moderation.store import Leases, Store
from moderation.store.workers import Presence
from moderation_workers.metrics import Endpoint
from moderation_workers.sweeper import Sweeper
from moderation_workers.wake import CeleryWaker

__all__ = ["Housekeeping"]

log = structlog.get_logger(__name__)


class Housekeeping(bootsteps.StartStopStep):  # type: ignore[misc]
    """Sweeps, forgets what is old, and answers Prometheus while the worker runs; at its end,
    however it ends, gives back what it holds.

    A step and not a signal: Celery sends `worker_shutdown` only where nobody is in a hurry.
    """

    def create(self, parent: Any) -> None:
        """Before the pool is started."""
        # A child of billiard would log in its own form until ours is set up.
        os.environ.pop("_MP_FORK_LOGLEVEL_", None)

    def start(self, parent: Any) -> None:
        """Raises what the database raises: a worker without one is of no use."""
        settings = Settings.read()
        self._store = Store.open(settings.database_url)
        self._sweeper = Sweeper(
            settings, self._store, CeleryWaker(parent.app), _presence(parent, settings)
        )
        self._sweeper.say()
        self._sweeper.start()
        self._keeper = Keeper(settings, self._store)
        self._keeper.start()
        self._endpoint = Endpoint.open(settings, self._store)

    def stop(self, parent: Any) -> None:
        if self._endpoint is not None:
            self._endpoint.close()
        self._keeper.stop()
        self._sweeper.stop()
        try:
            given_back = Leases(self._store).release_all(str(parent.hostname))
            log.info("a worker ends", parts_given_back=given_back)
        except ModerationError as error:
            log.warning("nothing was given back: it is when the leases run out", error=str(error))

    terminate = stop


def _presence(parent: Any, settings: Settings) -> Presence:
    return Presence(
        name=str(parent.hostname),
        host=socket.gethostname(),
        lanes=tuple(map(str, parent.app.amqp.queues.consume_from)),
        device=settings.device,
    )
