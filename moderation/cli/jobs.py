"""How jobs look on a terminal; shared by the commands about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from moderation.job import Job, JobState, Part
from moderation.reports.text import one_line, visible

__all__ = ["jobs_table", "parts_table", "print_jobs", "print_parts", "wide_console"]

_BESIDE: Final = 56
"""Columns that a row has for all but the video."""

_SHORTEST: Final = 20
"""Letters of a video's name."""

_WIDE: Final = 10_000
"""Columns that nobody's row fills."""


def print_jobs(jobs: Sequence[Job]) -> None:
    """One row each."""
    console = wide_console()
    console.print(jobs_table(jobs, console.width) if jobs else "there are no jobs")


def print_parts(parts: Sequence[Part]) -> None:
    """One row each, in the order of their steps."""
    wide_console().print(parts_table(parts))


def wide_console() -> Console:
    """Of stdout; whoever reads a pipe wants whole rows."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)


def jobs_table(jobs: Sequence[Job], width: int) -> Table:
    """One row each, of one line where `width` columns are enough for it."""
    table = Table(
        *("job", "state", "verdict", "done", "since", "video"), box=None, header_style="bold"
    )
    for column in table.columns:
        column.no_wrap = True
    for job in jobs:
        done = f"{job.progress:.0%}" if job.state is JobState.RUNNING else ""
        video = _end_of(job.uri, width - _BESIDE)
        shown = (job.id, job.state, job.action or "", done, _since(job.submitted_at), video)
        table.add_row(*(Text(visible(each)) for each in shown))
    return table


def _since(moment: datetime) -> str:
    """Of today the time, in UTC."""
    return moment.strftime("%H:%M" if moment.date() == datetime.now(UTC).date() else "%m-%d")


def _end_of(uri: str, length: int) -> str:
    """What tells it from others: the name is at the end, and the version does not matter here."""
    name = uri.partition("?versionId=")[0]
    length = max(length, _SHORTEST)
    return name if len(name) <= length else f"…{name[1 - length :]}"


def parts_table(parts: Sequence[Part]) -> Table:
    """One row each, in the order of their steps."""
    table = Table(
        "part", "step", "lane", "state", "try", "done", "why", box=None, header_style="bold"
    )
    for part in parts:
        why = one_line(part.error)
        shown = (part.id, part.kind, part.lane, part.state, part.attempt, f"{part.progress:.0%}")
        table.add_row(*(Text(visible(str(each))) for each in (*shown, why)))
    return table
