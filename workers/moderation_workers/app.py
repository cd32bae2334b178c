"""The Celery application; nothing else configures Celery.

A message says that a lane has work, and no more: which part is whose turn, who holds it and what
came of it stand in the database. So Redis may lose, repeat or reorder messages, or all of them.
"""

from __future__ import annotations

from typing import Any, Final

from celery import Celery

from moderation.config import Settings

__all__ = ["app", "configuration", "make_app"]

_GRACE_S: Final = 60
"""From the deadline that a part is told of to the end of its process."""

_IMPORT_S: Final = 120.0
"""Until a pool process has imported torch; the default, 4 s, is too short for that."""


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings, each of them measured where it is not the default."""
    jobs = settings.jobs
    # A message that comes back is nothing but another look into the database.
    visibility_s = round(jobs.time_limit_s) + 900
    return {
        "broker_url": jobs.broker,
        # A result backend on the broker loses tasks when Redis restarts; outcomes are in SQL.
        "result_backend": None,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_acks_on_failure_or_timeout": True,
        "task_soft_time_limit": None,
        "task_time_limit": jobs.time_limit_s + _GRACE_S,
        "task_publish_retry": False,
        # Threads ignore time limits, solo loses tasks at shutdown, fork breaks CUDA.
        "worker_pool": "prefork",
        "worker_concurrency": 1,
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
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "global_keyprefix": "moderation:",
        },
        "visibility_timeout": visibility_s,
        "include": ["moderation_workers.tasks"],
    }


def make_app(settings: Settings) -> Celery:
    """An application of these settings; connects to nothing yet."""
    made = Celery("moderation")
    made.conf.update(configuration(settings))
    return made


app = make_app(Settings.read())
