"""Telling workers of a lane that there is work: one small message each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from celery import Celery
from kombu import pools
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from moderation.config import Settings
from moderation.errors import TransientError
from moderation.finding import Finding
from moderation_workers.app import make_app
from moderation_workers.broker_findings import findings

__all__ = ["TASK", "CeleryWaker", "waker"]

TASK: Final = "moderation.work"
"""The only task: work on the part of a lane whose turn it is."""

_ANSWER_S: Final = 5.0
"""For which a broker is waited for. Whoever submits needs no broker, and shall not wait for one."""

_IMPATIENT: Final = {
    "max_retries": 0,
    "socket_timeout": _ANSWER_S,
    "socket_connect_timeout": _ANSWER_S,
}

_BROKEN: Final = (KombuError, OperationalError, RedisError, OSError)


class CeleryWaker:
    """Over the broker of an application."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        connection = app.connection_for_write(transport_options=_IMPATIENT)
        self._producers = pools.producers[connection]

    def wake(self, lane: str, count: int) -> None:
        try:
            with self._producers.acquire(block=True) as producer:
                for _ in range(count):
                    self._app.send_task(TASK, [lane], queue=lane, producer=producer)
        except _BROKEN as error:
            raise self._silent(error) from None

    def waiting(self, lane: str) -> int:
        try:
            with self._producers.acquire(block=True) as producer:
                return int(producer.channel.queue_declare(queue=lane).message_count)
        except _BROKEN as error:
            raise self._silent(error) from None

    def check(self) -> Iterator[Finding]:
        """For `moderation doctor`."""
        return findings(self._app)

    def _silent(self, error: Exception) -> TransientError:
        place = self._app.connection_for_read().as_uri()  # without the password
        return TransientError(
            f"the broker {place} takes no messages: {error}",
            hint="check that Redis runs; nothing is lost meanwhile",
        )


def waker(settings: Settings) -> CeleryWaker:
    """Of an installation's broker."""
    return CeleryWaker(make_app(settings))
