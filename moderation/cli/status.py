"""`moderation status`: jobs, what becomes of them, and who works on them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import click
from pydantic import TypeAdapter
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from moderation.cli.console import note, stderr
from moderation.cli.jobs import jobs_table, parts_table, wide_console
from moderation.cli.lanes import deserted, lanes_table
from moderation.config import Settings
from moderation.errors import TransientError
from moderation.job import Job, JobState
from moderation.lanes import CONTROL
from moderation.reports.text import one_line, visible
from moderation.store import Jobs, Store
from moderation.store.workers import LaneLoad, Worker, Workers

__all__ = ["status"]

_EVERY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What there was at one time.

    whole    whether one job was asked for, and its parts are shown
    trouble  why it is not as of now
    """

    jobs: tuple[Job, ...] = ()
    loads: tuple[LaneLoad, ...] = ()
    workers: tuple[Worker, ...] = ()
    whole: bool = False
    trouble: str = ""

    @property
    def is_last(self) -> bool:
        return not self.trouble and all(job.state.is_final for job in self.jobs)

    @property
    def complaints(self) -> list[str]:
        return [*deserted(self.loads), *filter(None, [self.trouble])]


@click.command()
@click.argument("job", required=False)
@click.option("--state", type=click.Choice([each.value for each in JobState]))
@click.option("--tag", help="Only of this tag.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--watch", is_flag=True, help="Look again every two seconds, until it is over.")
@click.option("--json", "as_json", is_flag=True, help="For programs, with workers and lanes.")
def status(
    job: str | None, state: str | None, tag: str | None, limit: int, watch: bool, as_json: bool
) -> None:
    """Jobs, the newest first, with the load of the lanes; or one JOB with its parts."""
    if watch and as_json:
        raise click.UsageError("--watch is for people: leave out --json")
    settings = Settings.read()
    with Store.open(settings.database_url) as store:
        jobs, states = Jobs(store), [JobState(state)] if state else None

        def found() -> Iterable[Job]:
            if job:
                return [jobs.get(job)]
            listed = jobs.find(state=states, tag=tag, limit=limit)
            # How far a job is, its parts know.
            return [each if each.state.is_final else jobs.get(each.id) for each in listed]

        def look() -> _Look:
            workers = Workers(store)
            return _Look(
                jobs=tuple(found()),
                loads=tuple(workers.loads((CONTROL, *settings.lanes))),
                workers=tuple(workers.alive()),
                whole=job is not None,
            )

        if watch:
            _watch(_looks(look))
        elif as_json:
            click.echo(json.dumps(_document(look()), indent=2))
        else:
            _print(look())


def _looks(look: Callable[[], _Look]) -> Iterator[_Look]:
    """Until all is over; a database that is away for a while is no reason to end."""
    seen = look()
    yield seen
    while not seen.is_last:
        time.sleep(_EVERY_S)
        try:
            seen = look()
        except TransientError as error:
            seen = replace(seen, trouble=str(error))
        yield seen


def _watch(looks: Iterator[_Look]) -> None:
    """In place on a terminal; elsewhere a line for whatever has changed."""
    console = Console()
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for look in looks:
                shown = Group(_shown(look, console.width), *map(_loud, look.complaints))
                live.update(shown, refresh=True)
    else:
        told: set[str] = set()
        for look in looks:
            new = [line for line in map(_line, look.jobs) if line not in told]
            for line in new:
                click.echo(line)
            for sentence in look.complaints:
                if sentence not in told:
                    note(sentence)
            told.update(new, look.complaints)


def _print(look: _Look) -> None:
    console = wide_console()
    console.print(_shown(look, console.width))
    for sentence in look.complaints:
        stderr.print(_loud(sentence), soft_wrap=True)


def _shown(look: _Look, width: int) -> RenderableType:
    shown: list[RenderableType] = [
        jobs_table(look.jobs, width) if look.jobs else "there are no jobs"
    ]
    if look.whole:
        (job,) = look.jobs
        shown += ["", Text(visible(job.uri)), "", parts_table(job.parts)]
        shown += [Text(visible(job.error))] if job.error else []
    elif any(each.waiting or each.running or each.workers for each in look.loads):
        shown += ["", lanes_table(look.loads)]
    return Group(*shown)


def _loud(sentence: str) -> Text:
    return Text(visible(sentence), "bold red")


def _line(job: Job) -> str:
    """For logs and pipes."""
    verdict = f" {job.action}" if job.action else ""
    error = f": {job.error}" if job.error else ""
    return one_line(f"{job.id} {job.state} {job.progress:.0%}{verdict} {job.uri}{error}")


def _document(look: _Look) -> dict[str, Any]:
    jobs, loads, workers = (
        TypeAdapter(tuple[kind, ...]).dump_python(each, mode="json")  # type: ignore[valid-type]
        for kind, each in ((Job, look.jobs), (LaneLoad, look.loads), (Worker, look.workers))
    )
    told = [{**each, "progress": job.progress} for each, job in zip(jobs, look.jobs, strict=True)]
    return {"jobs": told, "lanes": loads, "workers": workers}
