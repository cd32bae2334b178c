"""`moderation dead`: what failed for good."""

from __future__ import annotations

from collections.abc import Sequence

import click

from moderation.cli.console import note
from moderation.cli.jobs import print_jobs, print_parts
from moderation.client import Client
from moderation.config import Settings
from moderation.reports.text import visible
from moderation.store import Jobs, Store

__all__ = ["dead"]


@click.group(invoke_without_command=True)
@click.pass_context
def dead(context: click.Context) -> None:
    """Parts of jobs that failed for good."""
    if context.invoked_subcommand is None:
        context.invoke(list_dead)


@dead.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
def list_dead(limit: int = 50) -> None:
    """Dead letters, the newest first, with the job that each belongs to."""
    with Store.open(Settings.read().database_url) as store:
        jobs = Jobs(store)
        parts = jobs.dead(limit)
        if parts:
            print_jobs([jobs.get(job) for job in dict.fromkeys(part.job_id for part in parts)])
            print_parts(parts)
        else:
            note("nothing failed for good")


@dead.command("show")
@click.argument("job")
def show(job: str) -> None:
    """Every try at the dead parts of JOB, with tracebacks."""
    with Store.open(Settings.read().database_url) as store:
        jobs = Jobs(store)
        found = jobs.get(job)
        print_jobs([found])
        for part in found.parts:
            for each in jobs.attempts(part.id) if part.error else ():
                head = f"part {part.id} ({part.kind}, lane {part.lane}), try {each.number}"
                click.echo(visible(f"\n{head} by {each.owner}: {each.outcome} {each.error}"))
                click.echo("\n".join(map(visible, each.traceback.splitlines())))


@dead.command("retry")
@click.argument("jobs", nargs=-1, required=True)
def retry_dead(jobs: Sequence[str]) -> None:
    """Try JOBS again."""
    with Client() as client:
        print_jobs([client.job(each).retry().job for each in jobs])
