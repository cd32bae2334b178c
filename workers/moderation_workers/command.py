"""`moderation worker` and `moderation watch`: what runs on the machines of a fleet."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import click

from moderation.client import Client
from moderation.config import Settings
from moderation.errors import ConfigurationError
from moderation.lanes import CONTROL, check
from moderation.policy import Policy
from moderation_workers.filter import Filter

__all__ = ["watch", "worker"]


@click.command()
@click.option(
    "--lane",
    "lanes",
    multiple=True,
    help="A lane to serve; more than once for more.  [default: all]",
)
@click.option("--device", help="auto, cpu, mps, cuda or cuda:N.  [default: the setting]")
@click.option("--log-level", default="info", show_default=True, help="Celery's.")
def worker(lanes: Sequence[str], device: str | None, log_level: str) -> None:
    """Work on submitted videos until told to stop.

    Start one for each GPU, and as many as you like for the CPU, on any machine that reaches the
    broker and the database.
    """
    settings = Settings.read(**({"device": device} if device else {}))
    served = _served(settings, lanes)
    if device:
        os.environ["MODERATION_DEVICE"] = device  # for the pool's process, which reads it anew
    # What SIGTERM means is decided when Celery is imported: end soon, and give back what is held.
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    for ours in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(ours, signal.SIG_DFL)
    from moderation_workers.app import app

    queues, name = ",".join(served), f"{'-'.join(served)}-{os.getpid()}@%h"
    app.worker_main(
        [
            "worker",
            "-Q",
            queues,
            "-n",
            name,
            "-l",
            log_level,
            "--without-mingle",
            "--without-gossip",
        ]
    )


@click.command()
@click.option("--queue-url", required=True, help="Of the SQS queue that the bucket notifies.")
@click.option("--endpoint", help="URL of an SQS service.  [default: Amazon's]")
@click.option("--region", help="Of the queue.  [default: boto3's settings]")
@click.option("--prefix", "prefixes", multiple=True, help="Only keys that begin so.")
@click.option("--suffix", "suffixes", multiple=True, help="Only keys that end so, in either case.")
@click.option("--ignore-prefix", "ignored", multiple=True, help="Never keys that begin so.")
@click.option("--policy", "policies", multiple=True, metavar="PREFIX=NAME", help="By prefix.")
@click.option("--tag", default="", help="Whose they are.  [default: the bucket]")
def watch(
    queue_url: str,
    endpoint: str | None,
    region: str | None,
    prefixes: Sequence[str],
    suffixes: Sequence[str],
    ignored: Sequence[str],
    policies: Sequence[str],
    tag: str,
) -> None:
    """Have every object judged that a bucket announces, until told to stop.

    The queue needs a dead letter queue: what is no notification goes there.
    """
    import boto3

    from moderation_workers.trigger import Trigger

    accept = Filter(
        prefixes=tuple(prefixes),
        suffixes=tuple(suffixes),
        ignore_prefixes=tuple(ignored),
        policies=dict(map(_by_prefix, policies)),
    )
    sqs = boto3.client("sqs", endpoint_url=endpoint, region_name=region)
    with Client() as client:
        Trigger(sqs, queue_url, client, accept, tag).run()


def _by_prefix(given: str) -> tuple[str, str]:
    """Checked at once: an unknown policy must not wait for its first video."""
    prefix, equals, name = given.rpartition("=")
    if not equals:
        raise click.UsageError(f"--policy {given}: write PREFIX=NAME")
    Policy.read(name)
    return prefix, name


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
