"""Keys: what links are signed with; made when first asked for, the same on every server."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select

from moderation.store.database import insert_new, retried
from moderation.store.models import SigningKeyRow
from moderation.store.store import Store

__all__ = ["signing_key"]

_BYTES: Final = 32
"""As long as the digests that it makes."""


@retried
def signing_key(store: Store, name: str) -> bytes:
    """The key of that name. Whoever deletes its row ends, at their next start, what it signed."""
    made = {"name": name, "value": secrets.token_hex(_BYTES), "created_at": datetime.now(UTC)}
    found = select(SigningKeyRow.value).where(SigningKeyRow.name == name)
    with store.reading() as session:
        value = session.scalar(found)
    if value is None:
        with store.writing() as session:
            insert_new(session, SigningKeyRow, [made])
            value = session.scalars(found).one()
    return bytes.fromhex(value)
