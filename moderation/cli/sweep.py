"""`moderation sweep`: have the objects of a bucket judged that no event announced."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from moderation.backfill import Backfill, Bookmark, Reached
from moderation.cli.console import note, stderr
from moderation.cli.objects import chosen, object_options
from moderation.client import Client
from moderation.config import Settings
from moderation.object_filter import ObjectFilter
from moderation.s3_listing import Folder

__all__ = ["sweep"]

_BACKLOG: Final = 10_000
"""Parts that may wait: hours of work for some GPUs, and the queue stays short for all others."""

_LINE_S: Final = 10.0
"""Between two lines in a log."""


@click.command()
@click.argument("folder", metavar="s3://BUCKET/PREFIX")
@object_options
@click.option(
    "--priority",
    type=click.IntRange(0, 9),
    default=1,
    show_default=True,
    help="Low: uploads go first.",
)
@click.option("--tag", help="Whose they are.  [default: sweep:BUCKET]")
@click.option(
    "--backlog",
    type=click.IntRange(min=0),
    default=_BACKLOG,
    show_default=True,
    help="Parts of jobs that may wait for workers; with more, the sweep waits.",
)
@click.option("--restart", is_flag=True, help="From the beginning, wherever it was stopped.")
def sweep(
    folder: str,
    priority: int,
    tag: str | None,
    backlog: int,
    restart: bool,
    **objects: Any,
) -> None:
    """Have all objects below a prefix judged that are not known yet, in their newest version.

    Stopped and run again, it goes on where it was. What `publish` put there is left out.
    """
    settings, below = Settings.read(), Folder.read(folder)
    accept = chosen(ObjectFilter, publish=settings.publish, **objects)
    bookmark = Bookmark(settings, below, accept)
    if restart:
        bookmark.remove()
    with Client(settings) as client:
        backfill = Backfill(
            client,
            settings.s3,
            below,
            accept,
            priority=priority,
            tag=tag if tag is not None else f"sweep:{below.bucket}",
            backlog=backlog,
        )
        click.echo(_counts(_swept(backfill, bookmark)))


def _swept(backfill: Backfill, bookmark: Bookmark) -> Reached:
    reached = since = bookmark.read()
    if since.after:
        note(f"going on behind {since.after}: {_counts(since)}")
    told_at = time.monotonic()
    try:
        with stderr.status("sweeping") as status:
            for reached in backfill.run(since):
                bookmark.write(reached)
                status.update(_counts(reached))
                if not stderr.is_terminal and time.monotonic() - told_at >= _LINE_S:
                    told_at = time.monotonic()
                    note(_counts(reached))
    except KeyboardInterrupt:
        told = f"{_counts(reached)}; the same command goes on there"
        raise KeyboardInterrupt(told) from None
    bookmark.remove()
    return reached


def _counts(reached: Reached) -> str:
    return (
        f"{reached.seen} seen, {reached.new} new, {reached.known} known, {reached.refused} refused"
    )
