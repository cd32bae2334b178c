"""Seals: what the audit log keeps of a decision, so that a change of its row shows.

    facts   sha256(canonical JSON of who decided what, and when)       these are kept
    words   sha256(salt + canonical JSON of its note and segments)     these may be erased

The salt stands in the row and is erased with the words: what is left in the log tells nobody what
they were, however many words are tried.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from moderation.errors import StoreError
from moderation.store.audit import canonical
from moderation.store.models import AuditRow, DecisionRow, ReviewItemRow
from moderation.store.store import Store

__all__ = ["DecisionFlaw", "Sealed", "check", "new_salt", "seal"]

_SALT_BYTES: Final = 16
"""128 random bits: nobody tries them all."""

_BATCH: Final = 500
"""Items whose decisions are in memory at once."""

_DECIDED, _UNDONE, _REOPENED = "item.decided", "decision.undone", "item.reopened"


def new_salt() -> str:
    return secrets.token_hex(_SALT_BYTES)


def seal(row: DecisionRow) -> dict[str, str]:
    """For the event that says that it was decided. The row has its id and its salt."""
    return {"facts": _facts(row), "words": _words(row)}


@dataclass(frozen=True, slots=True)
class DecisionFlaw:
    """A decision that is not as the log says, and what is wrong with it.

    decision  its id; `None` where not even that can be read
    """

    decision: int | None
    item: str
    what: str

    def __str__(self) -> str:
        which = "a decision" if self.decision is None else f"decision {self.decision}"
        return f"{which} on item {self.item} {self.what}"


@dataclass(slots=True, kw_only=True)
class Sealed:
    """What a check of decisions found, up to the first flaw.

    whole     that are as the log says, words and all
    erased    of which that holds but for their words, which are gone
    unsealed  of older programs, whose events do not say enough
    """

    whole: int = 0
    erased: int = 0
    unsealed: int = 0
    flaw: DecisionFlaw | None = None


def check(store: Store) -> Sealed:
    """Hold all decisions against the log, which is to be verified itself before. Those whose item
    is gone as well were kept long enough.
    """
    found, last = Sealed(), ""
    while found.flaw is None and (items := _items(store, last)):
        found.flaw, last = _checked(store, items, found), items[-1]
    return found


def _items(store: Store, last: str) -> Sequence[str]:
    after = select(ReviewItemRow.id).where(ReviewItemRow.id > last)
    with store.reading() as session:
        return session.scalars(after.order_by(ReviewItemRow.id).limit(_BATCH)).all()


def _checked(store: Store, items: Sequence[str], found: Sealed) -> DecisionFlaw | None:
    try:
        with store.reading() as session:
            _freeze(session)
            return next(_flaws(session, _there(session, items), found), None)
    except (TypeError, ValueError, StoreError) as error:
        if len(items) == 1:
            return DecisionFlaw(None, items[0], f"was changed and cannot be read: {error}")
        one_by_one = (_checked(store, [each], found) for each in items)
        return next(filter(None, one_by_one), None)


@dataclass(slots=True)
class _History:
    """What the log says of the decisions on one item.

    decided    by the id of the decision, the event's content
    withdrawn  ids of those that were taken back
    is_exact   whether it says of each which those are; older programs did not
    """

    decided: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    withdrawn: set[int] = field(default_factory=set)
    is_exact: bool = True

    def see(self, event: Row[str, str, str]) -> None:
        content = json.loads(event.content)
        if event.action == _DECIDED and "decision" in content:
            self.decided[content["decision"]] = content
        elif event.action == _UNDONE:
            self.withdrawn.add(content["decision"])
        elif "decisions" in content:
            self.withdrawn.update(content["decisions"])
        else:
            self.is_exact = False


def _freeze(session: Session) -> None:
    """What two statements see is one state; SQLite does that by itself."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def _there(session: Session, items: Sequence[str]) -> Sequence[str]:
    """Those that retention has not taken away since they were listed."""
    still = select(ReviewItemRow.id).where(ReviewItemRow.id.in_(items))
    return session.scalars(still.order_by(ReviewItemRow.id)).all()


def _flaws(session: Session, items: Sequence[str], found: Sealed) -> Iterator[DecisionFlaw]:
    said, rows = _histories(session, items), _rows(session, items)
    for item in items:
        for id in sorted(said[item].decided.keys() - rows[item].keys()):
            yield DecisionFlaw(id, item, "is missing")
        for row in rows[item].values():
            wrong = _flaw(row, said[item], found)
            if wrong is not None:
                yield DecisionFlaw(row.id, item, wrong)


def _histories(session: Session, items: Sequence[str]) -> Mapping[str, _History]:
    """By the id of the item."""
    found = (
        select(AuditRow.subject, AuditRow.action, AuditRow.content)
        .where(AuditRow.subject.in_([f"item:{id}" for id in items]))
        .where(AuditRow.action.in_((_DECIDED, _UNDONE, _REOPENED)))
        .order_by(AuditRow.number)
    )
    said: defaultdict[str, _History] = defaultdict(_History)
    for event in session.execute(found):
        said[event.subject.removeprefix("item:")].see(event)
    return said


def _rows(session: Session, items: Sequence[str]) -> Mapping[str, dict[int, DecisionRow]]:
    """By the id of the item, and then by their own."""
    found = select(DecisionRow).where(DecisionRow.item_id.in_(items)).order_by(DecisionRow.id)
    rows: defaultdict[str, dict[int, DecisionRow]] = defaultdict(dict)
    for row in session.scalars(found):
        rows[row.item_id][row.id] = row
    return rows


def _flaw(row: DecisionRow, said: _History, found: Sealed) -> str | None:
    """How the row is not what the log says; it is counted if it is."""
    sealed = said.decided.get(row.id)
    if sealed is None:
        return "was put in: no event says that it was made"
    if said.is_exact and (row.withdrawn_at is not None) != (row.id in said.withdrawn):
        return "was taken back, or put in force again, without an event"
    if "facts" not in sealed:
        found.unsealed += 1
    elif sealed["facts"] != _facts(row):
        return "was changed: who decided what, or when"
    elif sealed["words"] == _words(row):
        found.whole += 1
    elif not (row.note or row.segments):  # programs before revision 0006 leave the salt
        found.erased += 1
    else:
        return "was changed: its words are not those of its event"
    return None


def _facts(row: DecisionRow) -> str:
    names = ("id", "item_id", "number", "person", "outcome", "reason", "version", "seconds")
    moment = row.decided_at.astimezone(UTC).isoformat(timespec="microseconds")
    return _digest(canonical({**{name: getattr(row, name) for name in names}, "at": moment}))


def _words(row: DecisionRow) -> str:
    return _digest(row.salt + canonical({"note": row.note, "segments": row.segments}))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()
