"""Sessions of browsers: the database has their hashes alone, as it has those of tokens."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import delete, or_, select

from moderation.store.database import retried
from moderation.store.models import PersonRow, TokenRow, WebSessionRow
from moderation.store.store import Store

__all__ = ["WebSessions"]

_BYTES: Final = 32
"""256 random bits: too many to guess, so that their hash needs neither salt nor slowness."""


class WebSessions:
    """The sessions of one store. Threads may share it; each method is one transaction.

    lifetime  after which somebody must sign in again, whatever they did meanwhile
    """

    def __init__(self, store: Store, lifetime: timedelta) -> None:
        self._store, self._lifetime = store, lifetime

    @retried
    def open(self, person: str, *, token: str, replaces: str = "") -> str:
        """A new session, and the only time that its secret is seen.

        token     that it was opened with, and ends with
        replaces  secret of the session that this browser had until now: whoever put it there knows
                  it, and must not know the new one
        """
        now, secret = datetime.now(UTC), secrets.token_urlsafe(_BYTES)
        over = or_(WebSessionRow.expires_at <= now, WebSessionRow.digest == _digest(replaces))
        with self._store.writing() as session:
            session.execute(delete(WebSessionRow).where(over))
            session.add(
                WebSessionRow(
                    digest=_digest(secret),
                    person=person,
                    created_at=now,
                    expires_at=now + self._lifetime,
                    token_digest=_digest(token),
                )
            )
        return secret

    def person(self, secret: str) -> str | None:
        """Whose session it is; `None` where it is none, or over, or its token is.

        Tokens of somebody disabled are revoked, so that their sessions end for good as well.
        """
        now = datetime.now(UTC)
        live = (
            WebSessionRow.digest == _digest(secret),
            WebSessionRow.expires_at > now,
            PersonRow.disabled_at.is_(None),
            TokenRow.revoked_at.is_(None),
            or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > now),
        )
        found = (
            select(WebSessionRow.person)
            .join(PersonRow, PersonRow.name == WebSessionRow.person)
            .join(TokenRow, TokenRow.digest == WebSessionRow.token_digest)
            .where(*live)
        )
        with self._store.reading() as session:
            return session.scalar(found)

    @retried
    def close(self, secret: str) -> None:
        """It opens nothing any more."""
        with self._store.writing() as session:
            session.execute(delete(WebSessionRow).where(WebSessionRow.digest == _digest(secret)))


def _digest(secret: str) -> str:
    """As `People` has it of a token."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
