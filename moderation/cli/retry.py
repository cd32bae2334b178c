"""`moderation retry`: try jobs again."""

from __future__ import annotations

from collections.abc import Sequence

import click

from moderation.cli.jobs import print_jobs
from moderation.client import Client

__all__ = ["retry"]


@click.command()
@click.argument("jobs", nargs=-1, required=True)
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    metavar="NAME",
    help="Have it look again, with those of its lane; other lanes' evidence stays.",
)
def retry(jobs: Sequence[str], detectors: Sequence[str]) -> None:
    """Try again what failed for good in JOBS, or was cancelled; what was seen is not looked at
    again, and the verdict takes in both.

    With --detector one looks again that failed within a part that is done, as where its weights
    were missing: restart the workers when they are there.
    """
    with Client() as client:
        found = [client.job(each) for each in jobs]  # all of them, before one is tried again
        print_jobs([each.retry(detectors).job for each in found])
