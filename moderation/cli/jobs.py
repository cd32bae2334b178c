"""How jobs look on a terminal; shared by the commands about them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from moderation.job import Job, Part
from moderation.reports.text import one_line, visible

__all__ = ["print_jobs", "print_parts"]


def print_jobs(jobs: Sequence[Job]) -> None:
    """One row each."""
    table = Table(
        Column("job", no_wrap=True), "state", "verdict", "done", Column("submitted", no_wrap=True),
        Column("video", overflow="fold"), box=None, header_style="bold",
    )  # fmt: skip
    for job in jobs:
        since = job.submitted_at.strftime("%m-%d %H:%M")
        shown = (job.id, job.state, job.action or "", f"{job.progress:.0%}", since, job.uri)
        table.add_row(*(Text(visible(each)) for each in shown))
    Console().print(table if jobs else "there are no jobs")


def print_parts(parts: Sequence[Part]) -> None:
    """One row each, in the order of their steps."""
    table = Table(
        "part", "step", "lane", "state", "try", "done", "why", box=None, header_style="bold"
    )
    for part in parts:
        why = one_line(part.error)
        shown = (part.id, part.kind, part.lane, part.state, part.attempt, f"{part.progress:.0%}")
        table.add_row(*(Text(visible(str(each))) for each in (*shown, why)))
    Console().print(table)
