"""The Celery application; nothing else configures Celery.

A message says that a lane has work, and no more: which part is whose turn, who holds it and what
came of it stand in the database. So Redis may lose, repeat or reorder messages, or all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from celery import Celery, signals
from celery.utils.nodenames import host_format

from moderation import logs
from moderation.config import Settings
from moderation.errors import ConfigurationError
from moderation_workers import gpu_memory
from moderation_workers.broker import BrokerCheck

__all__ = ["app", "configuration", "make_app", "serve"]

_IMPORT_S: Final = 120.0
"""Until a pool process has imported torch; the default, 4 s, is too short for that."""


_SCHEMES: Final = ("redis", "rediss", "redis+socket", "sentinel")
"""Of brokers that are supported."""


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings, each of them measured where it is not the default.

    Raises `ConfigurationError` for a broker that has no URL of Redis.
    """
    jobs = settings.jobs
    # A message that comes back is nothing but another look into the database.
    visibility_s = round(jobs.time_limit_s) + 900
    return {
        "broker_url": _checked(jobs.broker),
        # A result backend on the broker loses tasks when Redis restarts; outcomes are in SQL.
        "result_backend": None,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_acks_on_failure_or_timeout": True,
        "task_soft_time_limit": None,
        "task_time_limit": jobs.time_limit_s + jobs.grace_s,
        "task_publish_retry": False,
        # Threads ignore time limits, solo loses tasks at shutdown, fork breaks CUDA.
        "worker_pool": "prefork",
        "worker_concurrency": 1,
        "worker_max_memory_per_child": jobs.max_memory_mb * 1000 or None,  # kB
        "worker_pool_start_method": "spawn",
        "worker_proc_alive_timeout": _IMPORT_S,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": jobs.shutdown_s,
        "worker_send_task_events": False,
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "visibility_timeout": visibility_s,
            # Without it a dead worker's messages come back 100 s late.
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            # A connection that leads nowhere is noticed after twice as long, and a second.
            "health_check_interval": 5,
            "global_keyprefix": "moderation:",
        },
        "visibility_timeout": visibility_s,
        "include": ["moderation_workers.tasks"],
    }


def _checked(broker: str) -> str:
    try:
        # Celery takes several, one to stand in for another. To ask for a port is to check it.
        parts = [urlsplit(each) for each in broker.split(";")]
        schemes = {each.scheme for each in parts if each.port != 0}
    except ValueError:
        schemes = set()
    if not schemes or not schemes.issubset(_SCHEMES):
        raise ConfigurationError(
            "the setting jobs.broker is no URL of Redis",  # which may have a password in it
            hint="write redis://:PASSWORD@HOST:6379/0, in PASSWORD %40 for an @ and %2F for a /",
        )
    return broker


def make_app(settings: Settings) -> Celery:
    """An application of these settings; connects to nothing yet. Raises `ConfigurationError`."""
    made = Celery("moderation")
    made.conf.update(configuration(settings))
    made.steps["worker"].add(BrokerCheck)
    return made


app = make_app(Settings.read())


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def set_up_logging(loglevel: int, **_: Any) -> None:
    """In every process of a worker, instead of what Celery would do."""
    logs.set_up(loglevel, Settings.read())


signals.task_postrun.connect(gpu_memory.after_task)


def serve(name: str, lanes: Sequence[str], log_level: str) -> int:
    """Be a worker until it is told to end; its exit code, which `app.worker_main` keeps to itself.

    A supervisor needs it: a worker ends with 1 when Redis is full.
    """
    worker = app.Worker(
        hostname=host_format(name),
        queues=list(lanes),
        loglevel=log_level,
        without_mingle=True,
        without_gossip=True,
        quiet=True,  # a banner is no line of a log
    )
    worker.start()
    return int(worker.exitcode or 0)
