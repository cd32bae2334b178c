"""Waiting: what of the queue somebody has in hand, and what is asked again already."""

from __future__ import annotations

from moderation.decision import Purpose
from moderation.person import Person
from moderation.review import ItemState, ReviewItem
from moderation.store import Store
from moderation.store.clock import now_us
from moderation.store.items import count, seen_by
from moderation.store.models import ReviewItemRow

__all__ = ["appeal_waits", "in_hand"]


def in_hand(store: Store, by: Person) -> int:
    """Items of those that wait for `by` and others like them which somebody has now."""
    shown = seen_by(by, ItemState.OPEN, mine=False)
    with store.reading() as session:
        return count(
            session, *shown, ReviewItemRow.holder != "", ReviewItemRow.held_until_us > now_us()
        )


def appeal_waits(store: Store, item: ReviewItem) -> bool:
    """Whether an appeal about its case is not decided yet."""
    appeal = (ReviewItemRow.case_id == item.case, ReviewItemRow.purpose == Purpose.APPEAL)
    with store.reading() as session:
        return bool(count(session, *appeal, ReviewItemRow.state == ItemState.OPEN))
