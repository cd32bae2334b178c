"""Erasure in the database: find what belongs to a video, stop who works on it, forget it.

    stop     marks the video as erased and cancels its jobs: nothing new of it is stored from then
    forget   makes what is stored bare

Files are removed between the two, while the database still knows their names; whoever is killed in
between does it all again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, delete, func, or_, select, tuple_, type_coerce, update
from sqlalchemy.orm import Session

from moderation.job import Pinned
from moderation.store.audit import record
from moderation.store.bare import cancel_jobs, changed, free_keys, strip_jobs, strip_scans
from moderation.store.database import insert_new, retried
from moderation.store.enqueue import ItemState
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

__all__ = ["Belongings", "Erasures", "Forgotten", "Named"]

_AT_ONCE: Final = 50
"""Ids that one look through the messages to webhooks searches for."""

_VERSION: Final = "?versionId="


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What somebody calls a video: by its bytes, or by where they were.

    uris  any version of which is meant
    """

    sha256: str = ""
    uris: Sequence[str] = ()

    def is_at(self, uri: str) -> bool:
        """Whether the upload there is meant; of bytes, wherever they are."""
        versions = tuple(f"{each}{_VERSION}" for each in self.uris)
        return bool(self.sha256) or uri in self.uris or uri.startswith(versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """What belongs to a video, or to all that were seen in one place.

    videos  keys: the sha256 of the bytes; of what nobody could read, `uri:` and that of its place
    places  all URIs where the bytes were seen
    jobs    by id, the upload that each was about
    live    ids of the jobs that were not over
    """

    videos: tuple[str, ...]
    scans: tuple[int, ...]
    places: tuple[str, ...]
    jobs: dict[str, Pinned]
    live: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.videos or self.jobs)


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
            _lock(session, _find(session, named))
            found = _find(session, named)  # and what came while a lock was waited for
            videos = select(VideoRow.id).where(VideoRow.key.in_(found.videos))
            for mark in (
                update(VideoRow).where(VideoRow.key.in_(found.videos)).values(erased_at=now),
                update(ScanRow)
                .where(ScanRow.id.in_(found.scans))
                .values(current=False, final=False),
                update(ReviewItemRow)
                .where(ReviewItemRow.video_id.in_(videos), ReviewItemRow.state == ItemState.OPEN)
                .values(
                    state=ItemState.CLOSED,
                    closed_reason="erased",
                    closed_at=now,
                    holder="",
                    version=ReviewItemRow.version + 1,
                ),
            ):
                changed(session, mark)
            cancel_jobs(session, found.jobs, now)
            # Somebody else's upload of the same bytes is to be judged: when it is announced anew.
            free_keys(session, [id for id in found.live if not named.is_at(found.jobs[id].uri)])
        return found

    @retried
    def forget(
        self, found: Belongings, removed: Counter[str], *, actor: str, now: datetime
    ) -> Forgotten:
        """Make bare what `stop` found at that moment; `removed` is what was removed elsewhere."""
        with self._store.writing() as session:
            items = _items(session, found.scans)
            gone = Counter(removed)
            gone.update(webhook_events=_drop_events(session, _ids(session, found, items)))
            gone.update(strip_scans(session, found.scans))
            gone.update(strip_jobs(session, found.jobs))
            gone.update(places=_forget_places(session, found, now))
            verdicts = _count(session, VerdictRow.scan_id.in_(found.scans))
            decisions = _count(session, DecisionRow.item_id.in_(items))
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


def _find(session: Session, named: Named) -> Belongings:
    """The named videos and all that was done with their bytes; of a place, also what nobody has
    read of it yet.
    """
    keys = set(session.scalars(select(VideoRow.key).where(_is_named(named))))
    if named.sha256:
        keys.add(named.sha256)
    here = [_is_at(JobRow.uri, uri) for uri in named.uris]
    jobs = _jobs(session, or_(*here)) if here else {}
    keys |= {plan for plan in map(_planned, jobs.values()) if plan}
    jobs |= _jobs(session, _is_about(keys))
    # Of jobs that have read nothing yet, those on the same version of the same upload.
    pins = {(row.uri, row.pin) for row in jobs.values() if row.uri != ERASED}
    jobs |= _jobs(session, tuple_(JobRow.uri, JobRow.pin).in_(pins)) if pins else {}
    known = select(VideoRow.id).where(VideoRow.key.in_(keys))
    is_known = session.scalar(known.limit(1)) is not None
    return Belongings(
        videos=tuple(sorted(keys)) if is_known or jobs else (),
        scans=tuple(session.scalars(select(ScanRow.id).where(ScanRow.video_id.in_(known)))),
        places=tuple(session.scalars(select(UriRow.uri).where(UriRow.video_id.in_(known)))),
        jobs={id: Pinned(row.uri, row.pin) for id, row in sorted(jobs.items())},
        live=tuple(sorted(id for id, row in jobs.items() if row.finished_at is None)),
    )


def _is_named(named: Named) -> ColumnElement[bool]:
    seen = [_is_at(UriRow.uri, uri) for uri in named.uris]
    places = select(UriRow.video_id).where(or_(*seen)) if seen else None
    return or_(VideoRow.key == named.sha256, *([] if places is None else [VideoRow.id.in_(places)]))


def _is_at(column: Any, uri: str) -> ColumnElement[bool]:
    return or_(column == uri, column.startswith(f"{uri}{_VERSION}", autoescape=True))


def _is_about(keys: Collection[str]) -> ColumnElement[bool]:
    """Jobs that these bytes answered, or that have planned how to look at them."""
    scans = (
        select(ScanRow.scan_id)
        .join(VideoRow, VideoRow.id == ScanRow.video_id)
        .where(VideoRow.key.in_(keys))
    )
    plan = type_coerce(JobRow.plan, Text())
    return or_(JobRow.scan_id.in_(scans), *(plan.contains(key) for key in keys))


def _jobs(session: Session, *which: ColumnElement[bool]) -> dict[str, Any]:
    asked = select(JobRow.id, JobRow.uri, JobRow.pin, JobRow.plan, JobRow.finished_at)
    return {row.id: row for row in session.execute(asked.where(*which))}


def _planned(row: Any) -> str:
    """The digest of the bytes that a job is about, once it knows them."""
    video = (row.plan or {}).get("video")
    return str(video.get("sha256", "")) if isinstance(video, dict) else ""


def _lock(session: Session, found: Belongings) -> None:
    """First the jobs and then the videos, as everyone does; each kind in one order."""
    jobs = select(JobRow.id).where(JobRow.id.in_(found.jobs)).order_by(JobRow.id)
    session.execute(jobs.with_for_update()).all()
    read = [key for key in found.videos if not key.startswith("uri:")]
    insert_new(session, VideoRow, [{"key": key, "sha256": key, "uri": ERASED} for key in read])
    videos = select(VideoRow.id).where(VideoRow.key.in_(found.videos)).order_by(VideoRow.key)
    session.execute(videos.with_for_update()).all()


def _items(session: Session, scans: Collection[int]) -> list[str]:
    verdicts = select(VerdictRow.id).where(VerdictRow.scan_id.in_(scans))
    found = select(ReviewItemRow.id).where(ReviewItemRow.verdict_id.in_(verdicts))
    return list(session.scalars(found))


def _ids(session: Session, found: Belongings, items: Sequence[str]) -> list[str]:
    """Whatever a message may call it by."""
    scans = session.scalars(select(ScanRow.scan_id).where(ScanRow.id.in_(found.scans)))
    return [*found.videos, *scans, *found.jobs, *items]


def _drop_events(session: Session, ids: Sequence[str]) -> int:
    """Messages to webhooks that name one of these; what was not delivered is not any more."""
    dropped = 0
    for some in _chunks(ids):
        quoting = or_(*(WebhookEventRow.content.contains(each, autoescape=True) for each in some))
        events = list(session.scalars(select(WebhookEventRow.id).where(quoting)))
        for each in _chunks(events):
            session.execute(delete(DeliveryRow).where(DeliveryRow.event_id.in_(each)))
            session.execute(delete(WebhookEventRow).where(WebhookEventRow.id.in_(each)))
        dropped += len(events)
    return dropped


def _forget_places(session: Session, found: Belongings, now: datetime) -> int:
    """Where it was seen; not where the same bytes have come since."""
    videos = select(VideoRow.id).where(VideoRow.key.in_(found.videos))
    old = (UriRow.video_id.in_(videos), UriRow.seen_at <= now)
    forgotten = changed(session, delete(UriRow).where(*old))
    came = select(UriRow.digest).where(UriRow.video_id == VideoRow.id).exists()
    gone = (VideoRow.key.in_(found.videos), ~came)
    changed(session, update(VideoRow).where(*gone).values(uri=ERASED))
    return forgotten


def _count(session: Session, which: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).where(which)) or 0


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(values), _AT_ONCE):
        yield values[first : first + _AT_ONCE]
