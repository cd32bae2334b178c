"""The audit log's reading side: what was done, and whether anybody has changed it since.

An event whose content, hash or place was changed is found by the events themselves. Two things are
not: the last events taken away, and everything from some event on written anew. For these, a head
that was noted elsewhere (in a mail, in the log of another machine) is compared with what is there.
The log holds hashes of what people decided, so that a change of their decisions shows, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

import structlog
from sqlalchemy import Row, select

from moderation.errors import ConfigurationError, StoreError
from moderation.store import Store
from moderation.store.audit import GENESIS, digest_of
from moderation.store.models import AuditRow
from moderation.store.seal import DecisionFlaw, Sealed, check

__all__ = [
    "AuditEvent",
    "AuditLog",
    "DecisionFlaw",
    "Flaw",
    "Head",
    "Sealed",
    "Verification",
]

SHOWN: Final = 100
"""Events that `entries` gives unless told otherwise: more than anybody reads at once."""

_BATCH: Final = 1_000
"""Events in memory: few enough for any content, enough to be quick."""

_HEAD: Final = re.compile(r"(\d{1,18}):([0-9a-f]{64})", re.ASCII)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Something that was done.

    number   from 1, without gaps
    content  what was seen and said, as JSON has it
    digest   stands for this event and all before it
    """

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    content: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class Head:
    """The last event: noted outside of the database, it holds fast all that was before.

    Written as `number:digest`.
    """

    number: int = 0
    digest: str = GENESIS

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `ConfigurationError`."""
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            raise ConfigurationError(
                f"{text!r} is no head of the audit log",
                hint="write it as `moderation audit verify` printed it: a number, a colon, 64"
                " letters and digits",
            )
        return cls(int(found[1]), found[2])


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first event that is not as it was written, and what is wrong with it."""

    number: int
    what: str

    def __str__(self) -> str:
        return f"event {self.number} {self.what}"


@dataclass(frozen=True, slots=True)
class Verification:
    """How far each event follows on the one before, and the first that is wrong, if one is."""

    head: Head
    flaw: Flaw | None = None


class AuditLog:
    """The log of one store. `moderation.store.audit.record` writes it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def head(self) -> Head:
        """Of the last event, unverified; for a note outside of the database."""
        last = select(AuditRow.number, AuditRow.digest).order_by(AuditRow.number.desc()).limit(1)
        with self._store.reading() as session:
            row = session.execute(last).one_or_none()
        return Head() if row is None else Head(row.number, row.digest)

    def verify(self, head: Head | None = None) -> Verification:
        """Go through all events, a batch of them in memory at a time, up to the first flaw.

        head  one that was noted earlier, which must be the log's own at that number

        Events may be written meanwhile. What is found goes to the program's log as well, where a
        head outlives the database.
        """
        check = _Check(head)
        found = next(filter(None, map(check.see, self._stored())), None) or check.end()
        if found is None:
            log.info("audit.verified", head=str(check.head))
        else:
            log.error("audit.flawed", number=found.number, what=found.what)
        return Verification(check.head, found)

    def check_decisions(self) -> Sealed:
        """Hold each decision against its event, up to the first flaw; a verified log is taken for
        granted. One whose words were erased is fine: that it was made, and how, still holds.
        """
        found = check(self._store)
        if found.flaw is not None:
            log.error("audit.decision_flawed", flaw=str(found.flaw))
        return found

    def entries(
        self,
        *,
        subject: str | None = None,
        since: datetime | None = None,
        limit: int | None = SHOWN,
    ) -> list[AuditEvent]:
        """Events, the newest first.

        subject  about this alone: "item:abcdefghij"
        since    at or after this moment, with a time zone
        """
        found = select(AuditRow).order_by(AuditRow.number.desc()).limit(limit)
        if subject is not None:
            found = found.where(AuditRow.subject == subject)
        if since is not None:
            found = found.where(AuditRow.at >= since)
        with self._store.reading() as session:
            return [_event(row) for row in session.scalars(found)]

    def _stored(self) -> Iterator[_Stored]:
        """All events in their order; each batch is a transaction, so that no writer waits."""
        last: int | None = None
        while batch := self._batch(last, _BATCH):
            yield from batch
            last = batch[-1].number

    def _batch(self, last: int | None, size: int) -> Sequence[_Stored]:
        found = select(*_COLUMNS).order_by(AuditRow.number).limit(size)
        if last is not None:
            found = found.where(AuditRow.number > last)
        try:
            with self._store.reading() as session:
                return [_Stored.of(row) for row in session.execute(found)]
        except (TypeError, ValueError, StoreError) as error:
            # SQLite takes bytes where text is expected: read those before, then name this one.
            if size > 1:
                return self._batch(last, size // 2)
            return [_Stored(last + 1 if last else 1, unreadable=str(error))]


_COLUMNS: Final = (
    AuditRow.number,
    AuditRow.at,
    AuditRow.actor,
    AuditRow.action,
    AuditRow.subject,
    AuditRow.content,
    AuditRow.previous,
    AuditRow.digest,
)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A row, and what its digest would have to be."""

    number: int
    previous: str = ""
    digest: str = ""
    true_digest: str = ""
    unreadable: str = ""

    @classmethod
    def of(cls, row: Row[*tuple[Any, ...]]) -> Self:
        values = row._asdict()
        digest = values.pop("digest")
        return cls(row.number, row.previous, digest, digest_of(**values))


@dataclass(slots=True)
class _Check:
    """Follows the chain, event by event.

    noted  a head from outside
    head   of the events that follow on each other
    """

    noted: Head | None
    head: Head = field(default_factory=Head)

    def see(self, event: _Stored) -> Flaw | None:
        """What is wrong with the next event, or with the one before, as this one shows it."""
        number = self.head.number + 1
        if event.number < number:
            return Flaw(event.number, "was put in")
        if event.number > number:
            return Flaw(number, "is missing")
        if event.unreadable:
            return Flaw(number, f"was changed and cannot be read: {event.unreadable}")
        if event.digest != event.true_digest:
            return Flaw(number, "was changed: its hash is not that of its content")
        if event.previous != self.head.digest:
            return self._unlinked(number)
        found = Head(number, event.digest)
        if self.noted is not None and self.noted.number == number and self.noted != found:
            return Flaw(number, "is not the one that was noted: it or one before was hashed anew")
        self.head = found
        return None

    def end(self) -> Flaw | None:
        """What is wrong when no event is left."""
        if self.noted is not None and self.noted.number > self.head.number:
            return Flaw(
                self.head.number + 1, f"is missing: the log ended with event {self.noted.number}"
            )
        return None

    def _unlinked(self, number: int) -> Flaw:
        if number == 1:
            return Flaw(1, "was changed: it follows on another event")
        before = number - 1
        return Flaw(before, f"was changed and hashed anew: event {number} follows on another")


def _event(row: AuditRow) -> AuditEvent:
    return AuditEvent(
        number=row.number,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        content=json.loads(row.content),
        digest=row.digest,
    )
