"""A page of the queue, in the order to work on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from moderation.decision import Outcome, Purpose
from moderation.person import Person, Right, Role
from moderation.reports.page import Cut
from moderation.review import ItemState, ReviewItem, ReviewQueue
from moderation.web.views.item import is_held
from moderation.web.views.place import text_for

__all__ = ["QueueView", "Row", "view_queue"]

ROWS: Final = 100
RULES: Final = 3


@dataclass(frozen=True, slots=True)
class Row:
    """An item, and what whoever looks may do with it.

    not_for_you  why they cannot claim what nobody has; empty where they can
    """

    item: ReviewItem
    why: Cut[str]
    holder: str
    can_open: bool
    can_claim: bool
    not_for_you: str

    @property
    def due_at(self) -> datetime | None:
        """Promised, and not kept yet."""
        return self.item.due_at if self.item.state is ItemState.OPEN else None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """Up to `ROWS` of `total` items; `after`: the last of them, where there are more."""

    state: ItemState
    rows: Sequence[Row]
    total: int
    after: str
    is_first: bool


def view_queue(
    queue: ReviewQueue, by: Person, state: ItemState, after: str, *, is_enough: bool
) -> QueueView:
    """The page after that item; of what is over, a reviewer sees what they decided themselves.

    is_enough  whether they have seen enough for today, and are given no more
    """
    found = queue.list(by, state=state, limit=ROWS + 1, after=after or None)
    shown = found[:ROWS]
    decided = _decided(queue, shown, by) if state is ItemState.OPEN else set()
    rows = [_row(each, by, _why_not(each.id in decided, is_enough)) for each in shown]
    return QueueView(
        state=state,
        rows=rows,
        total=queue.count(by, state=state),
        after=found[ROWS - 1].id if len(found) > ROWS else "",
        is_first=not after,
    )


def _decided(queue: ReviewQueue, items: Sequence[ReviewItem], by: Person) -> set[str]:
    """Of these the items about a case that they have decided under another."""
    said = queue.decisions({each.scan_id for each in items})
    own = {
        (scan_id, each.item_id)
        for scan_id, decisions in said.items()
        for each in decisions
        if each.person == by.name and each.outcome is not Outcome.SKIP
    }
    return {
        item.id
        for item in items
        if any(scan == item.scan_id and other != item.id for scan, other in own)
    }


def _why_not(is_decided: bool, is_enough: bool) -> str:
    if is_decided:
        return "not for you: you have decided this case"
    return "enough for today" if is_enough else ""


def _row(item: ReviewItem, by: Person, why_not: str) -> Row:
    held, own = is_held(item), is_held(item, by.name)
    is_open = item.state is ItemState.OPEN
    return Row(
        item=item,
        why=_why(item, by),
        holder=_holder(item, by) if held else "",
        can_open=own or not is_open or by.role is not Role.REVIEWER,
        can_claim=is_open and not held and not why_not and by.may(Right.CLAIM),
        not_for_you=why_not if is_open and not held else "",
    )


def _holder(item: ReviewItem, by: Person) -> str:
    """Who has what is for leads."""
    return item.holder if item.holder == by.name or by.may(Right.ASSIGN) else "taken"


def _why(item: ReviewItem, by: Person) -> Cut[str]:
    if item.failure is not None or item.purpose is Purpose.AUDIT:
        return Cut((text_for(by, item.why, item),), 0)
    rules = list(dict.fromkeys(reason.rule for reason in item.verdict.reasons))
    return Cut.of(rules or item.verdict.missing, RULES)
