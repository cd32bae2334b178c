"""The review queue: what waits for a person, the worst first and among equals the oldest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Row, Select, func, select

from moderation.errors import ConfigurationError
from moderation.scan import Failure, Scan
from moderation.store import Store
from moderation.store.convert import failure_from, verdict_from
from moderation.store.enqueue import CloseReason, ItemState
from moderation.store.load import load_scan
from moderation.store.models import PolicyRow, ReviewItemRow, ScanRow, VerdictRow, VideoRow
from moderation.verdict import Action, Severity, Verdict

__all__ = ["CloseReason", "ItemState", "ReviewCase", "ReviewItem", "ReviewQueue"]

SHOWN: Final = 100
"""Items that `list` gives unless told otherwise: more than anybody reads at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """One video that a person is to look at.

    id       ten letters and digits, the same for as long as the item lives
    failure  why nobody could look at it yet, for a video that could not be scanned
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
        fired = [f"{reason.rule} at {reason.span.start}" for reason in self.verdict.reasons]
        return ", ".join(fired) or "; ".join(self.verdict.missing)


class ReviewCase(NamedTuple):
    """An item with the scan behind it: all that a person needs to decide."""

    item: ReviewItem
    scan: Scan


class ReviewQueue:
    """The items of one store. The store opens an item with the verdict that asks for a person."""

    def __init__(self, store: Store) -> None:
        self.store = store

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
        begins = ReviewItemRow.id.startswith(id.strip().lower(), autoescape=True)
        with self.store.reading() as session:
            rows = session.execute(_items().where(begins).limit(2)).all()
            if len(rows) != 1:
                raise _no_such(id, several=bool(rows))
            return ReviewCase(_item(rows[0]), load_scan(session, rows[0][1].id))


def _items() -> Select[ReviewItemRow, VerdictRow, PolicyRow, ScanRow, VideoRow]:
    return (
        select(ReviewItemRow, VerdictRow, PolicyRow, ScanRow, VideoRow)
        .join(VerdictRow, VerdictRow.id == ReviewItemRow.verdict_id)
        .join(PolicyRow, PolicyRow.digest == VerdictRow.policy_digest)
        .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
        .join(VideoRow, VideoRow.id == ReviewItemRow.video_id)
        .order_by(ReviewItemRow.severity_rank.desc(), ReviewItemRow.created_at, ReviewItemRow.id)
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
    )


def _no_such(id: str, *, several: bool) -> ConfigurationError:
    if several:
        return ConfigurationError(f"several review items begin with {id}", hint="write more of it")
    return ConfigurationError(
        f"no review item begins with {id}", hint="`moderation queue list` shows what waits"
    )
