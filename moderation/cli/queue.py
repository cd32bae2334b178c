"""`moderation queue`: what waits for a person."""

from __future__ import annotations

import textwrap
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from moderation.cli.output import Output, output_options
from moderation.config import Settings
from moderation.pictures import Pictures
from moderation.reports.text import visible
from moderation.review import ReviewQueue
from moderation.store import Store

__all__ = ["queue"]

_WHY = 90
"""Letters of the reason in the list; `queue show` has all of it."""


@click.group(invoke_without_command=True)
@click.pass_context
def queue(context: click.Context) -> None:
    """What waits for a person."""
    if context.invoked_subcommand is None:
        context.invoke(list_items)


@queue.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
def list_items(limit: int = 50) -> None:
    """Waiting items, the most severe first, then the oldest."""
    with Store.open(Settings.read().database_url) as store:
        items = list(ReviewQueue(store).list(limit=limit))
    table = Table(
        "id", "severity", "verdict", "since (UTC)", "why", "video", box=None, header_style="bold"
    )
    for item in items:
        since = item.created_at.strftime("%Y-%m-%d %H:%M")
        why, name = textwrap.shorten(item.why, _WHY, placeholder=" ..."), Path(item.uri).name
        shown = (item.id, item.severity, item.action, since, why, name)
        # A name that says [bold] is no mark-up, and one with control codes commands nothing.
        table.add_row(*(Text(visible(each)) for each in shown))
    Console().print(table if items else "nothing waits for a person")


@queue.command("show")
@click.argument("id")
@output_options("table")
def show(id: str, output: Output) -> None:
    """One item with its whole scan."""
    settings = Settings.read()
    with Store.open(settings.database_url) as store:
        output.write([ReviewQueue(store).show(id).scan], Pictures.of(settings))
