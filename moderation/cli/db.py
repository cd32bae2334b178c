"""`moderation db`: the tables of the database, and bringing them up to date."""

from __future__ import annotations

import click

from moderation.config import Settings
from moderation.reports.text import visible
from moderation.store import Store, schema

__all__ = ["db"]


@click.group()
def db() -> None:
    """The tables of the database."""


@db.command("upgrade")
def upgrade() -> None:
    """Make the tables, or bring them up to date; while workers run, and as often as you like.

    Before the first worker, and before workers of a newer version. A file of SQLite needs none of
    it: whoever opens it does it.
    """
    _print(Settings.read().database_url, upgrade=True)


@db.command("check")
def check() -> None:
    """Say which tables there are; exit code 2 when this version of moderation cannot use them."""
    _print(Settings.read().database_url, upgrade=False)


def _print(url: str, *, upgrade: bool) -> None:
    with Store.open(url, upgrade=upgrade) as store:
        place = store.engine.url.render_as_string(hide_password=True)
        found = schema.version(store.engine).revision
    newer = f", newer than ours ({schema.REVISION}) and of use to us"
    click.echo(visible(f"{place}: schema {found}{newer if found > schema.REVISION else ''}"))
