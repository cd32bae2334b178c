"""Review items as they are read: one of them, or a page in the order to work on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session, load_only

from moderation.decision import Outcome, Purpose
from moderation.errors import ConfigurationError, NotFound
from moderation.person import Person, Role
from moderation.scan import Failure
from moderation.store.claims import has_said, within
from moderation.store.clock import moment, now_us
from moderation.store.convert import failure_from, verdict_from
from moderation.store.enqueue import CloseReason, ItemState
from moderation.store.models import (
    NEVER_US,
    DecisionRow,
    PolicyRow,
    ReviewItemRow,
    ScanRow,
    VerdictRow,
    VideoRow,
)
from moderation.verdict import Action, Severity, Verdict

__all__ = [
    "ReviewItem",
    "count",
    "find",
    "has_second_look",
    "has_seen",
    "is_blind",
    "page",
    "seen_by",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """One video that a person is to look at.

    id          ten letters and digits, the same for as long as the item lives
    failure     why nobody could look at it yet, for a video that could not be scanned
    case        the id of the first item about this verdict
    role        the least that somebody must be to be given it
    due_at      when it is to be decided; `None`: nothing was promised
    holder      who has it, until `held_until`; "" for nobody
    version     counts its changes; whoever decides says which one he saw
    note        what whoever asked for it says
    """

    id: str
    state: ItemState
    closed_reason: CloseReason | None
    uri: str
    sha256: str
    scan_id: str
    verdict: Verdict
    failure: Failure | None
    created_at: datetime
    closed_at: datetime | None
    purpose: Purpose
    case: str
    role: str
    due_at: datetime | None
    holder: str
    held_until: datetime | None
    version: int
    note: str

    @property
    def action(self) -> Action:
        return self.verdict.action

    @property
    def severity(self) -> Severity:
        return self.verdict.severity

    @property
    def why(self) -> str:
        """One line: the failure, or the rules that fired with their times, or what is missing."""
        if self.failure is not None:
            return self.failure.message
        if self.purpose is Purpose.AUDIT:
            return "drawn by lot from what was approved"
        fired = [f"{reason.rule} at {reason.span.start}" for reason in self.verdict.reasons]
        return ", ".join(fired) or "; ".join(self.verdict.missing)


def page(
    session: Session, *which: ColumnElement[bool], limit: int, after: str | None
) -> tuple[ReviewItem, ...]:
    """The next `limit` of these after the item of that id, in the order to work on them; of each
    verdict what a list shows.

    Raises `ConfigurationError` where there is no such item any more.
    """
    if after is not None:
        which = (*which, tuple_(*_ORDER) > _place(session, after))
    ids = select(ReviewItemRow.id).where(*which).order_by(*_ORDER).limit(limit)
    # The page first, then what belongs to it: no verdict is read that is on another page.
    found = _whole().where(ReviewItemRow.id.in_(ids)).order_by(*_ORDER)
    return tuple(_item(row, _brief(row[1].content)) for row in session.execute(found))


def count(session: Session, *which: ColumnElement[bool]) -> int:
    return session.execute(
        select(func.count()).select_from(ReviewItemRow).where(*which)
    ).scalar_one()


def find(session: Session, id: str) -> tuple[ReviewItem, int]:
    """An item, by its id or the beginning of it, and the row id of its verdict.

    Raises `ConfigurationError` where no item, or more than one, begins like that.
    """
    asked = id.strip().lower()
    begins = ReviewItemRow.id.startswith(asked, autoescape=True)
    rows = session.execute(_whole().where(ReviewItemRow.id == asked)).all()
    rows = rows or session.execute(_whole().where(begins).limit(2)).all()
    if len(rows) != 1:
        raise _no_such(id, several=bool(rows))
    return _item(rows[0]), rows[0][1].id


def seen_by(person: Person, state: ItemState, *, mine: bool) -> tuple[ColumnElement[bool], ...]:
    """What somebody is shown of the queue: a reviewer nothing that is for a higher role, and of
    what is over only what they decided.

    mine  only what they have now, or have decided
    """
    which: list[ColumnElement[bool]] = [ReviewItemRow.state == state]
    if person.role is Role.REVIEWER:
        which.append(ReviewItemRow.role.in_(within(person.role)))
    if mine or (person.role is Role.REVIEWER and state is not ItemState.OPEN):
        which.append(_has(person.name) if state is ItemState.OPEN else _has_decided(person.name))
    return tuple(which)


def has_seen(session: Session, id: str, person: str) -> bool:
    """Whether they have the item now, or have decided it."""
    is_theirs = or_(_has(person), _has_decided(person))
    found = select(ReviewItemRow.id).where(ReviewItemRow.id == id, is_theirs)
    return session.scalar(found) is not None


def is_blind(session: Session, case: str, person: str) -> bool:
    """Whether a second look of the case waits for their answer; a claim that ran out is still
    theirs, as long as nobody else has taken it.
    """
    look = _looks_of(person).where(ReviewItemRow.case_id == case)
    return session.scalar(look.limit(1)) is not None


def has_second_look(session: Session, person: str) -> bool:
    """Whether one waits for their answer, of whichever case."""
    return session.scalar(_looks_of(person).limit(1)) is not None


def _looks_of(person: str) -> Select[str]:
    return select(ReviewItemRow.id).where(
        ReviewItemRow.purpose == Purpose.SECOND_LOOK,
        ReviewItemRow.state == ItemState.OPEN,
        ReviewItemRow.holder == person,
    )


def _has_decided(person: str) -> ColumnElement[bool]:
    its = DecisionRow.item_id == ReviewItemRow.id
    return has_said(person, its, DecisionRow.outcome != Outcome.SKIP)


def _has(person: str) -> ColumnElement[bool]:
    return and_(
        ReviewItemRow.state == ItemState.OPEN,
        ReviewItemRow.holder == person,
        ReviewItemRow.held_until_us > now_us(),
    )


_ORDER: Final = (ReviewItemRow.rank, ReviewItemRow.due_us, ReviewItemRow.id)


def _place(session: Session, id: str) -> tuple[int, int, str]:
    row = session.execute(select(*_ORDER).where(ReviewItemRow.id == id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no review item {id} to go on after", hint="begin anew")
    return row.rank, row.due_us, row.id


def _whole() -> Select[ReviewItemRow, VerdictRow, PolicyRow, ScanRow, VideoRow]:
    return (
        select(ReviewItemRow, VerdictRow, PolicyRow, ScanRow, VideoRow)
        .join(VerdictRow, VerdictRow.id == ReviewItemRow.verdict_id)
        .join(PolicyRow, PolicyRow.digest == VerdictRow.policy_digest)
        .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
        .join(VideoRow, VideoRow.id == ReviewItemRow.video_id)
        .options(
            load_only(PolicyRow.digest, PolicyRow.name, PolicyRow.version),
            load_only(ScanRow.scan_id, ScanRow.fault, ScanRow.fault_message),
        )
    )


def _brief(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a verdict on hours of video: the first reason of each rule, and no segments."""
    first: dict[str, Any] = {}
    for reason in content["reasons"]:
        first.setdefault(reason["rule"], reason)
    return {**content, "reasons": first.values(), "segments": ()}


def _item(
    row: Row[ReviewItemRow, VerdictRow, PolicyRow, ScanRow, VideoRow],
    content: Mapping[str, Any] | None = None,
) -> ReviewItem:
    item, verdict, policy, scan, video = row
    return ReviewItem(
        id=item.id,
        state=_state(item.state),
        closed_reason=_close_reason(item.closed_reason),
        uri=video.uri,
        sha256=video.sha256,
        scan_id=scan.scan_id,
        verdict=verdict_from(verdict, policy, content),
        failure=failure_from(scan),
        created_at=item.created_at,
        closed_at=item.closed_at,
        purpose=Purpose(item.purpose),
        case=item.case_id,
        role=item.role,
        due_at=None if item.due_us >= NEVER_US else moment(item.due_us),
        holder=item.holder,
        held_until=moment(item.held_until_us) if item.holder else None,
        version=item.version,
        note=item.note,
    )


def _state(written: str) -> ItemState:
    """A newer program may know more states: whatever it is, there is nothing to decide here."""
    return ItemState(written) if written in set(ItemState) else ItemState.CLOSED


def _close_reason(written: str | None) -> CloseReason | None:
    if not written:
        return None
    return CloseReason(written) if written in set(CloseReason) else CloseReason.OTHER


def _no_such(id: str, *, several: bool) -> ConfigurationError:
    if several:
        return ConfigurationError(f"several review items begin with {id}", hint="write more of it")
    return NotFound(
        f"no review item begins with {id}", hint="`moderation queue list` shows what waits"
    )
