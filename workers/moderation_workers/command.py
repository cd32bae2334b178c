"""`moderation worker`: what runs on the machines of a fleet."""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Sequence

import click

from moderation.config import Settings
from moderation.errors import ConfigurationError
from moderation.lanes import CONTROL, check
from moderation.store import Store

__all__ = ["worker"]


@click.command()
@click.option(
    "--lane",
    "lanes",
    multiple=True,
    help="A lane to serve; more than once for more.  [default: all]",
)
@click.option(
    "--device",
    help="auto, cpu, mps, cuda (any that is free) or cuda:N.  [default: the setting]",
)
@click.option("--share-device", is_flag=True, help="With other workers that share it as well.")
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65_535),
    help="Answer Prometheus there.  [default: the setting]",
)
@click.option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error", "critical"), case_sensitive=False),
    default="info",
    show_default=True,
)
def worker(
    lanes: Sequence[str],
    device: str | None,
    share_device: bool,
    metrics_port: int | None,
    log_level: str,
) -> int:
    """Work on submitted videos until told to stop.

    Start one for each GPU, and as many as you like for the CPU, on any machine that reaches the
    broker and the database. Each holds its GPU alone; one that is not there, or is held, ends it.
    """
    settings = Settings.read(**({"device": device} if device else {}))
    served = _served(settings, lanes)
    Store.open(settings.database_url).close()  # what is wrong with it is better said here
    if metrics_port:
        os.environ["MODERATION_METRICS__PORT"] = str(metrics_port)
    from moderation_workers.device import take

    taken, lock = take(settings.device, settings.home / "devices", share=share_device)
    taken.show(os.environ)  # for the pool's process, which reads it anew
    # What SIGTERM means is decided when Celery is imported: end soon, and give back what is held.
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    for ours in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(ours, signal.SIG_DFL)
    from moderation_workers.app import serve

    name = f"{'-'.join(served)}-{os.getpid()}@{platform.node()}"
    try:
        return serve(name, served, log_level)
    finally:
        lock.release()


def _served(settings: Settings, lanes: Sequence[str]) -> list[str]:
    """The control lane first: it ends jobs."""
    check(settings.lanes)
    unknown = sorted(set(lanes) - {*settings.lanes, CONTROL})
    if unknown:
        raise ConfigurationError(
            f"there is no lane {', '.join(unknown)}: [lanes] has {', '.join(settings.lanes)}",
            hint="correct --lane or the settings",
        )
    return list(dict.fromkeys((CONTROL, *(lanes or settings.lanes))))
