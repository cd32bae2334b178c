"""`moderation submit`: have uploads judged by workers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import IO

import click
from rich.progress import Progress

from moderation.cli.console import fail, note, stderr
from moderation.client import Client, JobHandle
from moderation.config import Settings
from moderation.job import JobState
from moderation.wake import installed

__all__ = ["submit"]

_FAILED = 3


@click.command()
@click.argument("videos", nargs=-1)
@click.option("--from", "listed", type=click.File(), help="File of paths or URIs, a line each.")
@click.option("--policy", help="Built-in policy or path of a TOML file.  [default: the setting]")
@click.option("--priority", type=click.IntRange(0, 9), default=5, show_default=True)
@click.option("--tag", default="", help="Whose they are; tags share the workers evenly.")
@click.option("--wait", is_flag=True, help="Until all are judged; exit with 3 if some failed.")
def submit(
    videos: Sequence[str],
    listed: IO[str] | None,
    policy: str | None,
    priority: int,
    tag: str,
    wait: bool,
) -> int:
    """Have workers judge VIDEOS; prints a job's id for each.

    The same version of a video under the same policy is the same job.
    """
    uris = [*videos, *(line.strip() for line in listed or () if line.strip())]
    if not uris:
        raise click.UsageError("no videos were named: give paths or URIs, or --from FILE")
    settings = Settings.read()
    if installed(settings) is None:
        note("moderation-workers is not installed here: the jobs wait for workers elsewhere")
    with Client(settings) as client:
        jobs = client.submit_many(uris, policy, priority=priority, tag=tag)
        for job in jobs:
            click.echo(job.id)
        sys.stdout.flush()
        return _waited(jobs) if wait else 0


def _waited(jobs: Sequence[JobHandle]) -> int:
    with Progress(console=stderr, transient=True) as bar:
        task = bar.add_task("judged", total=len(jobs))
        for job in jobs:
            job.wait()
            bar.advance(task)
    failed = [job for job in jobs if job.state is not JobState.DONE]
    for job in failed:
        fail(f"{job.job.uri}: {job.job.error or job.state}")
    note(f"{len(jobs) - len(failed)} of {len(jobs)} jobs were judged")
    return _FAILED if failed else 0
