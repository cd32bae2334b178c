"""`moderation retry`: try jobs again."""

from __future__ import annotations

from collections.abc import Sequence

import click

from moderation.cli.jobs import print_jobs
from moderation.client import Client

__all__ = ["retry"]


@click.command()
@click.argument("jobs", nargs=-1, required=True)
def retry(jobs: Sequence[str]) -> None:
    """Try again what failed for good in JOBS, or was cancelled; what was seen is not looked at
    again, and the verdict takes in both.
    """
    with Client() as client:
        print_jobs([client.job(each).retry().job for each in jobs])
