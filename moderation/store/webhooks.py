"""Webhooks: added, disabled, given new secrets, removed; every change is in the audit log."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from moderation.address_guard import AddressGuard
from moderation.errors import NotFound
from moderation.store.audit import record
from moderation.store.database import retried
from moderation.store.models import DeliveryRow, WebhookRow
from moderation.store.store import Store
from moderation.store.webhook_rows import secret_values, webhook_from
from moderation.webhook import EventType, Webhook, WebhookSecret
from moderation.webhook_signature import new_secret

__all__ = ["OVERLAP", "Webhooks", "locked_webhook"]

OVERLAP: Final = timedelta(hours=24)
"""How long a secret signs on beside a newer one: a day to bring the new one to the receiver."""


class Webhooks:
    """The webhooks of an installation. Threads may share it; every method is one transaction.

    Methods that take an id raise `ConfigurationError` for one that there is not. `actor` is who
    does it, for the audit log.
    """

    def __init__(self, store: Store, guard: AddressGuard) -> None:
        self._store, self._guard = store, guard

    def add(self, url: str, events: Collection[EventType] = (), *, actor: str) -> Webhook:
        """A new one, with its secret: to be shown to whoever added it, and to nobody later.

        events  that are sent; empty: all

        Raises `ConfigurationError` for a URL that may not be sent to, `HostUnknown` for one whose
        host has no address.
        """
        self._guard.check(url)
        now = datetime.now(UTC)
        webhook = Webhook(
            id=secrets.token_hex(5),
            url=url,
            secrets=(WebhookSecret(value=new_secret()),),
            events=tuple(dict.fromkeys(events)),
            created_at=now,
        )
        self._insert(webhook, actor, now)
        return webhook

    @retried
    def _insert(self, webhook: Webhook, actor: str, now: datetime) -> None:
        with self._store.writing() as session:
            session.add(
                WebhookRow(
                    id=webhook.id,
                    url=webhook.url,
                    secrets=secret_values(webhook.secrets),
                    events=[*webhook.events],
                    created_at=now,
                    disabled_at=None,
                    disabled_reason="",
                )
            )
            # Not the URL, which may hold a key: nothing is taken out of the log.
            added = {"host": urlsplit(webhook.url).hostname, "events": [*webhook.events]}
            _note(session, actor, "added", webhook.id, added, now)

    def list(self) -> list[Webhook]:
        """All of them, the oldest first."""
        found = select(WebhookRow).order_by(WebhookRow.created_at, WebhookRow.id)
        with self._store.reading() as session:
            return [webhook_from(row) for row in session.scalars(found)]

    def get(self, id: str) -> Webhook:
        with self._store.reading() as session:
            row = session.get(WebhookRow, id)
            if row is None:
                raise _unknown(id)
            return webhook_from(row)

    @retried
    def disable(self, id: str, reason: str, *, actor: str) -> None:
        """Nothing is sent to it, and what waits goes on waiting."""
        now = datetime.now(UTC)
        with self._store.writing() as session:
            row = locked_webhook(session, id)
            if row.disabled_at is None:
                row.disabled_at, row.disabled_reason = now, reason
                _note(session, actor, "disabled", id, {"reason": reason}, now)

    @retried
    def enable(self, id: str, *, actor: str) -> None:
        """What waits is sent; what happened in between, a replay sends."""
        now = datetime.now(UTC)
        with self._store.writing() as session:
            row = locked_webhook(session, id)
            if row.disabled_at is not None:
                row.disabled_at, row.disabled_reason = None, ""
                _note(session, actor, "enabled", id, {}, now)

    @retried
    def rotate(self, id: str, *, actor: str, overlap: timedelta = OVERLAP) -> str:
        """Give it a new secret, and give that back; for `overlap` the former ones sign as well."""
        now, secret = datetime.now(UTC), new_secret()
        with self._store.writing() as session:
            row = locked_webhook(session, id)
            kept = _expiring(webhook_from(row), now, now + overlap)
            row.secrets = secret_values((WebhookSecret(value=secret), *kept))
            content = {"former_sign_until": (now + overlap).isoformat()}
            _note(session, actor, "rotated", id, content, now)
        return secret

    @retried
    def remove(self, id: str, *, actor: str) -> None:
        """With its secrets, and with what was sent to it; the events stay."""
        now = datetime.now(UTC)
        with self._store.writing() as session:
            row = locked_webhook(session, id, removing=True)
            session.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == id))
            session.delete(row)
            _note(session, actor, "removed", id, {}, now)


def locked_webhook(session: Session, id: str, *, removing: bool = False) -> WebhookRow:
    """Raises `ConfigurationError` for an id that there is not."""
    # Who announces an event waits for nobody but who removes the webhook.
    lock = {"key_share": not removing}
    row = session.get(WebhookRow, id, with_for_update=lock, populate_existing=True)
    if row is None:
        raise _unknown(id)
    return row


def _expiring(webhook: Webhook, now: datetime, until: datetime) -> list[WebhookSecret]:
    """What signs now, no longer than until then."""
    signing = [each for each in webhook.secrets if each.until is None or each.until > now]
    return [
        WebhookSecret(value=each.value, until=min(each.until or until, until))
        for each in signing
        if until > now
    ]


def _note(
    session: Session,
    actor: str,
    verb: str,
    id: str,
    content: Mapping[str, Any],
    now: datetime,
) -> None:
    record(
        session,
        actor=actor,
        action=f"webhook.{verb}",
        subject=f"webhook:{id}",
        content=content,
        now=now,
    )


def _unknown(id: str) -> NotFound:
    return NotFound(f"there is no webhook {id}", hint="`moderation webhooks list` shows them")
