"""Dispatch: who sends which event when, and what came of it.

    announce -> waiting -> sending -> delivered
                   ^          ├-----> waiting, or paused     and due again later
                   └ replay --┴-----> dead                   after the last try

One webhook is sent one event at a time, the longest due first, by whichever sender; one that failed
does not hold back the others, so an event may arrive after a later one: `timestamp` says when it
happened. A sender that ends in between is forgotten when its lease runs out, by the database's
clock, and the event is sent again under its id: at least once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    exists,
    func,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session, aliased

from moderation.store.audit import record
from moderation.store.clock import now_us
from moderation.store.database import retried
from moderation.store.models import DeliveryRow, WebhookEventRow, WebhookRow
from moderation.store.store import Store
from moderation.store.webhook_rows import delivery_from
from moderation.timeline import MICROSECONDS
from moderation.webhook import Delivery, DeliveryState

__all__ = ["Dispatch", "Failed"]

_SENDER: Final = "webhooks"
"""Who disables a webhook when no person does, for the audit log."""

_CLAIMABLE: Final = (DeliveryState.WAITING, DeliveryState.PAUSED, DeliveryState.SENDING)
_BLOCKING: Final = (DeliveryState.PAUSED, DeliveryState.SENDING)
"""Until it is due, nothing else goes to its webhook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why a try came to nothing.

    status   of the answer; 0: there was none
    retry_s  seconds to the next try; `None`: that was the last
    pause    whether the webhook is sent nothing at all until then
    """

    error: str
    status: int = 0
    retry_s: float | None = None
    pause: bool = False

    @property
    def state(self) -> DeliveryState:
        if self.retry_s is None:
            return DeliveryState.DEAD
        return DeliveryState.PAUSED if self.pause else DeliveryState.WAITING


class Dispatch:
    """The senders' side. Threads may share it; every method is one transaction.

    lease_s  seconds that a sender has for one try
    """

    def __init__(self, store: Store, *, lease_s: float) -> None:
        self._store, self._lease_us = store, round(lease_s * MICROSECONDS)

    @retried
    def claim(self) -> Delivery | None:
        """What is due the longest for a webhook, for one try.

        No two callers get the same, nor the same webhook at one time.

        What somebody else holds, or will hold in the same moment, is not waited for: `None` may
        mean either that nothing is due, or that others see to it.
        """
        if not self.is_due():  # who only looks disturbs no writer, of whom SQLite has one
            return None
        with self._store.writing() as session:
            free = _free_webhooks().with_for_update(skip_locked=True, key_share=True)
            webhook = session.scalar(free)
            if webhook is None:
                return None
            # A second statement: it sees what others did until the webhook's row was ours.
            found = session.execute(self._claiming(webhook.id)).one_or_none()
            if found is None:
                return None
            delivery = session.get_one(DeliveryRow, (found.event_id, webhook.id))
            event = session.get_one(WebhookEventRow, found.event_id)
            return delivery_from(delivery, event, webhook)

    @retried
    def delivered(self, delivery: Delivery, status: int) -> bool:
        """The receiver has it. False, and nothing is changed, for whose lease another has now."""
        values = {"state": DeliveryState.DELIVERED, "status": status, "error": ""}
        with self._store.writing() as session:
            return _end(session, delivery, {**values, "delivered_at": datetime.now(UTC)})

    @retried
    def failed(self, delivery: Delivery, failed: Failed) -> bool:
        """It is sent again, or is dead. False as `delivered`."""
        with self._store.writing() as session:
            return _end(session, delivery, _failure(failed))

    @retried
    def gone(self, delivery: Delivery, failed: Failed) -> bool:
        """The receiver wants to hear no more: its webhook is disabled. False as `delivered`."""
        now = datetime.now(UTC)
        with self._store.writing() as session:
            lock = {"key_share": True}
            webhook = session.get(WebhookRow, delivery.webhook.id, with_for_update=lock)
            if webhook is None or not _end(session, delivery, _failure(failed)):
                return False
            if webhook.disabled_at is None:
                webhook.disabled_at, webhook.disabled_reason = now, failed.error
                record(
                    session,
                    actor=_SENDER,
                    action="webhook.disabled",
                    subject=f"webhook:{webhook.id}",
                    content={"reason": failed.error},
                    now=now,
                )
            return True

    def is_due(self) -> bool:
        """Whether there may be something to claim."""
        with self._store.reading() as session:
            return session.scalar(_free_webhooks()) is not None

    def _claiming(self, webhook_id: str) -> Any:
        return (
            update(DeliveryRow)
            .where(DeliveryRow.webhook_id == webhook_id, ~_is_blocked(webhook_id))
            .where(DeliveryRow.event_id == _next_event(webhook_id))
            .values(
                state=DeliveryState.SENDING,
                attempt=DeliveryRow.attempt + 1,
                due_us=now_us() + self._lease_us,
            )
            .returning(DeliveryRow.event_id)
            .execution_options(synchronize_session=False)
        )


def _free_webhooks() -> Select[WebhookRow]:
    """Of those that something is due for and that nobody sends to, one by chance."""
    due = aliased(DeliveryRow)
    waits = exists().where(due.webhook_id == WebhookRow.id, _is_due(due))
    return (
        select(WebhookRow)
        .where(WebhookRow.disabled_at.is_(None), waits, ~_is_blocked(WebhookRow.id))
        .order_by(func.random())  # no receiver is always the last
        .limit(1)
    )


def _next_event(webhook_id: str) -> ScalarSelect[str]:
    """What is due the longest. State by state, each by the index: many may wait."""
    firsts = []
    for state in _CLAIMABLE:
        due = aliased(DeliveryRow)
        first = (
            select(due.event_id, due.due_us)
            .where(due.webhook_id == webhook_id, due.state == state, due.due_us <= _now())
            .order_by(due.due_us, due.event_id)
            .limit(1)
            .subquery()
        )
        firsts.append(select(first))
    found = union_all(*firsts).subquery()
    return (
        select(found.c.event_id)
        .order_by(found.c.due_us, found.c.event_id)
        .limit(1)
        .scalar_subquery()
    )


def _is_due(delivery: Any) -> ColumnElement[bool]:
    return and_(delivery.state.in_(_CLAIMABLE), delivery.due_us <= _now())


def _is_blocked(webhook_id: Any) -> ColumnElement[bool]:
    busy = aliased(DeliveryRow)
    held = (busy.webhook_id == webhook_id, busy.state.in_(_BLOCKING), busy.due_us > _now())
    return exists().where(*held)


def _now() -> ScalarSelect[int]:
    """Once in a statement: PostgreSQL would ask the clock for every row, and use no index."""
    return select(now_us()).scalar_subquery()


def _end(session: Session, delivery: Delivery, values: Mapping[str, Any]) -> bool:
    """The attempt is the fencing token: of two who sent one event, the later one is right."""
    ours = (
        DeliveryRow.event_id == delivery.event.id,
        DeliveryRow.webhook_id == delivery.webhook.id,
        DeliveryRow.state == DeliveryState.SENDING,
        DeliveryRow.attempt == delivery.attempt,
    )
    ended = session.execute(update(DeliveryRow).where(*ours).values(values))
    return bool(ended.rowcount)  # type: ignore[attr-defined]


def _failure(failed: Failed) -> dict[str, Any]:
    values = {"state": failed.state, "status": failed.status, "error": failed.error}
    if failed.retry_s is None:
        return values
    return {**values, "due_us": now_us() + round(failed.retry_s * MICROSECONDS)}
