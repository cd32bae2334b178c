"""Answers: what a request was told that may be sent once more, by the key that its sender gave it.

A key is one person's. An answer is kept for two days, or until a video that it names is erased.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, delete, or_, update
from sqlalchemy.orm import Session

from moderation.errors import ConfigurationError
from moderation.store.bare import changed
from moderation.store.belongings import portions
from moderation.store.database import insert_new, retried
from moderation.store.models import IdempotentAnswerRow
from moderation.store.store import Store

__all__ = ["Answer", "Answers", "Turn", "forget_answers"]

KEPT: Final = timedelta(hours=48)
"""Twice what callers are promised: whoever tries again after a day's outage gets the same."""

ABANDONED: Final = timedelta(seconds=120)
"""After which a request that was not answered is taken for lost with its server; none works that
long."""

_QUOTED: Final = 50
"""Ids that one look through the answers searches for."""

_UNDER_WAY: Final = 0
"""In the place of a status of HTTP."""


class Answer(NamedTuple):
    """What was answered: the status of HTTP, and the body."""

    status: int
    content: str

    @property
    def is_made(self) -> bool:
        """False while the first request is still being worked on."""
        return self.status != _UNDER_WAY


class Turn(NamedTuple):
    """The request is this caller's to answer; `mark` tells it from whoever takes over later."""

    person: str
    key: str
    mark: str


class Answers:
    """The answers of one store. Threads and servers may share it; each method is a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @retried
    def begin(self, person: str, key: str, digest: str) -> Answer | Turn:
        """Whose turn it is to answer, or what was answered.

        digest  of the request; the same key with another is a mistake

        Raises `ConfigurationError` for that.
        """
        now, turn = datetime.now(UTC), Turn(person, key, secrets.token_hex(8))
        with self._store.writing() as session:
            old = IdempotentAnswerRow.created_at < now - KEPT
            session.execute(delete(IdempotentAnswerRow).where(old))
            insert_new(session, IdempotentAnswerRow, [_row(turn, digest, now)])
            row = session.get(IdempotentAnswerRow, (person, key), with_for_update=True)
            if row is None:  # given back between the two statements
                return Answer(_UNDER_WAY, "")
            if row.request_digest != digest:
                raise ConfigurationError(
                    "this Idempotency-Key was used for another request",
                    hint="give each request a key of its own, and repeat it unchanged",
                )
            if row.status == _UNDER_WAY and row.created_at < now - ABANDONED:
                row.content, row.created_at = turn.mark, now
            if (row.status, row.content) == (_UNDER_WAY, turn.mark):
                return turn
            return Answer(row.status, row.content if row.status else "")

    @retried
    def finish(self, turn: Turn, answer: Answer) -> None:
        """From now on this is the answer; unless somebody has taken over meanwhile."""
        with self._store.writing() as session:
            session.execute(
                update(IdempotentAnswerRow)
                .where(*_is(turn))
                .values(status=answer.status, content=answer.content)
            )

    @retried
    def give_back(self, turn: Turn) -> None:
        """It came to nothing: the next request with the key is worked on anew."""
        with self._store.writing() as session:
            session.execute(delete(IdempotentAnswerRow).where(*_is(turn)))


def forget_answers(session: Session, ids: Sequence[str]) -> int:
    """Drop all that name a job, an item or a video of these ids; how many. For erasure."""
    dropped = 0
    for some in portions(ids, _QUOTED):
        naming = (IdempotentAnswerRow.content.contains(each, autoescape=True) for each in some)
        dropped += changed(session, delete(IdempotentAnswerRow).where(or_(*naming)))
    return dropped


def _row(turn: Turn, digest: str, now: datetime) -> dict[str, object]:
    return {
        "person": turn.person,
        "key": turn.key,
        "request_digest": digest,
        "status": _UNDER_WAY,
        "content": turn.mark,
        "created_at": now,
    }


def _is(turn: Turn) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotentAnswerRow.person == turn.person,
        IdempotentAnswerRow.key == turn.key,
        IdempotentAnswerRow.status == _UNDER_WAY,
        IdempotentAnswerRow.content == turn.mark,
    )
