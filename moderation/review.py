"""The review queue: what waits for a person, the worst first and among equals the most urgent.

An item is claimed by one person at a time, decided by them, and may be asked about again: by lot,
after a disagreement, or by an appeal. Nothing that was decided is overwritten.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from moderation.decision import (
    Decision,
    Judgement,
    Outcome,
    Purpose,
    SegmentDecision,
    standing,
)
from moderation.errors import ConfigurationError, NotAllowed, NotFound
from moderation.person import Person, Right, Role
from moderation.policy import Policy
from moderation.review_settings import ReviewSettings
from moderation.scan import Scan
from moderation.store import Store
from moderation.store.claims import Claims
from moderation.store.decisions import of_case, of_scans
from moderation.store.enqueue import CloseReason, ItemState
from moderation.store.items import ReviewItem, count, find, has_seen, is_blind, page, seen_by
from moderation.store.load import load_scan
from moderation.store.rulings import Rulings

__all__ = ["CloseReason", "ItemState", "ReviewCase", "ReviewItem", "ReviewQueue"]

SHOWN: Final = 100
"""Items that `list` gives unless told otherwise: more than anybody reads at once."""


class ReviewCase(NamedTuple):
    """An item with the scan behind it: all that a person needs to decide.

    decisions  what was said of it before, the oldest first, as far as they may know: see `show`
    """

    item: ReviewItem
    scan: Scan
    decisions: tuple[Decision, ...] = ()


class ReviewQueue:
    """The items of one store. The store opens an item with the verdict that asks for a person.

    `by` is whoever does it: everything raises `NotAllowed` for those who may not.
    """

    def __init__(self, store: Store, settings: ReviewSettings | None = None) -> None:
        self.store, self._settings = store, settings or ReviewSettings()
        self._claims = Claims(store, lease_s=self._settings.lease_s)
        self._rulings = Rulings(store, self._settings)

    def list(
        self,
        by: Person,
        *,
        state: ItemState = ItemState.OPEN,
        limit: int = SHOWN,
        after: str | None = None,
        mine: bool = False,
    ) -> tuple[ReviewItem, ...]:
        """The first `limit` items in the order to work on them; a reviewer's without those that
        are for a higher role. Of each verdict it has the first reason of each rule, and no
        segments: `show` has all.

        after  the id of the last item of the page before: what changed meanwhile moves no page
        mine   only what they have now or, in another state, have decided

        Raises `ConfigurationError` where `after` names no item.
        """
        by.require(Right.CLAIM)
        with self.store.reading() as session:
            which = seen_by(by, state, mine=mine)
            return page(session, *which, limit=limit, after=after)

    def count(self, by: Person, *, state: ItemState = ItemState.OPEN) -> int:
        """How many there are on all pages of `list`."""
        by.require(Right.CLAIM)
        with self.store.reading() as session:
            return count(session, *seen_by(by, state, mine=False))

    def show(self, id: str, by: Person) -> ReviewCase:
        """An item, by its id or the beginning of it, and the scan behind it.

        Leads and admins see every case; a reviewer only one that they have now or have decided
        under this item, and of decisions only their own. Who has an appeal sees the decision that
        counts, too: it is the one that they are to judge. Who has an open second look sees no
        decision of its case, by whichever item they ask, and nobody sees one by the second look.

        Raises `ConfigurationError` where no item, or more than one, begins like that.
        """
        by.require(Right.CLAIM)
        with self.store.reading() as session:
            item, verdict = find(session, id)
            if by.role is Role.REVIEWER and not has_seen(session, item.id, by.name):
                raise NotAllowed(
                    f"you neither have nor have decided the review item {item.id}",
                    hint="claim it, or ask a lead",
                )
            return self._case(session, item, verdict, by)

    def policy_of(self, item: ReviewItem) -> Policy:
        """The policy that judged it, with the rules that may have fired and the reason codes."""
        text = self.store.policy(item.verdict.policy.digest)
        if text is None:
            raise NotFound(f"there is no review item {item.id} any more", hint="claim the next one")
        return Policy.restore(text)

    def claim_next(self, by: Person) -> ReviewCase | None:
        """What is this person's to decide now; `None` when nothing waits for them."""
        by.require(Right.CLAIM)
        taken = self._claims.next(by.name, by.role)
        return None if taken is None else self._claimed(taken, by)

    def claim(self, id: str, by: Person) -> ReviewCase:
        """One chosen by hand. Raises `ReviewConflict` where somebody has it or it is not theirs."""
        by.require(Right.CLAIM)
        whole = self._item(id).id
        self._claims.take(whole, by.name, by.role)
        return self._claimed(whole, by)

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
        item = self._item(id)
        self._check_reason(item, outcome, reason, note)
        _check_segments(item, segments)
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
        with self.store.reading() as session:
            return of_scans(session, scan_ids)

    def _claimed(self, id: str, by: Person) -> ReviewCase:
        with self.store.reading() as session:
            return self._case(session, *find(session, id), by)

    def _case(self, session: Session, item: ReviewItem, verdict: int, by: Person) -> ReviewCase:
        is_hidden = item.purpose is Purpose.SECOND_LOOK and item.state is ItemState.OPEN
        if is_hidden or is_blind(session, item.case, by.name):
            said: tuple[Decision, ...] = ()
        else:
            said = _told(of_case(session, item.case), item, by)
        return ReviewCase(item, load_scan(session, verdict), said)

    def _item(self, id: str) -> ReviewItem:
        with self.store.reading() as session:
            return find(session, id)[0]

    def _check_reason(self, item: ReviewItem, outcome: Outcome, reason: str, note: str) -> None:
        known = self.policy_of(item).reasons
        # A reason is a code, which is kept when the words of a decision are erased.
        choice = f"give one of {', '.join(known)}" if known else "say it in the note"
        if reason and reason not in known:
            raise ConfigurationError(f"the policy has no reason {reason}", hint=choice)
        said = reason if known else note.strip()
        if self._settings.require_reason and outcome.is_final and not said:
            raise ConfigurationError("a decision needs a reason", hint=choice)


def _told(said: tuple[Decision, ...], item: ReviewItem, by: Person) -> tuple[Decision, ...]:
    if by.role is not Role.REVIEWER:
        return said
    judged = standing(said) if item.purpose is Purpose.APPEAL and item.holder == by.name else None
    return tuple(each for each in said if each.person == by.name or each is judged)


def _check_segments(item: ReviewItem, segments: Sequence[SegmentDecision]) -> None:
    seen = {(each.label, each.span) for each in item.verdict.segments}
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
