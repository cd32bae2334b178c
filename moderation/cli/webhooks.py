"""`moderation webhooks`: who is told what happened, and whether he was."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import click
from rich.table import Table
from rich.text import Text

from moderation.address_guard import AddressGuard
from moderation.cli.console import note
from moderation.cli.jobs import wide_console
from moderation.cli.since import Since
from moderation.config import Settings
from moderation.person import local_person
from moderation.reports.text import one_line
from moderation.store import Store
from moderation.store.deliveries import Deliveries
from moderation.store.webhooks import OVERLAP, Webhooks
from moderation.webhook import Delivery, DeliveryState, EventType, Webhook
from moderation.webhook_delivery import Sender

__all__ = ["webhooks"]

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Opened:
    registry: Webhooks
    deliveries: Deliveries
    sender: Sender
    actor: str


@click.group(invoke_without_command=True)
@click.pass_context
def webhooks(context: click.Context) -> None:
    """Who is told what happened, by HTTP, signed after Standard Webhooks."""
    if context.invoked_subcommand is None:
        context.invoke(list_webhooks)


@webhooks.command("list")
def list_webhooks() -> None:
    """Every webhook, with what it is sent and why it is not; no secrets."""
    with _opened() as opened:
        found = opened.registry.list()
    if found:
        wide_console().print(_webhooks_table(found))
    else:
        note("there is no webhook yet: `moderation webhooks add URL` adds one")


@webhooks.command()
@click.argument("url")
@click.option(
    "--event",
    "events",
    type=click.Choice([each.value for each in EventType]),
    multiple=True,
    help="Only these; may be repeated.  [default: all]",
)
def add(url: str, events: tuple[str, ...]) -> None:
    """Send what happens to URL from now on. Prints the secret, this once."""
    with _opened() as opened:
        added = opened.registry.add(url, [*map(EventType, events)], actor=opened.actor)
    click.echo(added.secrets[0].value)
    note(f"webhook {added.id}: its receiver needs this secret, which is not shown again")


@webhooks.command()
@click.argument("webhook")
def remove(webhook: str) -> None:
    """Forget WEBHOOK, its secrets, and what was sent to it."""
    with _opened() as opened:
        opened.registry.remove(webhook, actor=opened.actor)
    click.echo(f"webhook {webhook} is removed")


@webhooks.command()
@click.argument("webhook")
@click.option("--reason", default="by hand", show_default=True)
def disable(webhook: str, reason: str) -> None:
    """Send WEBHOOK nothing; what waits for it goes on waiting."""
    with _opened() as opened:
        opened.registry.disable(webhook, reason, actor=opened.actor)
    click.echo(f"webhook {webhook} is disabled")


@webhooks.command()
@click.argument("webhook")
def enable(webhook: str) -> None:
    """Send WEBHOOK what waits for it; `replay` sends what happened meanwhile."""
    with _opened() as opened:
        opened.registry.enable(webhook, actor=opened.actor)
    click.echo(f"webhook {webhook} is enabled")


@webhooks.command()
@click.argument("webhook")
@click.option(
    "--overlap",
    type=click.IntRange(0),
    default=OVERLAP // _HOUR,
    show_default=True,
    help="Hours for which the former secret signs as well; 0: it is known to others.",
)
def rotate(webhook: str, overlap: int) -> None:
    """Give WEBHOOK a new secret. Prints it, this once."""
    with _opened() as opened:
        secret = opened.registry.rotate(webhook, actor=opened.actor, overlap=overlap * _HOUR)
    click.echo(secret)
    note(f"the receiver of webhook {webhook} needs this secret within {overlap} hours")


@webhooks.command()
@click.option("--webhook", help="Only of this one.")
@click.option("--state", type=click.Choice([each.value for each in DeliveryState]))
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
def log(webhook: str | None, state: str | None, limit: int) -> None:
    """What was sent, and what became of it; the newest event first."""
    with _opened() as opened:
        chosen = DeliveryState(state) if state else None
        found = opened.deliveries.log(webhook=webhook, state=chosen, limit=limit)
    if found:
        wide_console().print(_log_table(found))
    else:
        note("nothing was sent")


@webhooks.command()
@click.argument("event", required=False)
@click.option("--since", type=Since(), help="What happened since: 2026-11-20, 24h, 7d.")
@click.option("--delivered", is_flag=True, help="With --since: also what did arrive.")
@click.option("--webhook", help="Only to this one.  [default: all that want it]")
def replay(event: str | None, since: datetime | None, delivered: bool, webhook: str | None) -> None:
    """Send EVENT once more, or all since a time that did not arrive; under their ids."""
    if (event is None) == (since is None):
        raise click.UsageError("give either an EVENT or --since")
    if delivered and since is None:
        raise click.UsageError("--delivered goes with --since; an EVENT is sent in any case")
    with _opened() as opened:
        if since is not None:
            deliveries = opened.deliveries
            count = deliveries.replay_since(since, webhook=webhook, delivered=delivered)
        else:
            count = opened.deliveries.replay(str(event), webhook=webhook)
    click.echo(f"{count} to send")


@webhooks.command()
@click.option("--forever", is_flag=True, help="Go on, until it is told to stop.")
def send(forever: bool) -> None:
    """Send what is due now. With --forever this is the service that sends."""
    with _opened() as opened:
        if forever:
            opened.sender.run(threading.Event())
        else:
            tries = opened.sender.send_due()
            told = [f"{count} {state}" for state, count in sorted(tries.items())]
            click.echo(", ".join(told) or "nothing is due")


@contextmanager
def _opened() -> Iterator[_Opened]:
    settings = Settings.read()
    guard = AddressGuard(settings.webhooks.allowed_networks)
    with Store.open(settings.database_url) as store:
        yield _Opened(
            Webhooks(store, guard),
            Deliveries(store),
            Sender(store, settings.webhooks, guard=guard),
            local_person().name,
        )


def _webhooks_table(webhooks: Sequence[Webhook]) -> Table:
    table = Table("webhook", "since", "events", "state", "url", box=None, header_style="bold")
    for each in webhooks:
        state = f"disabled: {each.disabled_reason}" if each.disabled_at else "enabled"
        day = each.created_at.strftime("%Y-%m-%d")
        shown = (each.id, day, ", ".join(each.events) or "all", state, each.url)
        table.add_row(*(Text(one_line(text)) for text in shown))
    return table


def _log_table(deliveries: Sequence[Delivery]) -> Table:
    table = Table(
        *("at (UTC)", "event", "type", "webhook", "state", "try", "next", "answer", "why"),
        box=None,
        header_style="bold",
    )
    for each in deliveries:
        waits = each.state in (DeliveryState.WAITING, DeliveryState.PAUSED)
        shown = (
            _minute(each.event.at),
            each.event.id,
            each.event.type,
            each.webhook.id,
            each.state,
            str(each.attempt),
            _minute(each.due) if waits else "",
            str(each.status or ""),
            each.error,
        )
        table.add_row(*(Text(one_line(text)) for text in shown))
    return table


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")
