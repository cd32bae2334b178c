"""A page of the queue, in the order to work on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from moderation.decision import Purpose
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
    """An item, and what whoever looks may do with it."""

    item: ReviewItem
    why: Cut[str]
    holder: str
    can_open: bool
    can_claim: bool

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


def view_queue(queue: ReviewQueue, by: Person, state: ItemState, after: str) -> QueueView:
    """The page after that item; of what is over, a reviewer sees what they decided themselves."""
    mine = by.role is Role.REVIEWER and state is not ItemState.OPEN
    found = queue.list(by, state=state, limit=ROWS + 1, after=after or None, mine=mine)
    rows = [_row(each, by) for each in found[:ROWS]]
    return QueueView(
        state=state,
        rows=rows,
        total=len(rows) if mine else queue.count(by, state=state),
        after=found[ROWS - 1].id if len(found) > ROWS else "",
        is_first=not after,
    )


def _row(item: ReviewItem, by: Person) -> Row:
    held, own = is_held(item), is_held(item, by.name)
    is_open = item.state is ItemState.OPEN
    return Row(
        item=item,
        why=_why(item, by),
        holder=item.holder if held else "",
        can_open=own or not is_open or by.role is not Role.REVIEWER,
        can_claim=is_open and not held and by.may(Right.CLAIM),
    )


def _why(item: ReviewItem, by: Person) -> Cut[str]:
    if item.failure is not None or item.purpose is Purpose.AUDIT:
        return Cut((text_for(by, item.why, item),), 0)
    rules = list(dict.fromkeys(reason.rule for reason in item.verdict.reasons))
    return Cut.of(rules or item.verdict.missing, RULES)
