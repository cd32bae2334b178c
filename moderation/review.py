"""The review queue: what waits for a person, the worst first and among equals the most urgent.

An item is claimed by one person at a time, decided by them, and may be asked about again: by lot,
after a disagreement, or by an appeal. Nothing that was decided is overwritten.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sqlalchemy import Row, Select, func, select

from moderation.decision import Decision, Judgement, Outcome, Purpose, SegmentDecision
from moderation.errors import ConfigurationError
from moderation.person import Person, Right
from moderation.policy import Policy
from moderation.review_settings import ReviewSettings
from moderation.scan import Failure, Scan
from moderation.store import Store
from moderation.store.claims import Claims
from moderation.store.convert import failure_from, verdict_from
from moderation.store.enqueue import CloseReason, ItemState
from moderation.store.load import load_scan
from moderation.store.models import (
    NEVER_US,
    PolicyRow,
    ReviewItemRow,
    ScanRow,
    VerdictRow,
    VideoRow,
)
from moderation.store.rulings import Rulings
from moderation.timeline import MICROSECONDS
from moderation.verdict import Action, Severity, Verdict

__all__ = ["CloseReason", "ItemState", "ReviewCase", "ReviewItem", "ReviewQueue"]

SHOWN: Final = 100
"""Items that `list` gives unless told otherwise: more than anybody reads at once."""


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


class ReviewCase(NamedTuple):
    """An item with the scan behind it: all that a person needs to decide.

    decisions  what was said of it before, the oldest first; a second look knows of none
    """

    item: ReviewItem
    scan: Scan
    decisions: tuple[Decision, ...] = ()


class ReviewQueue:
    """The items of one store. The store opens an item with the verdict that asks for a person.

    `by` is whoever does it: what changes anything raises `NotAllowed` for those who may not.
    """

    def __init__(self, store: Store, settings: ReviewSettings | None = None) -> None:
        self.store, self._settings = store, settings or ReviewSettings()
        self._claims = Claims(store, lease_s=self._settings.lease_s)
        self._rulings = Rulings(store, self._settings)

    def list(
        self, *, state: ItemState = ItemState.OPEN, limit: int = SHOWN
    ) -> tuple[ReviewItem, ...]:
        """The first `limit` items in the order to work on them."""
        found = _items().where(ReviewItemRow.state == state).limit(limit)
        with self.store.reading() as session:
            return tuple(_item(row) for row in session.execute(found))

    def count(self, *, state: ItemState = ItemState.OPEN) -> int:
        found = select(func.count()).where(ReviewItemRow.state == state)
        with self.store.reading() as session:
            return session.execute(found).scalar_one()

    def show(self, id: str) -> ReviewCase:
        """An item, by its id or the beginning of it, and the scan behind it.

        Raises `ConfigurationError` where no item, or more than one, begins like that.
        """
        asked = id.strip().lower()
        begins = ReviewItemRow.id.startswith(asked, autoescape=True)
        with self.store.reading() as session:
            rows = session.execute(_items().where(ReviewItemRow.id == asked)).all()
            rows = rows or session.execute(_items().where(begins).limit(2)).all()
            if len(rows) != 1:
                raise _no_such(id, several=bool(rows))
            item, scan = _item(rows[0]), load_scan(session, rows[0][1].id)
        blind = item.purpose is Purpose.SECOND_LOOK and item.state is ItemState.OPEN
        return ReviewCase(item, scan, () if blind else self._rulings.of_case(item.case))

    def claim_next(self, by: Person) -> ReviewCase | None:
        """What is this person's to decide now; `None` when nothing waits for them."""
        by.require(Right.CLAIM)
        taken = self._claims.next(by.name, by.role)
        return None if taken is None else self.show(taken)

    def claim(self, id: str, by: Person) -> ReviewCase:
        """One chosen by hand. Raises `ReviewConflict` where somebody has it or it is not theirs."""
        by.require(Right.CLAIM)
        whole = self.show(id).item.id
        self._claims.take(whole, by.name, by.role)
        return self.show(whole)

    def extend(self, id: str, by: Person) -> datetime:
        """Activity: it stays theirs; until when. Raises `ReviewConflict` where it is not."""
        by.require(Right.CLAIM)
        return self._claims.extend(id, by.name)

    def release(self, id: str, by: Person) -> None:
        """Back to the queue, by who has it. Raises `ReviewConflict` where they have not."""
        by.require(Right.CLAIM)
        self._claims.release(id, by.name)

    def free(self, id: str, by: Person) -> None:
        """Back to the queue, whoever has it. Raises `ReviewConflict` for one that is not open."""
        by.require(Right.ASSIGN)
        self._claims.release(id, by.name, by_force=True)

    def decide(
        self,
        id: str,
        by: Person,
        *,
        version: int,
        outcome: Outcome,
        reason: str = "",
        note: str = "",
        segments: Sequence[SegmentDecision] = (),
    ) -> Decision:
        """What the person who has the item says of it, as they saw it in that version.

        Raises `ConfigurationError` for a reason that the policy does not know, one that is missing
        and segments that the verdict does not have; `ReviewConflict` where the item is not theirs.
        """
        by.require(Right.DECIDE)
        self._check_reason(id, outcome, reason)
        self._check_segments(id, segments)
        return self._rulings.decide(
            id,
            by.name,
            by.role,
            version=version,
            outcome=outcome,
            reason=reason,
            note=note,
            segments=segments,
        )

    def undo(self, id: str, by: Person) -> None:
        """Take one's last decision back, shortly after it. Raises `ReviewConflict` later."""
        by.require(Right.DECIDE)
        self._rulings.undo(id, by.name, lease_s=self._settings.lease_s)

    def reopen(self, id: str, by: Person, *, reason: str) -> None:
        """A decided item is to be decided again. Raises `ReviewConflict` for any other."""
        by.require(Right.REOPEN)
        self._rulings.reopen(id, by.name, reason=reason)

    def appeal(self, id: str, by: Person, *, note: str) -> str:
        """Have a decided item decided by somebody else; the id of the item that asks for it."""
        by.require(Right.APPEAL)
        return self._rulings.appeal(id, by.name, note=note)

    def decisions(self, scan_ids: Collection[str]) -> Mapping[str, tuple[Decision, ...]]:
        """All that was said of verdicts in force and not taken back, by scan id, the oldest first.

        For reports: a second look is blind, see `show`.
        """
        return self._rulings.decisions(scan_ids)

    def _check_reason(self, id: str, outcome: Outcome, reason: str) -> None:
        known = Policy.restore(self._policy(id)).reasons
        if reason and known and reason not in known:
            raise ConfigurationError(
                f"the policy has no reason {reason}", hint=f"give one of {', '.join(known)}"
            )
        if self._settings.require_reason and outcome.is_final and not reason:
            raise ConfigurationError(
                "a decision needs a reason",
                hint=f"give one of {', '.join(known)}" if known else "say why",
            )

    def _check_segments(self, id: str, segments: Sequence[SegmentDecision]) -> None:
        if not segments:
            return
        seen = {(each.label, each.span) for each in self.show(id).item.verdict.segments}
        for each in segments:
            if (each.label, each.span) not in seen:
                raise ConfigurationError(
                    f"the verdict has no segment {each.label} at {each.span.start}",
                    hint="look at the item again: it may be another verdict's",
                )
            if (each.judgement is Judgement.CORRECT) != bool(each.corrected):
                raise ConfigurationError(
                    f"the segment {each.label} at {each.span.start} is corrected to nothing",
                    hint="a corrected segment, and no other, has the label that is right",
                )

    def _policy(self, id: str) -> str:
        found = (
            select(PolicyRow.text)
            .join(VerdictRow, VerdictRow.policy_digest == PolicyRow.digest)
            .join(ReviewItemRow, ReviewItemRow.verdict_id == VerdictRow.id)
            .where(ReviewItemRow.id == id)
        )
        with self.store.reading() as session:
            text = session.scalar(found)
        if text is None:
            raise _no_such(id, several=False)
        return text


def _items() -> Select[ReviewItemRow, VerdictRow, PolicyRow, ScanRow, VideoRow]:
    return (
        select(ReviewItemRow, VerdictRow, PolicyRow, ScanRow, VideoRow)
        .join(VerdictRow, VerdictRow.id == ReviewItemRow.verdict_id)
        .join(PolicyRow, PolicyRow.digest == VerdictRow.policy_digest)
        .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
        .join(VideoRow, VideoRow.id == ReviewItemRow.video_id)
        .order_by(ReviewItemRow.rank, ReviewItemRow.due_us, ReviewItemRow.id)
    )


def _item(row: Row[ReviewItemRow, VerdictRow, PolicyRow, ScanRow, VideoRow]) -> ReviewItem:
    item, verdict, policy, scan, video = row
    return ReviewItem(
        id=item.id,
        state=ItemState(item.state),
        closed_reason=CloseReason(item.closed_reason) if item.closed_reason else None,
        uri=video.uri,
        sha256=video.sha256,
        scan_id=scan.scan_id,
        verdict=verdict_from(verdict, policy),
        failure=failure_from(scan),
        created_at=item.created_at,
        closed_at=item.closed_at,
        purpose=Purpose(item.purpose),
        case=item.case_id,
        role=item.role,
        due_at=None if item.due_us >= NEVER_US else _moment(item.due_us),
        holder=item.holder,
        held_until=_moment(item.held_until_us) if item.holder else None,
        version=item.version,
        note=item.note,
    )


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us / MICROSECONDS, UTC)


def _no_such(id: str, *, several: bool) -> ConfigurationError:
    if several:
        return ConfigurationError(f"several review items begin with {id}", hint="write more of it")
    return ConfigurationError(
        f"no review item begins with {id}", hint="`moderation queue list` shows what waits"
    )
