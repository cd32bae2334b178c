"""`moderation users`: who may do something here, and their tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import click
from rich.table import Table
from rich.text import Text

from moderation.cli.console import note
from moderation.cli.jobs import wide_console
from moderation.config import Settings
from moderation.people import People, Person, Role, Token, local_person
from moderation.reports.text import one_line
from moderation.store import Store

__all__ = ["users"]

_DAYS = 365
"""After which a token that nobody remembers opens nothing any more."""

_role = click.Choice([each.value for each in Role])


@click.group(invoke_without_command=True)
@click.pass_context
def users(context: click.Context) -> None:
    """Who may do something here, and their tokens.

    Commands on this machine act as whoever runs them, with all rights: they have the database.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_users)


@users.command("list")
def list_users() -> None:
    """Everybody with their role, and the tokens, of which only ids are known."""
    with _people() as people:
        everybody, tokens = people.list(), people.tokens()
    if not everybody:
        note("there is nobody yet: `moderation users add NAME` adds somebody")
        return
    console = wide_console()
    console.print(_people_table(everybody))
    if tokens:
        console.print()
        console.print(_token_table(tokens, {each.name for each in everybody if each.disabled_at}))


@users.command()
@click.argument("name")
@click.option("--role", type=_role, default=Role.REVIEWER.value, show_default=True)
def add(name: str, role: str) -> None:
    """Add NAME: somebody, or a program with the role service."""
    with _people() as people:
        _say(people.add(name, Role(role), by=local_person()))


@users.command()
@click.argument("name")
@click.argument("role", type=_role)
def role(name: str, role: str) -> None:
    """Give NAME another ROLE, from the next thing they do on."""
    with _people() as people:
        _say(people.change_role(name, Role(role), by=local_person()))


@users.command()
@click.argument("name")
def disable(name: str) -> None:
    """Allow NAME nothing any more, and revoke their tokens; what they did stays."""
    with _people() as people:
        _say(people.disable(name, by=local_person()))


@users.command()
@click.argument("name")
def enable(name: str) -> None:
    """Allow NAME again what their role may; they need a new token."""
    with _people() as people:
        _say(people.enable(name, by=local_person()))


@users.command()
@click.argument("name")
@click.option("--label", default="", help="Where it is used, for whoever reads the list.")
@click.option(
    "--days", type=click.IntRange(1), default=_DAYS, show_default=True, help="How long it is good."
)
@click.option("--forever", is_flag=True, help="Until somebody revokes it.")
def token(name: str, label: str, days: int, forever: bool) -> None:
    """Print a new token of NAME's. It is shown this once: only its hash is kept."""
    expires_at = None if forever else datetime.now(UTC) + timedelta(days=days)
    with _people() as people:
        issued = people.issue(name, by=local_person(), label=label, expires_at=expires_at)
    click.echo(issued.secret)
    note(f"token {issued.token.id} of {issued.token.person}; it is not shown again")


@users.command()
@click.argument("id")
def revoke(id: str) -> None:
    """Make the token ID open nothing from now on."""
    with _people() as people:
        revoked = people.revoke(id, by=local_person())
    click.echo(f"token {revoked.id} of {revoked.person} is revoked")


@contextmanager
def _people() -> Iterator[People]:
    with Store.open(Settings.read().database_url) as store:
        yield People(store)


def _say(person: Person) -> None:
    click.echo(f"{person.name}: {person.role}{', disabled' if person.disabled_at else ''}")


def _people_table(everybody: tuple[Person, ...]) -> Table:
    table = Table("name", "role", "since", "disabled", box=None, header_style="bold")
    for each in everybody:
        table.add_row(each.name, each.role, _day(each.created_at), _day(each.disabled_at))
    return table


def _token_table(tokens: tuple[Token, ...], disabled: set[str]) -> Table:
    table = Table("token", "of", "since", "until", "", "for", box=None, header_style="bold")
    now = datetime.now(UTC)
    for each in tokens:
        live = each.is_live(now) and each.person not in disabled
        state = "" if live else "revoked" if each.revoked_at else "expired"
        shown = (each.id, each.person, _day(each.created_at), _day(each.expires_at), state)
        table.add_row(*shown, Text(one_line(each.label)))
    return table


def _day(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d") if moment else ""
