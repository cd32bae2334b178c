"""`moderation audit`: what was done, and whether anybody has changed it since."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import click
from rich.table import Table
from rich.text import Text

from moderation.audit import AuditEvent, AuditLog, Head, Sealed
from moderation.cli.console import fail, note
from moderation.cli.jobs import wide_console
from moderation.cli.since import Since
from moderation.config import Settings
from moderation.reports.text import one_line
from moderation.store import Store

__all__ = ["audit"]

FLAWED = 3
"""Exit code when the log is not as it was written."""


@click.group(invoke_without_command=True)
@click.pass_context
def audit(context: click.Context) -> None:
    """What was done, by whom, and whether anybody has changed that since."""
    if context.invoked_subcommand is None:
        context.invoke(list_events)


@audit.command()
@click.option("--head", metavar="HEAD", help="One that this printed earlier, kept elsewhere.")
def verify(head: str | None) -> int:
    """Check that no event was changed or taken away, nor a decision, and print the log's head.

    Keep what is printed outside of the database, and give it back another time with --head: that
    the last events were taken away, or written anew, shows by that alone. Exits with 3, and names
    the first event or decision that is wrong, when one is.
    """
    noted = None if head is None else Head.parse(head)
    with Store.open(Settings.read().database_url) as store:
        log = AuditLog(store)
        found = log.verify(noted)
        decisions = Sealed() if found.flaw is not None else log.check_decisions()
    flaw = found.flaw or decisions.flaw
    if flaw is not None:
        fail(str(flaw))
        return FLAWED
    note(f"all {found.head.number} events hold")
    note(_told(decisions))
    click.echo(str(found.head))
    return 0


@audit.command("list")
@click.option("--subject", metavar="ID", help="About this alone: item:abcdefghij, person:anna.")
@click.option("--since", type=Since(), help="Done since: 2026-11-20, 24h, 7d.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
def list_events(subject: str | None = None, since: datetime | None = None, limit: int = 50) -> None:
    """What was done, the newest first; times are in UTC."""
    with Store.open(Settings.read().database_url) as store:
        events = AuditLog(store).entries(subject=subject, since=since, limit=limit)
    if events:
        wide_console().print(_table(events))
    else:
        note("nothing was done")


def _told(found: Sealed) -> str:
    """Of decisions that hold."""
    told = f"all {found.whole + found.erased} decisions are as their events say"
    erased = f", {found.erased} of them without their words" if found.erased else ""
    unsealed = f"; {found.unsealed} of older programs cannot be checked" if found.unsealed else ""
    return told + erased + unsealed


def _table(events: Sequence[AuditEvent]) -> Table:
    table = Table("event", "at", "who", "did", "to", "with", box=None, header_style="bold")
    for each in events:
        at = each.at.strftime("%Y-%m-%d %H:%M:%S")
        content = json.dumps(each.content, ensure_ascii=False) if each.content else ""
        shown = (str(each.number), at, each.actor, each.action, each.subject, content)
        table.add_row(*(Text(one_line(cell)) for cell in shown))
    return table
