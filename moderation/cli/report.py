"""`moderation report`: what was scanned, as files for people and programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from moderation.cli.output import Output, decisions_of, output_options
from moderation.config import Settings
from moderation.pictures import Pictures
from moderation.reports import schema
from moderation.store import Store
from moderation.taxonomy import Taxonomy
from moderation.timeline import MICROSECONDS, parse_duration
from moderation.verdict import Action

__all__ = ["report"]


class _Since(click.ParamType[datetime]):
    """A moment: `2026-11-20`, `2026-11-20T15:00`, or how long ago: `24h`, `7d`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            pass
        try:
            return datetime.now(UTC) - timedelta(microseconds=_ago_us(value))
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time: write 2026-11-20, 2026-11-20T15:00, 24h or 7d",
                param,
                context,
            )


class _Label(click.ParamType[str]):
    """A label of the taxonomy: a misspelt one would be a report of nothing."""

    name = "label"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> str:
        return Taxonomy.default().get(value).path


def _ago_us(text: str) -> int:
    if text.endswith("d") and text[:-1].isdecimal():
        return int(text[:-1]) * 24 * 3600 * MICROSECONDS
    return parse_duration(text)


@click.command()
@click.option(
    "--verdict",
    "actions",
    type=click.Choice([each.value for each in Action]),
    multiple=True,
    help="Only these verdicts; may be repeated.",
)
@click.option("--since", type=_Since(), help="Scanned since: 2026-11-20, 24h, 7d.")
@click.option("--label", type=_Label(), help="Only videos with this label, or one below it.")
@click.option(
    "--schema", "show_schema", is_flag=True, help="Print the JSON Schema of the JSON report."
)
@output_options("csv")
def report(
    actions: tuple[str, ...],
    since: datetime | None,
    label: str | None,
    show_schema: bool,
    output: Output,
) -> None:
    """Report stored scans: the newest verdict of each video."""
    if show_schema:
        click.echo(json.dumps(schema(), indent=2))
        return
    settings = Settings.read()
    with Store.open(settings.database_url) as store:
        chosen = [Action(each) for each in actions] or None
        scans = store.scans(verdict=chosen, since=since, label=label)
        output.write(scans, Pictures.of(settings), decisions_of(store))
