"""What `moderation doctor` says of the broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celery import Celery
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, ResponseError

from moderation.errors import ModerationError
from moderation.finding import Finding
from moderation_workers.broker import check_broker

__all__ = ["findings"]

_WHAT = "broker"


def findings(app: Celery) -> Iterator[Finding]:
    """Whether it answers and keeps what it is told. URLs are without their passwords."""
    with app.connection_for_read() as connection:
        place = connection.as_uri()
        absence = _absence(connection)
        if absence:
            told = f"{place} does not answer ({absence}): check that Redis runs"
            yield Finding(_WHAT, "bad", told)
            return
        try:
            check_broker(app)
        except ModerationError as error:
            yield Finding(_WHAT, "bad", str(error))
        else:
            yield Finding(_WHAT, "ok", f"{place} answers")
            yield _persistence(connection.channel().client)


def _absence(connection: Any) -> str:
    """Why nobody answers; who refuses us does answer."""
    try:
        connection.connect()
    except (AuthenticationError, AuthorizationError):
        return ""
    except (KombuError, OperationalError, RedisError, OSError) as error:
        return type(error).__name__
    return ""


def _persistence(redis: Any) -> Finding:
    """Losing all of it costs some seconds: the jobs are in the database."""
    try:
        told = redis.info("persistence")
    except ResponseError:
        return Finding(_WHAT, "off", "what it keeps at a restart was not told: INFO is denied")
    if not told.get("aof_enabled"):
        lost = "no append-only file: messages are lost when it restarts, and sent again by a sweep"
        return Finding(_WHAT, "ok", lost)
    if told.get("aof_last_write_status") == "err":
        failed = "its append-only file cannot be written: make room on its disk"
        return Finding(_WHAT, "warning", failed)
    return Finding(_WHAT, "ok", "append-only file: a restart forgets nothing")
