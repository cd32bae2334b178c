"""The audit log's writing side: numbered without gaps, each event with the hash of the one before.

    digest of n = sha256(digest of n-1 + canonical JSON of n), in hexadecimal

The events of a transaction are numbered and written at its very end, after everything else that it
writes. On PostgreSQL that happens under one lock for all writers, the last that a transaction
takes: whoever has it waits for nobody any more, so that it is no part of a deadlock whatever rows
the callers hold and in whichever order, and it is held for two statements and the commit. SQLite
has one writer at a time anyway.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, event, func, insert, select
from sqlalchemy.orm import Session, SessionTransaction

from moderation.store.models import AuditRow

__all__ = ["GENESIS", "canonical", "digest_of", "record"]

GENESIS: Final = "0" * 64
"""What stands before the first event."""

_LOCK: Final = 0x4D4F4456_41554454
"""Of all who write to the log; any number that no other application of this database locks."""

# Statements of Core, made once: through the ORM they take twice as long, for all who write.
_EVENTS: Final = AuditRow.metadata.tables[AuditRow.__tablename__]
_TAKE_LOCK: Final = select(func.pg_advisory_xact_lock(_LOCK))
_LAST: Final = select(_EVENTS.c.number, _EVENTS.c.digest).order_by(_EVENTS.c.number.desc()).limit(1)
_WRITE: Final = insert(_EVENTS)

_PENDING: Final = "moderation.audit"
"""Where a session keeps the events of its transaction."""


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    subject: str,
    content: Mapping[str, Any],
    now: datetime,
) -> None:
    """Note an event in the caller's transaction: it is in the log exactly if that is committed.

    actor    who did it: a person's name, or that of a program
    action   a verb: "item.decided"
    subject  an id, with what it is of: "item:abcdefghij"
    content  what was seen and said; no secrets, and of personal data what cannot be done without:
             nothing is ever taken out of the log

    Raises `TypeError` and `ValueError` for a content that is no JSON, and `RuntimeError` outside of
    a transaction and inside a savepoint: what is undone there would be in the log nevertheless.
    """
    if not session.in_transaction() or session.in_nested_transaction():
        raise RuntimeError("an event is noted in a transaction, and in no savepoint of it")
    if _PENDING not in session.info:
        session.info[_PENDING] = []
        event.listen(session, "before_commit", _write)
        event.listen(session, "after_soft_rollback", _forget)
    session.info[_PENDING].append(
        {
            "at": now.astimezone(UTC),
            "actor": actor,
            "action": action,
            "subject": subject,
            "content": canonical(content),
        }
    )


def canonical(content: Mapping[str, Any]) -> str:
    """The one way to write it as JSON: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(
        dict(content), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def digest_of(
    previous: str, *, number: int, at: datetime, actor: str, action: str, subject: str, content: str
) -> str:
    """What stands for an event and, by `previous`, for all before it.

    `content` goes in letter by letter: what was written is what is compared, whatever a later
    version of Python makes of it.
    """
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    entry = (
        f'{{"action":{json.dumps(action)},"actor":{json.dumps(actor)},"at":"{moment}",'
        f'"content":{content},"number":{number},"subject":{json.dumps(subject)}}}'
    )
    return hashlib.sha256(f"{previous}{entry}".encode("utf-8", "surrogatepass")).hexdigest()


def _write(session: Session) -> None:
    """Called before each commit, and at the end of each savepoint."""
    events = session.info[_PENDING]
    if not events or session.in_nested_transaction():
        return
    session.info[_PENDING] = []
    session.flush()  # what it locks is locked before the log is
    connection = session.connection()
    number, previous = _locked_head(connection)
    rows = []
    for each in events:
        number += 1
        digest = digest_of(previous, number=number, **each)
        rows.append({**each, "number": number, "previous": previous, "digest": digest})
        previous = digest
    connection.execute(_WRITE, rows)


def _forget(session: Session, ended: SessionTransaction) -> None:
    if not ended.nested:
        session.info[_PENDING] = []


def _locked_head(connection: Connection) -> tuple[int, str]:
    """The last number and digest, which nobody follows but this transaction."""
    if connection.dialect.name == "postgresql":
        # In a statement of its own: the next sees what was committed while this one waited.
        connection.execute(_TAKE_LOCK)
    row = connection.execute(_LAST).one_or_none()
    return (0, GENESIS) if row is None else (row.number, row.digest)
