"""The outbox: events written with what happened, in one transaction, and sent after it.

What was not committed did not happen, and nobody hears of it; what was is sent, whatever becomes of
the process that wrote it: see `moderation.store.dispatch`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from moderation.store.clock import now_us
from moderation.store.models import DeliveryRow, WebhookEventRow, WebhookRow
from moderation.store.webhook_rows import webhook_from
from moderation.timeline import MICROSECONDS
from moderation.webhook import DeliveryState, EventType, WebhookEvent, body_of

__all__ = ["announce", "recall", "untried"]


def announce(
    session: Session,
    *,
    type: str,
    data: Mapping[str, Any],
    now: datetime,
    id: str = "",
    delay_s: float = 0,
) -> None:
    """Tell of an event whoever wants to hear of it, if the caller's transaction is committed.

    data     ids and a few words, JSON; see `body_of` for what is too much
    id       by which it can be recalled
    delay_s  until it is sent: what may be taken back is better not told at once

    Raises `ValueError` for a type that is not of `EventType`, and for data that are no JSON.
    """
    kind = EventType(type)
    # Kept from being removed until the transaction is over: it must not fail for that.
    rows = session.scalars(select(WebhookRow).with_for_update(read=True, key_share=True))
    wanting = [row for row in rows if webhook_from(row).wants(kind)]
    if not wanting:
        return
    event = WebhookEvent(
        id=_named(id) if id else _new_id(), type=kind, at=now, body=body_of(kind, now, data)
    )
    row = {"id": event.id, "type": event.type, "at": event.at, "content": event.body}
    session.execute(insert(WebhookEventRow), [row])
    for each in wanting:
        if each.disabled_at is None:  # the others may ask for a replay
            ids = {"event_id": event.id, "webhook_id": each.id}
            session.execute(insert(DeliveryRow).values({**ids, **untried(delay_s)}))


def recall(session: Session, id: str) -> bool:
    """What was announced under this id is not sent any more, where it has not been; whether nobody
    can have been told of it.
    """
    its = DeliveryRow.event_id == _named(id)
    tries = select(DeliveryRow.state, DeliveryRow.attempt).where(its)
    # Locked: whoever would send one waits, and then finds it gone.
    rows = session.execute(tries.order_by(DeliveryRow.webhook_id).with_for_update()).all()
    waiting = (its, DeliveryRow.state == DeliveryState.WAITING)
    session.execute(delete(DeliveryRow).where(*waiting))
    is_told = exists().where(DeliveryRow.event_id == WebhookEventRow.id)
    session.execute(  # a replay would send it
        delete(WebhookEventRow)
        .where(WebhookEventRow.id == _named(id), ~is_told)
        .execution_options(synchronize_session=False)
    )
    return all(row.state == DeliveryState.WAITING and row.attempt == 0 for row in rows)


def untried(delay_s: float = 0) -> dict[str, Any]:
    """Columns of a delivery that is due, at once unless it is to wait."""
    return {
        "state": DeliveryState.WAITING,
        "attempt": 0,
        "due_us": now_us() + round(delay_s * MICROSECONDS),
        "status": 0,
        "error": "",
    }


def _named(id: str) -> str:
    return f"msg_{id}"


def _new_id() -> str:
    """Unlike any other, and greater than those of before, as far as this machine knows the time."""
    return f"msg_{time.time_ns():016x}{secrets.token_hex(8)}"
