"""Celery workers: many machines, one queue, nothing lost and nothing done twice."""

from __future__ import annotations

from collections.abc import Callable

import click

from moderation import hookimpl

__all__ = ["register_commands"]


@hookimpl
def register_commands(register: Callable[[click.Command], None]) -> None:
    from moderation_workers.command import worker
    from moderation_workers.up import up
    from moderation_workers.watch import watch

    register(up)
    register(worker)
    register(watch)
