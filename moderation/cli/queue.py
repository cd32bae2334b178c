"""`moderation queue`: what waits for a person, and deciding it from a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from moderation.cli.board import board
from moderation.cli.console import note
from moderation.cli.output import Output, output_options
from moderation.config import Settings
from moderation.decision import Outcome
from moderation.person import local_person
from moderation.pictures import Pictures
from moderation.reports.text import visible
from moderation.review import ItemState, ReviewCase, ReviewItem, ReviewQueue
from moderation.store import Store

__all__ = ["queue"]

_WHY = 90
"""Letters of the reason in the list; `queue show` has all of it."""

_id = click.argument("id")


@click.group(invoke_without_command=True)
@click.pass_context
def queue(context: click.Context) -> None:
    """What waits for a person, and deciding it.

    Commands on this machine act as whoever runs them.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_items)


queue.add_command(board)


@queue.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option(
    "--state",
    type=click.Choice([each.value for each in ItemState]),
    default=ItemState.OPEN.value,
    show_default=True,
)
def list_items(limit: int = 50, state: str = ItemState.OPEN.value) -> None:
    """Items, the most severe first, then what is due first."""
    with _queue() as items:
        found = items.list(local_person(), state=ItemState(state), limit=limit)
    nothing = "nothing waits for a person" if state == ItemState.OPEN else f"nothing is {state}"
    Console().print(_table(found) if found else nothing)


@queue.command("show")
@_id
@output_options("table")
def show(id: str, output: Output) -> None:
    """One item with its whole scan, and what was said of it."""
    settings = Settings.read()
    with _queue() as items:
        case = items.show(id, local_person())
        output.write([case.scan], Pictures.of(settings), decisions=lambda _: case.decisions)
    _tell(case)


@queue.command("claim")
@click.argument("id", required=False)
@output_options("table")
def claim(id: str | None, output: Output) -> None:
    """Take the item whose turn it is, or ID; it is yours for a while.

    Whoever has one is shown the same again.
    """
    settings, me = Settings.read(), local_person()
    with _queue() as items:
        case = items.claim(id, me) if id else items.claim_next(me)
        if case is None:
            waiting = items.count(me)
            note(f"nothing waits for you ({waiting} for others)" if waiting else "nothing waits")
            return
        output.write([case.scan], Pictures.of(settings), decisions=lambda _: case.decisions)
    _tell(case)


@queue.command("decide")
@_id
@click.argument("outcome", type=click.Choice([each.value for each in Outcome]))
@click.option("--reason", default="", help="A code; the policy says which there are.")
@click.option("--note", "said", default="", help="For whoever looks at it later.")
def decide(id: str, outcome: str, reason: str, said: str) -> None:
    """Say what ID is: uphold or overturn its verdict, or partial, escalate, skip."""
    me = local_person()
    with _queue() as items:
        item = items.show(id, me).item
        items.decide(
            item.id, me, version=item.version, outcome=Outcome(outcome), reason=reason, note=said
        )
    note(f"{item.id}: {outcome}; `moderation queue undo {item.id}` takes it back at once")


@queue.command("undo")
@_id
def undo(id: str) -> None:
    """Take your last decision on ID back, within seconds."""
    me = local_person()
    with _queue() as items:
        item = items.show(id, me).item
        items.undo(item.id, me)
    note(f"{item.id} is yours again")


@queue.command("release")
@_id
@click.option("--force", is_flag=True, help="Whoever has it.")
def release(id: str, force: bool) -> None:
    """Give ID back to the queue."""
    me = local_person()
    with _queue() as items:
        item = items.show(id, me).item
        (items.free if force else items.release)(item.id, me)
    note(f"{item.id} waits again")


@queue.command("reopen")
@_id
@click.option("--reason", required=True, help="Kept with the decision.")
def reopen(id: str, reason: str) -> None:
    """Have the decided item ID decided anew."""
    me = local_person()
    with _queue() as items:
        item = items.show(id, me).item
        items.reopen(item.id, me, reason=reason)
    note(f"{item.id} waits again")


@queue.command("appeal")
@_id
@click.option("--note", "said", required=True, help="What whoever appeals says.")
def appeal(id: str, said: str) -> None:
    """Have somebody else decide what the decided item ID is about."""
    me = local_person()
    with _queue() as items:
        made = items.appeal(items.show(id, me).item.id, me, note=said)
    click.echo(made)


@contextmanager
def _queue() -> Iterator[ReviewQueue]:
    settings = Settings.read()
    with Store.open(settings.database_url) as store:
        yield ReviewQueue(store, settings.review)


def _table(items: Sequence[ReviewItem]) -> Table:
    table = Table(
        "id", "severity", "verdict", "due (UTC)", "with", "why", "video",
        box=None, header_style="bold",
    )  # fmt: skip
    for item in items:
        why, name = textwrap.shorten(item.why, _WHY, placeholder=" ..."), Path(item.uri).name
        shown = (item.id, item.severity, item.action, _minute(item.due_at), item.holder, why, name)
        # A name that says [bold] is no mark-up, and one with control codes commands nothing.
        table.add_row(*(Text(visible(each)) for each in shown))
    return table


def _minute(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M") if at else ""


def _tell(case: ReviewCase) -> None:
    """What a report of the scan does not have; on stderr, for stdout is the report's."""
    item = case.item
    held = f", with {item.holder} until {_minute(item.held_until)} UTC" if item.holder else ""
    note(visible(f"{item.id} ({item.purpose.value}) is {item.state}{held}"))
    if item.note:
        note(visible(f"appeal: {item.note}"))
    for said in case.decisions:
        reason = f", {said.reason}" if said.reason else ""
        remark = f": {said.note}" if said.note else ""
        when = _minute(said.decided_at)
        note(visible(f"{when} {said.person}: {said.outcome}{reason}{remark}"))
