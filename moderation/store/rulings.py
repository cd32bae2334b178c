"""Rulings: what people decide of review items, and what follows from it.

A decision is a row that nobody changes; taking it back marks it, and the item is open again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, select
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
    locked_case,
    noted,
)
from moderation.store.clock import moment
from moderation.store.database import insert_new, retried
from moderation.store.decisions import SEGMENTS, decision_from, of_case
from moderation.store.enqueue import (
    CloseReason,
    ItemState,
    close_items,
    due_us,
    item_id,
    note_opened,
)
from moderation.store.models import (
    DecisionRow,
    ReviewItemRow,
    ScanRow,
    VerdictRow,
    VideoRow,
)
from moderation.store.seal import new_salt, seal
from moderation.store.store import Store
from moderation.store.tombstone import ERASED
from moderation.timeline import MICROSECONDS
from moderation.verdict import Severity

__all__ = ["Rulings"]

_lot = random.SystemRandom()

_ASKS: Final[Mapping[Purpose, Collection[Purpose]]] = {
    Purpose.VERDICT: (Purpose.SECOND_LOOK, Purpose.THIRD_LOOK, Purpose.APPEAL),
    Purpose.AUDIT: (Purpose.SECOND_LOOK, Purpose.THIRD_LOOK, Purpose.APPEAL),
    Purpose.SECOND_LOOK: (Purpose.THIRD_LOOK,),
    Purpose.THIRD_LOOK: (Purpose.APPEAL,),
    Purpose.APPEAL: (),
}
"""What asks about the decision on an item of a purpose, and has no use when that is taken back."""

_FIRST: Final = (Purpose.VERDICT, Purpose.AUDIT)
"""Purposes of the item that a case begins with."""


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
            "segments": SEGMENTS.dump_python(tuple(segments), mode="json"),
        }
        with self._store.writing() as session:
            row, now = locked_case(session, item_id), clock(session)
            again = _said_before(session, row, person, version)
            if again is not None and said == {name: getattr(again, name) for name in said}:
                return decision_from(again, row)
            check_held(row, person, version, now)
            check_right(session, row, person, role)
            seconds = max(0, now - row.claimed_us) / MICROSECONDS
            said = {**said, "version": version, "seconds": seconds, "decided_at": moment(now)}
            made = _written(session, row, person, said)
            decision = decision_from(made, row)
            self._follow(session, row, decision, now)
            if outcome.is_final:
                announce_decision(session, decision, row.case_id, self._settings.undo_s)
            # No words: they may be erased.
            told = {"decision": made.id, "outcome": outcome.value, **seal(made)}
            noted(session, person, "item.decided", item_id, version=version, **told)
            return decision

    @retried
    def undo(self, item_id: str, person: str, *, lease_s: float) -> None:
        """Take the last decision back, shortly after it; the item is the person's again.

        Raises `ReviewConflict` when it is too late, somebody else's, somebody was told of it, or
        somebody has the item now.
        """
        with self._store.writing() as session:
            row, now = locked_case(session, item_id), clock(session)
            last = _last(session, item_id)
            if last is None or last.person != person or not self._is_fresh(last, now):
                raise ReviewConflict(
                    f"there is no decision on {item_id} of yours to take back any more",
                    hint="a lead can reopen the item, with a reason",
                )
            _check_current(session, row)
            if _is_final(last):
                _check_counts(session, row)
            is_held = row.state == ItemState.OPEN and row.holder and row.held_until_us > now
            if is_held or row.state == ItemState.CLOSED:
                raise conflict(row, now)
            if last.outcome == Outcome.ESCALATE:
                row.role = ROLES[max(0, ROLES.index(Role(row.role)) - 1)]
            if not recall_decision(session, last.id, last.decided_at):
                raise ReviewConflict(
                    f"others have been told of the decision on {item_id} already",
                    hint="a lead can reopen the item, with a reason",
                )
            _withdraw(session, row, [last], person, now)
            row.holder, row.claimed_us = person, now
            row.held_until_us = now + round(lease_s * MICROSECONDS)
            noted(session, person, "decision.undone", item_id, decision=last.id)

    @retried
    def reopen(self, item_id: str, person: str, *, reason: str) -> None:
        """A decided item waits for a decision again.

        Raises `ReviewConflict` for one that is not decided, or about which a third look or an
        appeal has decided since; `ConfigurationError` without a reason.
        """
        if not reason.strip():
            raise ConfigurationError("to reopen an item takes a reason", hint="say why")
        with self._store.writing() as session:
            row, now = locked_case(session, item_id), clock(session)
            _check_current(session, row)
            if row.state != ItemState.DECIDED:
                raise conflict(row, now)
            _check_counts(session, row)
            decisions = _in_force(session, item_id)
            for each in decisions:
                recall_decision(session, each.id, each.decided_at)
            _withdraw(session, row, decisions, person, now, reason)
            row.holder, row.held_until_us = "", 0
            ids = [each.id for each in decisions]
            noted(session, person, "item.reopened", item_id, decisions=ids)

    @retried
    def appeal(self, item_id: str, person: str, *, note: str) -> str:
        """Whoever the decision is about does not agree: the id of the item that asks again.

        Raises `ReviewConflict` while nothing is decided, and while another appeal waits.
        """
        with self._store.writing() as session:
            row, now = locked_case(session, item_id), clock(session)
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
            made = self._open(session, row, Purpose.APPEAL, row.role, len(appeals), now, note=note)
            noted(session, person, "item.appealed", item_id, appeal=made)
            return made

    def _is_fresh(self, decision: DecisionRow, now: int) -> bool:
        age = moment(now) - decision.decided_at
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
                    self._open(
                        session, row, Purpose.SECOND_LOOK, row.role, said.id, now, settled_us
                    )
            case Purpose.SECOND_LOOK if _disagrees(session, said, row.case_id):
                self._open(session, row, Purpose.THIRD_LOOK, Role.LEAD, said.id, now, settled_us)

    def _open(
        self,
        session: Session,
        row: ReviewItemRow,
        purpose: Purpose,
        role: str,
        mark: int,
        now: int,
        not_before_us: int = 0,
        note: str = "",
    ) -> str:
        """Another item about the same verdict; its id."""
        case, at = row.case_id, moment(now)
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
            "due_us": due_us(self._settings, severity, at),
            "held_until_us": not_before_us,
            "state": ItemState.OPEN,
            "created_at": at,
            "note": note,
        }
        insert_new(session, ReviewItemRow, [item])
        note_opened(session, item, at)
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


def _check_counts(session: Session, row: ReviewItemRow) -> None:
    """Raises `ReviewConflict` where a third look or an appeal has decided about the item since:
    whatever is said of it now would not count.
    """
    asking = _ASKS[Purpose(row.purpose)]
    again = standing(each for each in of_case(session, row.case_id) if each.purpose in asking)
    if again is not None:
        raise ReviewConflict(
            f"the review item {row.id} was decided again since", hint=f"reopen {again.item_id}"
        )


def _disagrees(session: Session, said: Decision, case: str) -> bool:
    """Whether a second look says something else than the first one, while that one stands."""
    stands = standing(of_case(session, case))
    return stands is not None and stands.purpose in _FIRST and stands.outcome is not said.outcome


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
        salt=new_salt(),
        **said,
    )
    session.add(row)
    session.flush()
    return row


def _withdraw(
    session: Session,
    row: ReviewItemRow,
    decisions: Sequence[DecisionRow],
    person: str,
    now: int,
    why: str = "",
) -> None:
    """The decisions count no more, nor does whatever else asks about them; the item is open."""
    for said in decisions:
        said.withdrawn_at, said.withdrawn_note = moment(now), why
    purposes = _ASKS[Purpose(row.purpose)] if any(map(_is_final, decisions)) else ()
    asking = (
        ReviewItemRow.case_id == row.case_id,
        ReviewItemRow.id != row.id,
        ReviewItemRow.purpose.in_(purposes),
    )
    reason = CloseReason.WITHDRAWN
    close_items(session, *asking, reason=reason, now=moment(now), actor=person)
    # Those would wait again when the upload is back.
    gone = select(ReviewItemRow).where(*asking, ReviewItemRow.closed_reason == CloseReason.DELETED)
    for each in session.scalars(gone.order_by(ReviewItemRow.id)):
        each.closed_reason = reason
        noted(session, person, "item.closed", each.id, reason=reason.value)
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
