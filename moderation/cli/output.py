"""The options that say where a report goes and in which form, alike for every command."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from moderation.pictures import Pictures
from moderation.reports import FORMATS, Rows, write_report
from moderation.scan import Scan

__all__ = ["Output", "output_options"]


@dataclass(frozen=True, slots=True)
class Output:
    """Where a report goes, and in which form."""

    form: str
    target: str = "-"
    rows: Rows = "segments"
    bom: bool = False

    def write(self, scans: Iterable[Scan], pictures: Pictures) -> None:
        """Write the whole report, or nothing at all."""
        write_report(
            scans,
            form=self.form,
            target=self.target,
            pictures=pictures.get,
            rows=self.rows,
            bom=self.bom,
        )


def _by_suffix(target: str) -> str | None:
    suffix = Path(target).suffix.removeprefix(".").lower()
    return suffix if suffix in FORMATS else None


_OPTIONS = (
    click.option(
        "--output", "target", default="-", metavar="FILE", help="A file, or - for stdout."
    ),
    click.option(
        "--rows",
        type=click.Choice(["segments", "videos"]),
        default="segments",
        show_default=True,
        help="What a row of the CSV is.",
    ),
    click.option("--bom", is_flag=True, help="Begin the CSV with the mark that Excel looks for."),
)


def output_options(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --format, --output, --rows and --bom; the command receives them as `output`."""
    form = click.option(
        "--format",
        "form",
        type=click.Choice(list(FORMATS)),
        help=f"How it is written.  [default: by the suffix of --output, else {default}]",
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_output(
            *, form: str | None, target: str, rows: Rows, bom: bool, **given: Any
        ) -> Any:
            chosen = form or _by_suffix(target) or default
            return command(output=Output(chosen, target, rows, bom), **given)

        for option in reversed((form, *_OPTIONS)):
            with_output = option(with_output)
        return with_output

    return decorate
