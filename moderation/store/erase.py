"""Erasure in the database: find what belongs to a video, stop who works on it, forget it.

    stop     marks the video as erased and cancels its jobs: nothing new of it is stored from then
    forget   makes what is stored bare

Files are removed between the two, while the database still knows their names; whoever is killed in
between does it all again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from moderation.store.answers import forget_answers
from moderation.store.audit import record
from moderation.store.bare import cancel_jobs, changed, free_keys, strip_jobs, strip_scans
from moderation.store.belongings import Belongings, Named, find, portions
from moderation.store.database import insert_new, retried
from moderation.store.enqueue import CloseReason, close_items
from moderation.store.models import (
    AuditRow,
    DecisionRow,
    DeliveryRow,
    JobRow,
    ReviewItemRow,
    ScanRow,
    UriRow,
    VerdictRow,
    VideoRow,
    WebhookEventRow,
)
from moderation.store.store import Store
from moderation.store.tombstone import ERASED

__all__ = ["Erasures", "Forgotten"]

_QUOTED: Final = 50
"""Ids that one look through the messages to webhooks searches for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was made of it.

    removed    how much of what
    verdicts, decisions  bare records that are kept
    audit      number of the entry in the audit log
    """

    removed: Counter[str]
    verdicts: int
    decisions: int
    audit: int


class Erasures:
    """Of one store. Both steps are a transaction, and may be done any number of times."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @retried
    def stop(self, named: Named, now: datetime) -> Belongings:
        """Whatever began to be looked at until now is not stored any more; what there is."""
        with self._store.writing() as session:
            _lock(session, find(session, named))
            found = find(session, named)  # and what came while a lock was waited for
            for keys in portions(found.videos):
                _mark_videos(session, keys, now)
            for scans in portions(found.scans):
                outdated = update(ScanRow).where(ScanRow.id.in_(scans))
                changed(session, outdated.values(current=False, final=False))
            for jobs in portions(found.jobs):
                cancel_jobs(session, jobs, now)
            # Somebody else's upload of the same bytes is to be judged: when it is announced anew.
            theirs = [id for id in found.live if not named.is_at(found.jobs[id].uri)]
            for jobs in portions(theirs):
                free_keys(session, jobs)
        return found

    @retried
    def forget(
        self, found: Belongings, removed: Counter[str], *, actor: str, now: datetime
    ) -> Forgotten:
        """Make bare what `stop` found at that moment; `removed` is what was removed elsewhere."""
        with self._store.writing() as session:
            items = _items(session, found.scans)
            gone = Counter(removed)
            ids = _ids(session, found, items)
            gone.update(webhook_events=_drop_events(session, ids))
            gone.update(answers=forget_answers(session, ids))
            for scans in portions(found.scans):
                gone.update(strip_scans(session, scans))
            for jobs in portions(found.jobs):
                gone.update(strip_jobs(session, jobs))
            for keys in portions(found.videos):
                gone.update(places=_forget_places(session, keys, now))
            verdicts = _count(session, VerdictRow.scan_id, found.scans)
            decisions = _count(session, DecisionRow.item_id, items)
            content = {"videos": list(found.videos), "removed": {**gone}}
            subject = f"video:{found.videos[0]}" if found.videos else f"job:{min(found.jobs)}"
            record(
                session,
                actor=actor,
                action="video.erased",
                subject=subject,
                content=content,
                now=now,
            )
        return Forgotten(
            removed=gone, verdicts=verdicts, decisions=decisions, audit=self._entry(subject)
        )

    def _entry(self, subject: str) -> int:
        """The log numbers its entries at the end of their transaction."""
        found = select(func.max(AuditRow.number)).where(
            AuditRow.action == "video.erased", AuditRow.subject == subject
        )
        with self._store.reading() as session:
            return session.scalar(found) or 0


def _lock(session: Session, found: Belongings) -> None:
    """First the jobs and then the videos, as everyone does; each kind in one order."""
    for ids in portions(sorted(found.jobs)):
        jobs = select(JobRow.id).where(JobRow.id.in_(ids)).order_by(JobRow.id)
        session.execute(jobs.with_for_update()).all()
    read = [key for key in found.videos if not key.startswith("uri:")]
    insert_new(session, VideoRow, [{"key": key, "sha256": key, "uri": ERASED} for key in read])
    for keys in portions(sorted(found.videos)):
        videos = select(VideoRow.id).where(VideoRow.key.in_(keys)).order_by(VideoRow.key)
        session.execute(videos.with_for_update()).all()


def _mark_videos(session: Session, keys: Sequence[str], now: datetime) -> None:
    """As erased; nobody is asked about them any more."""
    changed(session, update(VideoRow).where(VideoRow.key.in_(keys)).values(erased_at=now))
    videos = select(VideoRow.id).where(VideoRow.key.in_(keys))
    close_items(session, ReviewItemRow.video_id.in_(videos), reason=CloseReason.ERASED, now=now)


def _items(session: Session, scans: Sequence[int]) -> list[str]:
    items: list[str] = []
    for some in portions(scans):
        verdicts = select(VerdictRow.id).where(VerdictRow.scan_id.in_(some))
        found = select(ReviewItemRow.id).where(ReviewItemRow.verdict_id.in_(verdicts))
        items += session.scalars(found)
    return items


def _ids(session: Session, found: Belongings, items: Sequence[str]) -> list[str]:
    """Whatever a message may call it by."""
    ids = [*found.videos, *found.jobs, *items]
    for some in portions(found.scans):
        ids += session.scalars(select(ScanRow.scan_id).where(ScanRow.id.in_(some)))
    return ids


def _drop_events(session: Session, ids: Sequence[str]) -> int:
    """Messages to webhooks that name one of these; what was not delivered is not any more."""
    dropped = 0
    for some in portions(ids, _QUOTED):
        quoting = or_(*(WebhookEventRow.content.contains(each, autoescape=True) for each in some))
        events = list(session.scalars(select(WebhookEventRow.id).where(quoting)))
        for each in portions(events):
            session.execute(delete(DeliveryRow).where(DeliveryRow.event_id.in_(each)))
            session.execute(delete(WebhookEventRow).where(WebhookEventRow.id.in_(each)))
        dropped += len(events)
    return dropped


def _forget_places(session: Session, keys: Sequence[str], now: datetime) -> int:
    """Where it was seen; not where the same bytes have come since."""
    videos = select(VideoRow.id).where(VideoRow.key.in_(keys))
    old = (UriRow.video_id.in_(videos), UriRow.seen_at <= now)
    forgotten = changed(session, delete(UriRow).where(*old))
    came = select(UriRow.digest).where(UriRow.video_id == VideoRow.id).exists()
    gone = (VideoRow.key.in_(keys), ~came)
    changed(session, update(VideoRow).where(*gone).values(uri=ERASED))
    return forgotten


def _count(
    session: Session, column: InstrumentedAttribute[Any], values: Sequence[str] | Sequence[int]
) -> int:
    """Rows in which the column has one of these."""
    counts = (select(func.count()).where(column.in_(some)) for some in portions(values))
    return sum(session.scalar(each) or 0 for each in counts)
