"""Telling workers of a lane that there is work: one small message each."""

from __future__ import annotations

from typing import Final

from celery import Celery
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from moderation.config import Settings
from moderation.errors import TransientError
from moderation_workers.app import make_app

__all__ = ["TASK", "CeleryWaker", "waker"]

TASK: Final = "moderation.work"
"""The only task: work on the part of a lane whose turn it is."""

_BROKEN: Final = (KombuError, OperationalError, RedisError, OSError)


class CeleryWaker:
    """Over the broker of an application."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def wake(self, lane: str, count: int) -> None:
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                for _ in range(count):
                    self._app.send_task(TASK, [lane], queue=lane, producer=producer)
        except _BROKEN as error:
            raise self._silent(error) from None

    def waiting(self, lane: str) -> int:
        try:
            with self._app.connection_for_read() as connection:
                declared = connection.default_channel.queue_declare(queue=lane)
                return int(declared.message_count)
        except _BROKEN as error:
            raise self._silent(error) from None

    def _silent(self, error: Exception) -> TransientError:
        place = self._app.connection_for_read().as_uri()  # without the password
        return TransientError(
            f"the broker {place} does not answer ({type(error).__name__})",
            hint="check that Redis runs; nothing is lost meanwhile",
        )


def waker(settings: Settings) -> CeleryWaker:
    """Of an installation's broker."""
    return CeleryWaker(make_app(settings))
