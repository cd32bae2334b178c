"""`moderation status`: jobs, and what becomes of them."""

from __future__ import annotations

import time

import click
from rich.console import Console

from moderation.cli.console import note
from moderation.cli.jobs import print_jobs, print_parts
from moderation.client import Client, JobHandle
from moderation.config import Settings
from moderation.job import JobState, PartState
from moderation.store import Jobs, Store

__all__ = ["status"]

_EVERY_S = 2.0


@click.command()
@click.argument("job", required=False)
@click.option("--state", type=click.Choice([each.value for each in JobState]))
@click.option("--tag", help="Only of this tag.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--watch", is_flag=True, help="Look again every two seconds, until it is over.")
def status(job: str | None, state: str | None, tag: str | None, limit: int, watch: bool) -> None:
    """Jobs, the newest first, or one JOB with its parts."""
    with Client() as client:
        while True:
            shown = [client.job(job)] if job else client.jobs(state, tag=tag, limit=limit)
            _print(shown, whole=job is not None)
            if not watch or all(each.state.is_final for each in shown):
                break
            time.sleep(_EVERY_S)
            Console().print()


def _print(jobs: list[JobHandle], *, whole: bool) -> None:
    print_jobs([each.job for each in jobs])
    if whole:
        print_parts(jobs[0].job.parts)
        if jobs[0].job.error:
            note(jobs[0].job.error)
    else:
        _print_lanes()


def _print_lanes() -> None:
    with Store.open(Settings.read().database_url) as store:
        counts = Jobs(store).counts()
    for lane in sorted({lane for lane, _ in counts}):
        waiting, running = (
            counts.get((lane, each), 0) for each in (PartState.QUEUED, PartState.RUNNING)
        )
        note(f"lane {lane}: {waiting} parts wait, {running} run")
