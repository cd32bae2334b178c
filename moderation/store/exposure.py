"""How long who looked at what, a row for each item and day (UTC), by the database's clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from moderation.errors import NotFound
from moderation.store.claims import clock
from moderation.store.database import insert_new, retried
from moderation.store.enqueue import ItemState
from moderation.store.models import ExposureRow, PersonRow, ReviewItemRow
from moderation.store.store import Store
from moderation.timeline import MICROSECONDS
from moderation.verdict import Severity

__all__ = ["Seen", "Sightings"]

_RECENT_DAYS: Final = 2
"""Today and yesterday: whoever works at midnight has not paused then."""


class Seen(NamedTuple):
    """What somebody saw of one severity on one day."""

    person: str
    day: date
    severity: Severity
    seconds: float
    unveiled_seconds: float
    items: int


class Sightings:
    """Of one store. Threads may share it; each method is a transaction.

    most_s   seconds that one message of a page may add
    pause_s  seconds without a message that are a pause
    """

    def __init__(self, store: Store, *, most_s: float, pause_s: float) -> None:
        self._store, self._most_s = store, most_s
        self._pause_us = round(pause_s * MICROSECONDS)

    @retried
    def add(self, person: str, item_id: str, seconds: float, unveiled_seconds: float) -> None:
        """No more than has passed since they last said so, of whichever item.

        Raises `NotFound` where there is no such item.
        """
        with self._store.writing() as session:
            _lock(session, person)
            severity = _severity(session, item_id)
            if seconds <= 0:  # or what another page shows meanwhile would not count
                return
            now, last = clock(session), _last(session, person)
            passed_s = self._most_s if last is None else max(0, now - last.last_us) / MICROSECONDS
            counted = max(0.0, min(seconds, passed_s, self._most_s))
            began = now - round(counted * MICROSECONDS)
            is_on = last is not None and began - last.last_us < self._pause_us
            row = ExposureRow(
                person=person,
                day=_day(now),
                item_id=item_id,
                severity=severity.value,
                seconds=counted,
                unveiled_seconds=max(0.0, min(unveiled_seconds, counted)),
                first_us=last.first_us if last is not None and is_on else began,
                last_us=now,
            )
            _added(session, row)

    def since_pause(self, person: str) -> float:
        """Seconds that they have seen since they last paused."""
        with self._store.reading() as session:
            now, last = clock(session), _last(session, person)
            if last is None or now - last.last_us >= self._pause_us:
                return 0.0
            same = (ExposureRow.person == person, ExposureRow.first_us == last.first_us)
            seen = session.scalar(
                select(func.sum(ExposureRow.seconds)).where(*same, _is_recent(now))
            )
            # An item that they saw before the pause as well has those seconds in its row, too.
            return min(seen or 0.0, (last.last_us - last.first_us) / MICROSECONDS)

    def totals(self, days: int, person: str | None = None) -> Sequence[Seen]:
        """Of so many days with today, the last first; of everybody, or of one."""
        row = ExposureRow
        sums = (func.sum(row.seconds), func.sum(row.unveiled_seconds), func.count())
        found = select(row.person, row.day, row.severity, *sums)
        if person is not None:
            found = found.where(row.person == person)
        with self._store.reading() as session:
            found = found.where(row.day >= _day(clock(session), ago=days - 1))
            found = found.group_by(row.person, row.day, row.severity)
            rows = session.execute(found.order_by(row.day.desc(), row.person))
            return [
                Seen(name, date.fromisoformat(day), Severity(severity), seconds, unveiled, items)
                for name, day, severity, seconds, unveiled, items in rows
            ]

    def today(self) -> date:
        """By the database's clock."""
        with self._store.reading() as session:
            return date.fromisoformat(_day(clock(session)))

    def held(self, person: str) -> Sequence[str]:
        """The ids of what they have now."""
        row = ReviewItemRow
        with self._store.reading() as session:
            is_theirs = (row.holder == person, row.held_until_us > clock(session))
            found = select(row.id).where(row.state == ItemState.OPEN, *is_theirs)
            return session.scalars(found).all()


def _lock(session: Session, person: str) -> None:
    """Two pages of one person must not both count the same seconds."""
    found = select(PersonRow.name).where(PersonRow.name == person)
    session.execute(found.with_for_update(key_share=True))


def _severity(session: Session, item_id: str) -> Severity:
    rank = session.scalar(select(ReviewItemRow.severity_rank).where(ReviewItemRow.id == item_id))
    if rank is None:
        raise NotFound(f"there is no review item {item_id}", hint="claim the next one")
    return next(each for each in Severity if each.rank == rank)


def _last(session: Session, person: str) -> ExposureRow | None:
    """What they saw last, if that is not long ago; its `first_us` is when they last paused."""
    found = select(ExposureRow).where(ExposureRow.person == person, _is_recent(clock(session)))
    return session.scalar(found.order_by(ExposureRow.last_us.desc()).limit(1))


def _added(session: Session, seen: ExposureRow) -> None:
    """To the row of the same item and day, if there is one."""
    row, names = ExposureRow, ("person", "day", "item_id", "severity", "first_us", "last_us")
    empty = {name: getattr(seen, name) for name in names}
    insert_new(session, row, [{**empty, "seconds": 0.0, "unveiled_seconds": 0.0}])
    session.execute(
        update(row)
        .where(row.person == seen.person, row.day == seen.day, row.item_id == seen.item_id)
        .values(
            seconds=row.seconds + seen.seconds,
            unveiled_seconds=row.unveiled_seconds + seen.unveiled_seconds,
            first_us=seen.first_us,
            last_us=seen.last_us,
        )
        .execution_options(synchronize_session=False)
    )


def _is_recent(now_us: int) -> ColumnElement[bool]:
    return ExposureRow.day >= _day(now_us, ago=_RECENT_DAYS - 1)


def _day(now_us: int, ago: int = 0) -> str:
    moment = datetime.fromtimestamp(now_us / MICROSECONDS, UTC) - timedelta(days=ago)
    return moment.date().isoformat()
