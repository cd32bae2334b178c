"""Rulings: what people decide of review items, and what follows from it.

A decision is a row that nobody changes; taking it back marks it, and the item is open again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from moderation.decision import Decision, Outcome, Purpose, SegmentDecision, standing
from moderation.errors import ConfigurationError, ReviewConflict
from moderation.person import Role
from moderation.review_settings import ReviewSettings
from moderation.store.announcements import announce_decision, recall_decision
from moderation.store.claims import (
    ROLES,
    check_held,
    check_right,
    clock,
    conflict,
    locked_item,
    noted,
)
from moderation.store.database import insert_new, retried
from moderation.store.enqueue import CloseReason, ItemState, due_us, item_id
from moderation.store.models import (
    DecisionRow,
    ReviewItemRow,
    ScanRow,
    VerdictRow,
    VideoRow,
)
from moderation.store.store import Store
from moderation.store.tombstone import ERASED
from moderation.timeline import MICROSECONDS
from moderation.verdict import Severity

__all__ = ["Rulings"]

_SEGMENTS: Final = TypeAdapter(tuple[SegmentDecision, ...])

_lot = random.SystemRandom()

_ASKS: Final[Mapping[Purpose, Collection[Purpose]]] = {
    Purpose.VERDICT: (Purpose.SECOND_LOOK, Purpose.THIRD_LOOK, Purpose.APPEAL),
    Purpose.AUDIT: (Purpose.SECOND_LOOK, Purpose.THIRD_LOOK, Purpose.APPEAL),
    Purpose.SECOND_LOOK: (Purpose.THIRD_LOOK,),
    Purpose.THIRD_LOOK: (Purpose.APPEAL,),
    Purpose.APPEAL: (),
}
"""What asks about the decision on an item of a purpose, and has no use when that is taken back."""


class Rulings:
    """Decisions about the items of one store.

    chance  a number of [0, 1) for each decision, by which some are looked at again
    """

    def __init__(
        self,
        store: Store,
        settings: ReviewSettings,
        chance: Callable[[], float] = _lot.random,
    ) -> None:
        self._store, self._settings, self._chance = store, settings, chance

    @retried
    def decide(
        self,
        item_id: str,
        person: str,
        role: Role,
        *,
        version: int,
        outcome: Outcome,
        reason: str = "",
        note: str = "",
        segments: Sequence[SegmentDecision] = (),
    ) -> Decision:
        """Keep what the person who holds the item says of it.

        version  of the item, as they saw it

        The same said twice is said once. Raises `ReviewConflict` when the item is not theirs, or
        not as it was.
        """
        said = {
            "outcome": outcome.value,
            "reason": reason,
            "note": note,
            "segments": _SEGMENTS.dump_python(tuple(segments), mode="json"),
        }
        with self._store.writing() as session:
            row, now = locked_item(session, item_id), clock(session)
            again = _said_before(session, row, person, version)
            if again is not None and said == {name: getattr(again, name) for name in said}:
                return _decision(again, row)
            check_held(row, person, version, now)
            check_right(session, row, person, role)
            seconds = max(0, now - row.claimed_us) / MICROSECONDS
            made = _written(session, row, person, {**said, "version": version, "seconds": seconds})
            decision = _decision(made, row)
            self._follow(session, row, decision, now)
            if outcome.is_final:
                announce_decision(session, decision, row.case_id, self._settings.undo_s)
            told = {"decision": made.id, "outcome": outcome.value}  # no words: they may be erased
            noted(session, person, "item.decided", item_id, version=version, **told)
            return decision

    @retried
    def undo(self, item_id: str, person: str, *, lease_s: float) -> None:
        """Take the last decision back, shortly after it; the item is the person's again.

        Raises `ReviewConflict` when it is too late, somebody else's, or somebody has the item now.
        """
        with self._store.writing() as session:
            row, now = locked_item(session, item_id), clock(session)
            last = _last(session, item_id)
            if last is None or last.person != person or not self._is_fresh(last):
                raise ReviewConflict(
                    f"there is no decision on {item_id} of yours to take back any more",
                    hint="a lead can reopen the item, with a reason",
                )
            _check_current(session, row)
            is_held = row.state == ItemState.OPEN and row.holder and row.held_until_us > now
            if is_held or row.state == ItemState.CLOSED:
                raise conflict(row, now)
            if last.outcome == Outcome.ESCALATE:
                row.role = ROLES[max(0, ROLES.index(Role(row.role)) - 1)]
            _withdraw(session, row, [last])
            row.holder, row.claimed_us = person, now
            row.held_until_us = now + round(lease_s * MICROSECONDS)
            noted(session, person, "decision.undone", item_id, decision=last.id)

    @retried
    def reopen(self, item_id: str, person: str, *, reason: str) -> None:
        """A decided item waits for a decision again. Raises `ReviewConflict` for one that is not.

        Raises `ConfigurationError` without a reason.
        """
        if not reason.strip():
            raise ConfigurationError("to reopen an item takes a reason", hint="say why")
        with self._store.writing() as session:
            row = locked_item(session, item_id)
            _check_current(session, row)
            if row.state != ItemState.DECIDED:
                raise conflict(row, clock(session))
            _withdraw(session, row, _in_force(session, item_id), reason)
            row.holder, row.held_until_us = "", 0
            noted(session, person, "item.reopened", item_id)

    @retried
    def appeal(self, item_id: str, person: str, *, note: str) -> str:
        """Whoever the decision is about does not agree: the id of the item that asks again.

        Raises `ReviewConflict` while nothing is decided, and while another appeal waits.
        """
        with self._store.writing() as session:
            row = locked_item(session, item_id)
            _check_current(session, row)
            if row.state != ItemState.DECIDED:
                raise ReviewConflict(
                    f"the review item {item_id} is not decided", hint="appeal when it is"
                )
            case, purpose = row.case_id, ReviewItemRow.purpose == Purpose.APPEAL
            appeals = session.scalars(
                select(ReviewItemRow.state).where(ReviewItemRow.case_id == case, purpose)
            ).all()
            if ItemState.OPEN in appeals:
                raise ReviewConflict(f"an appeal about {item_id} waits for a decision already")
            made = self._open(session, row, Purpose.APPEAL, row.role, len(appeals), note=note)
            noted(session, person, "item.appealed", item_id, appeal=made)
            return made

    def decisions(self, scan_ids: Collection[str]) -> Mapping[str, tuple[Decision, ...]]:
        """All that was said of verdicts in force and not taken back, by scan, the oldest first."""
        found = (
            select(ScanRow.scan_id, DecisionRow, ReviewItemRow)
            .join(ReviewItemRow, ReviewItemRow.id == DecisionRow.item_id)
            .join(VerdictRow, VerdictRow.id == ReviewItemRow.verdict_id)
            .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
            .where(ScanRow.scan_id.in_(scan_ids), VerdictRow.current)
            .where(DecisionRow.withdrawn_at.is_(None))
            .order_by(DecisionRow.decided_at, DecisionRow.id)
        )
        said: dict[str, list[Decision]] = {}
        with self._store.reading() as session:
            for scan_id, row, item in session.execute(found):
                said.setdefault(scan_id, []).append(_decision(row, item))
        return {scan_id: tuple(each) for scan_id, each in said.items()}

    def of_case(self, case_id: str) -> tuple[Decision, ...]:
        """What was said of one case and not taken back, the oldest first."""
        with self._store.reading() as session:
            return _of_case(session, case_id)

    def _is_fresh(self, decision: DecisionRow) -> bool:
        age = datetime.now(UTC) - decision.decided_at
        return decision.withdrawn_at is None and age.total_seconds() <= self._settings.undo_s

    def _follow(self, session: Session, row: ReviewItemRow, said: Decision, now: int) -> None:
        """What becomes of the item, and who else is asked."""
        row.holder, row.held_until_us, row.version = "", 0, row.version + 1
        if said.outcome is Outcome.ESCALATE:
            row.role = _above(row)
        if not said.outcome.is_final:
            return
        row.state, row.closed_at = ItemState.DECIDED, said.decided_at
        settled_us = now + round(self._settings.undo_s * MICROSECONDS)
        match Purpose(row.purpose):
            case Purpose.VERDICT | Purpose.AUDIT:
                if self._chance() < self._settings.second_look_share:
                    self._open(session, row, Purpose.SECOND_LOOK, row.role, said.id, settled_us)
            case Purpose.SECOND_LOOK:
                first = standing(_of_case(session, row.case_id))
                if first is not None and first.outcome is not said.outcome:
                    self._open(session, row, Purpose.THIRD_LOOK, Role.LEAD, said.id, settled_us)

    def _open(
        self,
        session: Session,
        row: ReviewItemRow,
        purpose: Purpose,
        role: str,
        mark: int,
        not_before_us: int = 0,
        note: str = "",
    ) -> str:
        """Another item about the same verdict; its id."""
        case, moment = row.case_id, datetime.now(UTC)
        severity = next(each for each in Severity if each.rank == row.severity_rank)
        id = item_id(purpose, case, mark)
        item = {
            "id": id,
            "case_id": case,
            "purpose": purpose,
            "role": role,
            "verdict_id": row.verdict_id,
            "video_id": row.video_id,
            "severity_rank": row.severity_rank,
            "rank": row.rank,
            "due_us": due_us(self._settings, severity, moment),
            "held_until_us": not_before_us,
            "state": ItemState.OPEN,
            "created_at": moment,
            "note": note,
        }
        insert_new(session, ReviewItemRow, [item])
        return id


def _check_current(session: Session, row: ReviewItemRow) -> None:
    """Raises `ReviewConflict` where there is nothing left to decide, or something else."""
    verdict = session.get_one(VerdictRow, row.verdict_id)
    scan = session.get_one(ScanRow, verdict.scan_id)
    video = session.get_one(VideoRow, row.video_id)
    erased = video.erased_at is not None and scan.scanned_at <= video.erased_at
    if video.uri == ERASED or erased:
        raise ReviewConflict(
            f"what the review item {row.id} is about was erased",
            hint="submit the video again, if there still is one",
        )
    if not verdict.current and row.purpose != Purpose.APPEAL:
        raise ReviewConflict(
            f"a newer verdict has replaced what the review item {row.id} is about",
            hint="claim the next one",
        )


def _above(row: ReviewItemRow) -> str:
    if row.role == ROLES[-1]:
        raise ConfigurationError(
            f"the review item {row.id} is for an {row.role}: nobody is above", hint="decide it"
        )
    return ROLES[ROLES.index(Role(row.role)) + 1]


def _written(
    session: Session, item: ReviewItemRow, person: str, said: Mapping[str, Any]
) -> DecisionRow:
    counted = select(func.count()).where(DecisionRow.item_id == item.id)
    row = DecisionRow(
        item_id=item.id,
        case_id=item.case_id,
        number=session.execute(counted).scalar_one() + 1,
        person=person,
        decided_at=datetime.now(UTC),
        **said,
    )
    session.add(row)
    session.flush()
    return row


def _withdraw(
    session: Session, row: ReviewItemRow, decisions: Sequence[DecisionRow], why: str = ""
) -> None:
    """The decisions count no more, nor does whatever else asks about them; the item is open."""
    moment = datetime.now(UTC)
    for each in decisions:
        each.withdrawn_at, each.withdrawn_note = moment, why
        recall_decision(session, each.id, each.decided_at)
    asking = _ASKS[Purpose(row.purpose)] if any(map(_is_final, decisions)) else ()
    session.execute(
        update(ReviewItemRow)
        .where(ReviewItemRow.case_id == row.case_id, ReviewItemRow.id != row.id)
        .where(ReviewItemRow.state == ItemState.OPEN, ReviewItemRow.purpose.in_(asking))
        .values(
            state=ItemState.CLOSED,
            closed_reason=CloseReason.WITHDRAWN,
            closed_at=moment,
            version=ReviewItemRow.version + 1,
        )
    )
    row.state, row.version = ItemState.OPEN, row.version + 1
    row.closed_at = row.closed_reason = None


def _is_final(decision: DecisionRow) -> bool:
    return Outcome(decision.outcome).is_final


def _last(session: Session, item_id: str) -> DecisionRow | None:
    found = select(DecisionRow).where(DecisionRow.item_id == item_id)
    return session.scalar(found.order_by(DecisionRow.number.desc()).limit(1))


def _in_force(session: Session, item_id: str) -> Sequence[DecisionRow]:
    return session.scalars(
        select(DecisionRow).where(
            DecisionRow.item_id == item_id, DecisionRow.withdrawn_at.is_(None)
        )
    ).all()


def _said_before(
    session: Session, row: ReviewItemRow, person: str, version: int
) -> DecisionRow | None:
    return session.scalar(
        select(DecisionRow).where(
            DecisionRow.item_id == row.id,
            DecisionRow.person == person,
            DecisionRow.version == version,
            DecisionRow.withdrawn_at.is_(None),
        )
    )


def _of_case(session: Session, case_id: str) -> tuple[Decision, ...]:
    found = (
        select(DecisionRow, ReviewItemRow)
        .join(ReviewItemRow, ReviewItemRow.id == DecisionRow.item_id)
        .where(DecisionRow.case_id == case_id, DecisionRow.withdrawn_at.is_(None))
        .order_by(DecisionRow.decided_at, DecisionRow.id)
    )
    return tuple(_decision(row, item) for row, item in session.execute(found))


def _decision(row: DecisionRow, item: ReviewItemRow) -> Decision:
    return Decision(
        id=row.id,
        item_id=row.item_id,
        number=row.number,
        person=row.person,
        outcome=Outcome(row.outcome),
        reason=row.reason,
        note=row.note,
        segments=_SEGMENTS.validate_python(row.segments),
        seconds=row.seconds,
        decided_at=row.decided_at,
        purpose=Purpose(item.purpose),
    )
