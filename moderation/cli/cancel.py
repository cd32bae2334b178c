"""`moderation cancel`: stop jobs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from moderation.cli.jobs import print_jobs
from moderation.client import Client

__all__ = ["cancel"]


@click.command()
@click.argument("jobs", nargs=-1, required=True)
def cancel(jobs: Sequence[str]) -> None:
    """Stop JOBS; what is finished stays so. A worker stops at its next batch of frames."""
    with Client() as client:
        found = [client.job(each) for each in jobs]  # all of them, before one is stopped
        print_jobs([each.cancel().job for each in found])
