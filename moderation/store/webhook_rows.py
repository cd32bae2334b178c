"""Between webhooks and their rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from moderation.store.models import DeliveryRow, WebhookEventRow, WebhookRow
from moderation.webhook import (
    Delivery,
    DeliveryState,
    EventType,
    Webhook,
    WebhookEvent,
    WebhookSecret,
)

__all__ = ["delivery_from", "secret_values", "webhook_from"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def webhook_from(row: WebhookRow) -> Webhook:
    return Webhook(
        id=row.id,
        url=row.url,
        secrets=tuple(
            WebhookSecret(value=each["value"], until=_moment(each["until"])) for each in row.secrets
        ),
        events=tuple(map(EventType, row.events)),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        disabled_reason=row.disabled_reason,
    )


def secret_values(secrets: Iterable[WebhookSecret]) -> list[dict[str, Any]]:
    """The column `webhook.secrets`."""
    return [
        {"value": each.value, "until": each.until and each.until.isoformat()} for each in secrets
    ]


def delivery_from(delivery: DeliveryRow, event: WebhookEventRow, webhook: WebhookRow) -> Delivery:
    return Delivery(
        event=WebhookEvent(
            id=event.id, type=EventType(event.type), at=event.at, body=event.content
        ),
        webhook=webhook_from(webhook),
        state=DeliveryState(delivery.state),
        attempt=delivery.attempt,
        due=_EPOCH + timedelta(microseconds=delivery.due_us),
        status=delivery.status,
        error=delivery.error,
        delivered_at=delivery.delivered_at,
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
