"""The options that say where a report goes and in which form, alike for every command."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from moderation.pictures import Pictures
from moderation.reports import FORMATS, SUFFIXES, DecisionsOf, ReportOptions, write_report
from moderation.reports.options import DEFAULTS, Aggregation, Rows
from moderation.review import ReviewQueue
from moderation.scan import Scan
from moderation.store import Store

__all__ = ["Output", "decisions_of", "output_options"]


@dataclass(frozen=True, slots=True)
class Output:
    """Where a report goes, and in which form."""

    form: str
    target: str = "-"
    options: ReportOptions = DEFAULTS

    def write(
        self,
        scans: Iterable[Scan],
        pictures: Pictures,
        decisions: DecisionsOf = DEFAULTS.decisions,
    ) -> None:
        """Write the whole report, or nothing at all."""
        told = replace(self.options, pictures=pictures.get, decisions=decisions)
        write_report(scans, form=self.form, target=self.target, options=told)


def decisions_of(store: Store) -> DecisionsOf:
    """What people said of a scan, asked when a report comes to it."""
    queue = ReviewQueue(store)
    return lambda scan: queue.decisions([scan.id]).get(scan.id, ())


def _by_suffix(target: str) -> str | None:
    return SUFFIXES.get(Path(target).suffix.removeprefix(".").lower())


_OPTIONS = (
    click.option(
        "--output",
        "target",
        default="-",
        metavar="FILE",
        help="A file, or - for stdout; or a folder, for formats with a file for each video.",
    ),
    click.option(
        "--rows",
        type=click.Choice(["segments", "videos"]),
        default="segments",
        show_default=True,
        help="What a row of the CSV is.",
    ),
    click.option("--bom", is_flag=True, help="Begin the CSV with the mark that Excel looks for."),
    click.option(
        "--aggregate-by",
        type=click.Choice(["TIMESTAMPS", "SEGMENTS"], case_sensitive=False),
        default="TIMESTAMPS",
        show_default=True,
        help="What a label of the Rekognition format is about.",
    ),
)


def output_options(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --format, --output and the options of formats; the command has them as `output`."""
    form = click.option(
        "--format",
        "form",
        type=click.Choice(list(FORMATS)),
        help=f"How it is written.  [default: by the suffix of --output, else {default}]",
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_output(
            *,
            form: str | None,
            target: str,
            rows: Rows,
            bom: bool,
            aggregate_by: Aggregation,
            **given: Any,
        ) -> Any:
            chosen = form or _by_suffix(target) or default
            told = ReportOptions(rows=rows, bom=bom, aggregate_by=aggregate_by)
            return command(output=Output(chosen, target, told), **given)

        for option in reversed((form, *_OPTIONS)):
            with_output = option(with_output)
        return with_output

    return decorate
