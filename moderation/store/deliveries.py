"""Deliveries of webhooks: what became of each, and sending again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from moderation.errors import NotFound
from moderation.store.clock import now_us
from moderation.store.database import retried
from moderation.store.models import DeliveryRow, WebhookEventRow, WebhookRow
from moderation.store.outbox import untried
from moderation.store.store import Store
from moderation.store.webhook_rows import delivery_from, webhook_from
from moderation.store.webhooks import locked_webhook
from moderation.webhook import Delivery, DeliveryState

__all__ = ["Deliveries"]


class Deliveries:
    """What was sent, and was not. Threads may share it; every method is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def log(
        self,
        *,
        webhook: str | None = None,
        state: DeliveryState | None = None,
        limit: int | None = 50,
    ) -> list[Delivery]:
        """The newest events first."""
        found = (
            select(DeliveryRow, WebhookEventRow, WebhookRow)
            .join(WebhookEventRow, WebhookEventRow.id == DeliveryRow.event_id)
            .join(WebhookRow, WebhookRow.id == DeliveryRow.webhook_id)
            .order_by(WebhookEventRow.at.desc(), DeliveryRow.event_id, DeliveryRow.webhook_id)
            .limit(limit)
        )
        if webhook is not None:
            found = found.where(DeliveryRow.webhook_id == webhook)
        if state is not None:
            found = found.where(DeliveryRow.state == state)
        with self._store.reading() as session:
            return [delivery_from(*row) for row in session.execute(found)]

    @retried
    def replay(self, event: str, *, webhook: str | None = None) -> int:
        """Send an event once more, under its id, whatever became of it; to how many webhooks.

        webhook  only to this one; otherwise to all that are enabled and want it

        Raises `ConfigurationError` for an event or a webhook that there is not.
        """
        with self._store.writing() as session:
            if session.get(WebhookEventRow, event) is None:
                raise NotFound(
                    f"there is no event {event}", hint="`moderation webhooks log` shows them"
                )
            this = WebhookEventRow.id == event
            return _replayed(session, this, webhook, tuple(DeliveryState))

    @retried
    def replay_since(
        self, since: datetime, *, webhook: str | None = None, delivered: bool = False
    ) -> int:
        """Send what happened since then and did not arrive; how many deliveries that are.

        What happened before a webhook was added, or while it was disabled, did not arrive either.

        delivered  also what did arrive: for receivers that lost it
        """
        states = (DeliveryState.DEAD, *((DeliveryState.DELIVERED,) if delivered else ()))
        with self._store.writing() as session:
            return _replayed(session, WebhookEventRow.at >= since, webhook, states)


def _replayed(
    session: Session,
    events: ColumnElement[bool],
    webhook: str | None,
    states: tuple[DeliveryState, ...],
) -> int:
    """In one order, whoever replays: two that wait for each other's rows would be a deadlock."""
    enabled = WebhookRow.disabled_at.is_(None)
    ids = [webhook] if webhook else session.scalars(select(WebhookRow.id).where(enabled)).all()
    rows = [locked_webhook(session, each) for each in sorted(ids)]
    return sum(_sent_again(session, row, events, states) for row in rows)


def _sent_again(
    session: Session,
    webhook: WebhookRow,
    events: ColumnElement[bool],
    states: tuple[DeliveryState, ...],
) -> int:
    wanted = webhook_from(webhook).events
    meant = and_(events, WebhookEventRow.type.in_(wanted)) if wanted else events
    mine = DeliveryRow.webhook_id == webhook.id
    # Who has it in hand at this moment sends it anyway.
    free = or_(DeliveryRow.state != DeliveryState.SENDING, DeliveryRow.due_us <= now_us())
    again = session.execute(
        update(DeliveryRow)
        .where(mine, DeliveryRow.state.in_(states), free)
        .where(DeliveryRow.event_id.in_(select(WebhookEventRow.id).where(meant)))
        .values({**untried(), "delivered_at": None})
        .execution_options(synchronize_session=False)
    )
    known = exists().where(mine, DeliveryRow.event_id == WebhookEventRow.id)
    fresh = untried()
    columns = [
        each if isinstance(each, ColumnElement) else literal(each) for each in fresh.values()
    ]
    missing = select(WebhookEventRow.id, literal(webhook.id), *columns).where(meant, ~known)
    into = ["event_id", "webhook_id", *fresh]
    adding = insert(DeliveryRow).from_select(into, missing)
    new = session.execute(adding.execution_options(preserve_rowcount=True))
    return int(again.rowcount + new.rowcount)  # type: ignore[attr-defined]
