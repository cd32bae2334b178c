"""Deleted uploads: nobody is asked about what nobody can look at any more.

What was seen stays until retention takes it, which does not wait for a closed item. An appeal stays
open: whoever made it is owed an answer. The same bytes uploaded again open the item again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from moderation.decision import Purpose
from moderation.store.database import retried
from moderation.store.enqueue import CloseReason, ItemState, close_items
from moderation.store.models import ReviewItemRow, UriRow, VideoRow
from moderation.store.store import Store
from moderation.store.tombstone import uri_digest

__all__ = ["Deletions"]

_ACTOR: Final = "trigger"
"""Who closes items of deleted uploads, for the audit log."""


class Deletions:
    """Of one store. Whoever hears of a deletion asks first, looks at the other places, and then
    closes: nobody asks the bucket of an upload that no person is asked about.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def asked_about(self, uri: str) -> Mapping[int, tuple[str, ...]]:
        """Videos that were at this place, in whichever version, and wait for a person: by row id,
        all the other places of the same bytes, the last one first.
        """
        with self._store.reading() as session:
            return {id: _elsewhere(session, id, uri) for id in session.scalars(_waiting(uri)).all()}

    @retried
    def close(
        self, uri: str, gone: Mapping[int, Collection[str]], looked_at: datetime
    ) -> tuple[str, ...]:
        """Close what waits about these videos; the ids of the items.

        gone       by row id, the other places that were seen to be empty, too
        looked_at  when that was seen: what came after it stays open
        """
        with self._store.writing() as session:
            videos = select(VideoRow.id).where(VideoRow.id.in_(gone)).order_by(VideoRow.key)
            locked = session.scalars(videos.with_for_update()).all()
            still = [
                id
                for id in locked
                if not _came_back(session, id, uri, looked_at)
                and {*_elsewhere(session, id, uri)} <= {*gone[id]}
            ]
            return _close(session, still, looked_at)


def _close(session: Session, videos: Sequence[int], now: datetime) -> tuple[str, ...]:
    asking = (ReviewItemRow.video_id.in_(videos), ReviewItemRow.purpose != Purpose.APPEAL)
    closed = close_items(session, *asking, reason=CloseReason.DELETED, now=now, actor=_ACTOR)
    return tuple(closed)


def _waiting(uri: str) -> Select[int]:
    # By what waits: there are fewer items open than places in all the years.
    waits = (ReviewItemRow.state == ItemState.OPEN, ReviewItemRow.purpose != Purpose.APPEAL)
    here = select(ReviewItemRow.video_id).join(UriRow, UriRow.video_id == ReviewItemRow.video_id)
    return here.where(*waits, _is_at(uri)).distinct()


def _elsewhere(session: Session, video: int, uri: str) -> tuple[str, ...]:
    places = select(UriRow.uri).where(UriRow.video_id == video, ~_is_at(uri))
    return tuple(session.scalars(places.order_by(UriRow.seen_at.desc(), UriRow.digest)))


def _came_back(session: Session, video: int, uri: str, since: datetime) -> bool:
    seen = (UriRow.video_id == video, _is_at(uri), UriRow.seen_at > since)
    return session.scalar(select(UriRow.digest).where(*seen).limit(1)) is not None


def _is_at(uri: str) -> ColumnElement[bool]:
    versions = UriRow.uri.startswith(f"{uri}?versionId=", autoescape=True)
    return or_(UriRow.digest == uri_digest(uri), versions)
