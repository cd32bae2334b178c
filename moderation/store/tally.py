"""Figures of the review queue, counted by the database."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from pydantic_core import from_json
from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Select,
    Text,
    case,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from moderation.decision import Outcome, Purpose
from moderation.store.clock import now_us
from moderation.store.enqueue import ItemState
from moderation.store.models import DecisionRow, ReviewItemRow, VerdictRow
from moderation.store.store import Store
from moderation.timeline import MICROSECONDS

__all__ = ["Count", "Glance", "Hold", "Standing", "Tally", "Waits"]

FINAL: Final = tuple(each for each in Outcome if each.is_final)

STANDS: Final = (Purpose.VERDICT, Purpose.AUDIT, Purpose.THIRD_LOOK, Purpose.APPEAL)
"""As `moderation.decision.standing` ranks them: the last counts most."""

BATCH: Final = 500
"""Verdicts that are read at a time."""

MOST_HELD: Final = 500
"""Items in somebody's hands that are shown: more people than work at one time."""


class Waits(NamedTuple):
    """Open items of one severity, by how long they wait."""

    severity_rank: int
    under_24_h: int
    under_48_h: int
    older: int
    overdue: int
    """Of all these."""


class Hold(NamedTuple):
    """An item in somebody's hands."""

    item_id: str
    person: str
    severity_rank: int
    purpose: str
    since: datetime
    until: datetime


class Glance(NamedTuple):
    """What an open page is told of one item; `holder`: who has it now."""

    state: str
    version: int
    holder: str


class Count(NamedTuple):
    """Decisions of one person in one hour (UTC), by its first moment."""

    person: str
    hour: datetime
    outcome: str
    n: int


class Standing(NamedTuple):
    """A decision that counts: why its case was opened, what was said, of the whole and of single
    segments, and the content of the verdict that it is about.
    """

    purpose: str
    outcome: str
    said: Sequence[Mapping[str, Any]]
    verdict: Mapping[str, Any]
    length: int
    """Of the verdict's content, in letters."""


class _hour(FunctionElement[str]):  # noqa: N801  # reads as a function in SQL
    """Of a moment, as 2026-11-21 15 (UTC)."""

    inherit_cache = True


@compiles(_hour, "postgresql")
def _postgresql(element: _hour, compiler: SQLCompiler, **given: Any) -> str:
    moment = compiler.process(element.clauses, **given)
    return f"to_char(({moment}) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')"


@compiles(_hour, "sqlite")
def _sqlite(element: _hour, compiler: SQLCompiler, **given: Any) -> str:
    return f"substr({compiler.process(element.clauses, **given)}, 1, 13)"


class Tally:
    """Threads may share it; each method is a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def waiting(self, now: datetime) -> Sequence[Waits]:
        """What nobody has decided, in somebody's hands or not; the most severe first."""
        row = ReviewItemRow
        young, fresh = row.created_at > now - _hours(24), row.created_at > now - _hours(48)
        late = row.due_us < round(now.timestamp() * MICROSECONDS)
        sums = [_sum(young), _sum(~young & fresh), _sum(~fresh), _sum(late)]
        found = select(row.severity_rank, *sums).where(row.state == ItemState.OPEN)
        found = found.group_by(row.severity_rank).order_by(row.severity_rank.desc())
        with self._store.reading() as session:
            return [Waits._make(each) for each in session.execute(found)]

    def purposes(self) -> Mapping[str, int]:
        """What nobody has decided, by why it is asked."""
        row = ReviewItemRow
        found = select(row.purpose, func.count()).where(row.state == ItemState.OPEN)
        with self._store.reading() as session:
            return dict(session.execute(found.group_by(row.purpose)).all())

    def held(self) -> Sequence[Hold]:
        """What somebody has now, the longest first."""
        row = ReviewItemRow
        found = select(
            row.id, row.holder, row.severity_rank, row.purpose, row.claimed_us, row.held_until_us
        ).where(row.state == ItemState.OPEN, row.holder != "", row.held_until_us > now_us())
        with self._store.reading() as session:
            rows = session.execute(found.order_by(row.claimed_us, row.id).limit(MOST_HELD))
            return [Hold(*each[:4], _moment(each[4]), _moment(each[5])) for each in rows]

    def glance(self, item_ids: Collection[str]) -> tuple[Mapping[str, int], Mapping[str, Glance]]:
        """How many nobody has decided, by the least that somebody must be for them; and these."""
        row = ReviewItemRow
        is_open = row.state == ItemState.OPEN
        waiting = select(row.role, func.count()).where(is_open).group_by(row.role)
        holder = case((is_open & (row.held_until_us > now_us()), row.holder), else_="")
        asked = select(row.id, row.state, row.version, holder).where(row.id.in_(item_ids))
        with self._store.reading() as session:
            found = session.execute(asked).all() if item_ids else []
            items = {id: Glance(*rest) for id, *rest in found}
            return dict(session.execute(waiting).all()), items

    def counts(self, since: datetime) -> Iterator[Count]:
        """Decisions that were not taken back, by person, hour and outcome."""
        row, hour = DecisionRow, _hour(DecisionRow.decided_at)
        found = select(row.person, hour, row.outcome, func.count()).where(_counts(row, since))
        with self._store.reading() as session:
            for person, name, outcome, n in session.execute(
                found.group_by(row.person, hour, row.outcome)
            ):
                yield Count(person, datetime.fromisoformat(f"{name}:00+00:00"), outcome, n)

    def median_seconds(self, since: datetime) -> Mapping[str, float]:
        """From the claim to the decision, of each person; of all under an empty name."""
        row = DecisionRow
        final = (_counts(row, since), row.outcome.in_(FINAL))
        alone = select(row.person.label("person"), row.seconds.label("seconds")).where(*final)
        with self._store.reading() as session:
            medians: dict[str, float] = dict(session.execute(_medians(alone.cte())).all())
            nobody = literal("", Text).label("person")
            everybody = alone.with_only_columns(nobody, row.seconds.label("seconds"))
            return {**medians, **dict(session.execute(_medians(everybody.cte())).all())}

    def pairs(self, since: datetime) -> Mapping[tuple[str, str], int]:
        """What the first one said and what the second look said, and how often."""
        first, second = aliased(DecisionRow), aliased(DecisionRow)
        its, that = aliased(ReviewItemRow), aliased(ReviewItemRow)
        # Told, not asked for: PostgreSQL, before it knows a table well, would go by it first.
        is_second = second.decided_at > first.decided_at
        found = (
            select(first.outcome, second.outcome, is_second, func.count())
            .join(its, its.id == first.item_id)
            .join(second, second.case_id == first.case_id)
            .join(that, that.id == second.item_id)
            .where(its.purpose.in_((Purpose.VERDICT, Purpose.AUDIT)))
            .where(that.purpose == Purpose.SECOND_LOOK)
            .where(first.withdrawn_at.is_(None), first.outcome.in_(FINAL))
            .where(_counts(second, since), second.outcome.in_(FINAL))
            .group_by(first.outcome, second.outcome, is_second)
        )
        with self._store.reading() as session:
            rows = session.execute(found)
            return {(one, other): n for one, other, counts, n in rows if counts}

    def standing(self, since: datetime, most: int) -> Generator[Standing]:
        """Of each case the decision that counts now, the newest first."""
        ranked = _ranked(since).cte()
        newest = (
            select(DecisionRow.id)
            .join(ranked, ranked.c.id == DecisionRow.id)
            .where(ranked.c.place == 1, DecisionRow.decided_at >= since)
            .order_by(DecisionRow.decided_at.desc(), DecisionRow.id.desc())
            .limit(most)
        )
        with self._store.reading() as session:
            ids = session.scalars(newest).all()
            # Verdicts may be long: no more of them are read than whoever asks wants to see.
            for start in range(0, len(ids), BATCH):
                yield from _standing(session, ids[start : start + BATCH])


def _standing(session: Session, ids: Sequence[int]) -> Iterator[Standing]:
    first = aliased(ReviewItemRow)
    texts = (type_coerce(DecisionRow.segments, Text), type_coerce(VerdictRow.content, Text))
    found = (
        select(DecisionRow.id, first.purpose, DecisionRow.outcome, *texts)
        .join(first, first.id == DecisionRow.case_id)
        .join(VerdictRow, VerdictRow.id == first.verdict_id)
        .where(DecisionRow.id.in_(ids))
    )
    rows = {row.id: row for row in session.execute(found)}
    for _, purpose, outcome, said, verdict in map(rows.__getitem__, ids):
        yield Standing(purpose, outcome, _parsed(said), _parsed(verdict), len(verdict))


def _ranked(since: datetime) -> Select[Any]:
    """Decisions by their place in their case: the first counts."""
    row, case_id = DecisionRow, DecisionRow.case_id
    recent = select(case_id).where(row.decided_at >= since)
    rank = case({each.value: i for i, each in enumerate(STANDS)}, value=ReviewItemRow.purpose)
    place = func.row_number().over(
        partition_by=case_id, order_by=(rank.desc(), row.decided_at.desc(), row.id.desc())
    )
    return (
        select(row.id.label("id"), place.label("place"))
        .join(ReviewItemRow, ReviewItemRow.id == row.item_id)
        .where(row.withdrawn_at.is_(None), row.outcome.in_(FINAL))
        .where(ReviewItemRow.purpose.in_(STANDS), case_id.in_(recent))
    )


def _medians(of: CTE) -> Select[Any]:
    """SQLite has no function for it: the one in the middle, or the mean of the two."""
    person, seconds = of.c.person, of.c.seconds
    place = func.row_number().over(partition_by=person, order_by=seconds).label("place")
    n = func.count().over(partition_by=person).label("n")
    placed = select(person, seconds, place, n).subquery()
    middle = (placed.c.place * 2).between(placed.c.n, placed.c.n + 2)
    return (
        select(placed.c.person, func.avg(placed.c.seconds)).where(middle).group_by(placed.c.person)
    )


def _counts(row: type[DecisionRow], since: datetime) -> ColumnElement[bool]:
    return (row.decided_at >= since) & row.withdrawn_at.is_(None)


def _sum(which: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((which, 1), else_=0), type_=Integer)


def _hours(n: int) -> timedelta:
    return timedelta(hours=n)


def _parsed(text: str) -> Any:
    """Several times as fast as the column type does it, and these are thousands."""
    return from_json(text, cache_strings="all")


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us / MICROSECONDS, UTC)
