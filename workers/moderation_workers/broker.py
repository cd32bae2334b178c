"""The broker of a worker that starts: what makes a queue lose its messages is refused at once.

No job is lost by it, for the database has the jobs. But whoever runs a fleet on it sees jobs that
wait for no reason, and a worker that waits for ever is harder to find than one that ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import structlog
from celery import Celery, bootsteps
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError,
    NoPermissionError,
    ResponseError,
    TimeoutError,
)

from moderation.errors import ConfigurationError, TransientError

__all__ = ["BrokerCheck", "check_broker", "check_settings"]

log = structlog.get_logger(__name__)

_NEEDED: Final[Mapping[str, tuple[object, str]]] = {
    "result_backend": (None, "when Redis restarts, tasks are acknowledged that nobody ended"),
    "task_acks_late": (True, "a worker that dies takes its messages with it"),
    "worker_cancel_long_running_tasks_on_connection_loss": (
        False,
        "whenever Redis is away, every video is begun anew",
    ),
    "worker_pool_start_method": ("spawn", "CUDA does not work in a process that was forked"),
}
"""By setting of Celery: what it has to be, and what happens otherwise."""

_POLICY: Final = "noeviction"

_DENIED: Final = (AuthenticationError, AuthorizationError, NoPermissionError)

_AWAY: Final = (ConnectionError, TimeoutError, OSError)


class BrokerCheck(bootsteps.Step):  # type: ignore[misc]
    """Before anything of a worker is started. Celery itself would try a wrong password for ever."""

    def create(self, parent: Any) -> None:
        """Raises `ConfigurationError`."""
        check_settings(parent.app)
        if parent.pool_cls.__module__ != "celery.concurrency.prefork":
            raise _unfit("worker_pool", "prefork", "time limits are ignored, and tasks are lost")
        check_broker(parent.app)


def check_settings(app: Celery) -> None:
    """Celery takes settings from its command line too. Raises `ConfigurationError`."""
    for name, (needed, otherwise) in _NEEDED.items():
        if app.conf[name] != needed:
            raise _unfit(name, needed, otherwise)


def check_broker(app: Celery) -> None:
    """Raises `ConfigurationError` for a Redis that drops messages or does not let us work.

    One that does not answer may do so later, and is waited for; `TransientError` for one that
    answers, but cannot work, as one whose memory is full.
    """
    with app.connection_for_read() as connection, _explained(connection.as_uri()):
        connection.connect()
        redis = connection.channel().client
        redis.register_script("return 1")()
        redis.set("check", 1, ex=1)
        _check_policy(_eviction_policy(redis), connection.as_uri())


def _check_policy(policy: str | None, place: str) -> None:
    if policy is None:
        log.warning(
            "Redis does not tell its maxmemory-policy: with any but noeviction it drops messages"
        )
    elif policy != _POLICY:
        raise ConfigurationError(
            f"the broker {place} has the maxmemory-policy {policy}: it drops messages when its "
            "memory is full",
            hint=f"set maxmemory-policy {_POLICY} in redis.conf",
        )


def _eviction_policy(redis: Any) -> str | None:
    """As INFO tells it: that is allowed where CONFIG is not, as with most who rent out Redis."""
    try:
        told = redis.info("memory").get("maxmemory_policy")
    except ResponseError:
        return None
    return None if told is None else str(told)


@contextmanager
def _explained(place: str) -> Iterator[None]:
    """Errors name the place, which is without its password."""
    try:
        yield
    except _DENIED as error:
        raise ConfigurationError(
            f"the broker {place} does not let us work: {_said(error)}",
            hint="correct user and password in jobs.broker, or the ACL: +@all ~moderation:* &*",
        ) from None
    except _AWAY as error:
        log.warning("the broker does not answer yet", broker=place, error=type(error).__name__)
    except ResponseError as error:
        raise TransientError(
            f"the broker {place} cannot work: {_said(error)}",
            hint="give Redis more memory, or free some; then start the worker again",
        ) from None


def _said(error: Exception) -> str:
    return str(error).rstrip(".")


def _unfit(name: str, needed: object, otherwise: str) -> ConfigurationError:
    return ConfigurationError(
        f"Celery's setting {name} is not {needed!r}: {otherwise}",
        hint="leave Celery's settings as moderation_workers.app has them",
    )
