"""Claims: a review item given to one person at a time, for as long as that person is at it.

Everything runs by the database's clock, and every change counts up the item's version: whoever
decides says which version that was about.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from moderation.decision import Outcome
from moderation.errors import NotFound, ReviewConflict
from moderation.person import Role
from moderation.store.audit import record
from moderation.store.clock import moment, now_us
from moderation.store.database import retried
from moderation.store.enqueue import ACTOR, ItemState, lock_cases
from moderation.store.models import DecisionRow, ReviewItemRow, VideoRow
from moderation.store.store import Store
from moderation.timeline import MICROSECONDS

__all__ = [
    "ROLES",
    "Claims",
    "check_held",
    "check_right",
    "clock",
    "conflict",
    "has_said",
    "locked_case",
    "locked_item",
    "noted",
    "within",
]

ROLES: Final = (Role.REVIEWER, Role.LEAD, Role.ADMIN)
"""Each may do what those before it may."""


class Claims:
    """The reviewers' side of the queue.

    lease_s  seconds that somebody who does nothing keeps an item
    """

    def __init__(self, store: Store, *, lease_s: float) -> None:
        self._store, self._lease_us = store, round(lease_s * MICROSECONDS)

    @retried
    def next(self, person: str, role: Role) -> str | None:
        """The id of the item that is this person's now; `None` when nothing waits for them.

        Whoever holds one gets the same again. Nobody is given a case that they have decided under
        another item: a second look and an appeal are somebody else's. What a person has skipped
        comes back to them last.
        """
        with self._store.writing() as session:
            _adopt(session)
            own = (ReviewItemRow.holder == person, ReviewItemRow.role.in_(within(role)))
            mine = session.scalar(self._extending(*own))
            if mine is not None:
                return mine
            for skipped in (False, True):
                # Locked here, and skipped by others; SQLite has one writer at a time.
                row = session.scalar(_waiting(person, role, skipped=skipped))
                if row is not None:
                    self._give(session, row, person, clock(session))
                    return row.id
            return None

    @retried
    def take(self, item_id: str, person: str, role: Role) -> None:
        """One that is chosen by hand, or held and run out. Raises `ReviewConflict`."""
        with self._store.writing() as session:
            row = locked_item(session, item_id)
            now = clock(session)
            if row.state != ItemState.OPEN or (row.holder != person and row.held_until_us > now):
                raise conflict(row, now)
            check_right(session, row, person, role)
            if row.holder != person or row.held_until_us <= now:
                self._give(session, row, person, now)
            row.held_until_us = now + self._lease_us

    @retried
    def extend(self, item_id: str, person: str) -> datetime:
        """Activity: it is theirs for as long again; until when. Raises `ReviewConflict`."""
        with self._store.writing() as session:
            mine = (ReviewItemRow.id == item_id, ReviewItemRow.holder == person)
            if session.scalar(self._extending(*mine)) is None:
                raise conflict(locked_item(session, item_id), clock(session))
            until_us = session.scalars(
                select(ReviewItemRow.held_until_us).where(ReviewItemRow.id == item_id)
            ).one()
            return moment(until_us)

    @retried
    def release(self, item_id: str, person: str, *, by_force: bool = False) -> None:
        """Back to the queue; `by_force`: whoever holds it. Raises `ReviewConflict`."""
        with self._store.writing() as session:
            row = locked_item(session, item_id)
            if not by_force:
                check_held(row, person, row.version, clock(session))
            elif row.state != ItemState.OPEN:
                raise conflict(row, clock(session))
            action = "item.freed" if by_force else "item.released"
            noted(session, person, action, item_id, holder=row.holder)
            row.holder, row.held_until_us, row.version = "", 0, row.version + 1

    def _give(self, session: Session, row: ReviewItemRow, person: str, now: int) -> None:
        """From whoever lost it by doing nothing, if anybody did."""
        if row.holder:
            noted(session, ACTOR, "item.lease_expired", row.id, holder=row.holder)
        row.holder, row.claimed_us, row.held_until_us = person, now, now + self._lease_us
        row.version += 1
        noted(session, person, "item.claimed", row.id)

    def _extending(self, *mine: ColumnElement[bool]) -> ReturningUpdate[str]:
        return _changing(
            *mine,
            ReviewItemRow.state == ItemState.OPEN,
            ReviewItemRow.held_until_us > now_us(),
        ).values(held_until_us=now_us() + self._lease_us)


def locked_item(session: Session, item_id: str) -> ReviewItemRow:
    """To be changed in this transaction. Raises `ConfigurationError` where there is none."""
    found = select(ReviewItemRow).where(ReviewItemRow.id == item_id).with_for_update()
    row = session.scalars(found).one_or_none()
    if row is None:
        raise NotFound(
            f"there is no review item {item_id}", hint="`moderation queue list` shows what waits"
        )
    if not row.case_id:
        _adopt(session)
        session.refresh(row)
    return row


def locked_case(session: Session, item_id: str) -> ReviewItemRow:
    """The same, and nobody else changes more than one item of its case meanwhile.

    The video first, as whoever saves a verdict of it does; opening an item locks it anyway.
    """
    found = select(ReviewItemRow.video_id).where(ReviewItemRow.id == item_id)
    videos = select(VideoRow.id).where(VideoRow.id.in_(found))
    session.execute(videos.with_for_update(read=True, key_share=True)).all()
    lock_cases(session, ReviewItemRow.id == item_id)
    return locked_item(session, item_id)


def check_held(row: ReviewItemRow, person: str, version: int, now: int) -> None:
    """Raises `ReviewConflict` unless the person holds it now, as they saw it."""
    if row.state != ItemState.OPEN or row.holder != person or row.held_until_us <= now:
        raise conflict(row, now)
    if row.version != version:
        raise ReviewConflict(
            f"the review item {row.id} has changed since you saw it", hint="look at it again"
        )


def conflict(row: ReviewItemRow, now: int) -> ReviewConflict:
    """What became of an item that somebody counted on."""
    if row.state == ItemState.DECIDED:
        return ReviewConflict(
            f"the review item {row.id} is decided", hint="a lead can reopen it, with a reason"
        )
    if row.state == ItemState.CLOSED:
        return ReviewConflict(
            f"the review item {row.id} is closed: {row.closed_reason}", hint="claim the next one"
        )
    if row.holder and row.held_until_us > now:
        return ReviewConflict(f"{row.holder} has the review item {row.id} now")
    return ReviewConflict(
        f"nobody has the review item {row.id} now",
        hint="claim it; a claim runs out when nothing is done",
    )


def clock(session: Session) -> int:
    """Microseconds since 1970."""
    return session.scalars(select(now_us())).one()


def noted(session: Session, person: str, action: str, item_id: str, **content: Any) -> None:
    """In the audit log."""
    now = datetime.now(UTC)
    subject = f"item:{item_id}"
    record(session, actor=person, action=action, subject=subject, content=content, now=now)


def _adopt(session: Session) -> None:
    """Give their place to items that were written by programs of before there were cases."""
    row = ReviewItemRow
    session.execute(
        update(row)
        .where(row.case_id == "")
        .values(case_id=row.id, rank=-row.severity_rank, due_us=now_us())
        .execution_options(synchronize_session=False)
    )


def _waiting(person: str, role: Role, *, skipped: bool) -> Select[ReviewItemRow]:
    has_skipped = has_said(person, DecisionRow.item_id == ReviewItemRow.id)
    return (
        select(ReviewItemRow)
        .where(
            ReviewItemRow.state == ItemState.OPEN,
            ReviewItemRow.held_until_us < now_us(),
            ReviewItemRow.role.in_(within(role)),
            has_skipped if skipped else ~has_skipped,
            ~_has_decided(person),
        )
        .order_by(ReviewItemRow.rank, ReviewItemRow.due_us, ReviewItemRow.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=ReviewItemRow)
    )


def _changing(*which: ColumnElement[bool]) -> ReturningUpdate[str]:
    return (
        update(ReviewItemRow)
        .where(*which)
        .returning(ReviewItemRow.id)
        .execution_options(synchronize_session=False)
    )


def within(role: Role) -> tuple[Role, ...]:
    return tuple(each for each in ROLES if role.is_at_least(each))


def has_said(person: str, *which: ColumnElement[bool]) -> ColumnElement[bool]:
    return (
        select(DecisionRow.id)
        .where(DecisionRow.person == person, DecisionRow.withdrawn_at.is_(None), *which)
        .exists()
    )


def _has_decided(person: str) -> ColumnElement[bool]:
    """The same case, under another item."""
    return has_said(
        person,
        DecisionRow.case_id == ReviewItemRow.case_id,
        DecisionRow.item_id != ReviewItemRow.id,
        DecisionRow.outcome != Outcome.SKIP,
    )


def check_right(session: Session, row: ReviewItemRow, person: str, role: Role) -> None:
    """Raises `ReviewConflict` for an item of a higher role, and for a case decided before."""
    if row.role not in within(role):
        raise ReviewConflict(f"the review item {row.id} is for a {row.role}")
    found = select(ReviewItemRow.id).where(ReviewItemRow.id == row.id, _has_decided(person))
    if session.scalar(found) is not None:
        raise ReviewConflict(
            f"the review item {row.id} is for somebody else: you have decided this case",
            hint="claim the next one",
        )
