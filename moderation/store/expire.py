"""What is kept too long: found, and taken away in batches that are a transaction each.

A scan is as old as the last thing that happened with it: its verdicts, decisions about them, and
for the one in force the last time that its bytes were seen. What waits for a person is not old.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.orm import Session

from moderation.job import JobState, PartState, Pinned
from moderation.store.answers import KEPT
from moderation.store.audit import record
from moderation.store.bare import BARE, WORDS, changed, drop_parts, strip_scans
from moderation.store.database import retried
from moderation.store.enqueue import ItemState
from moderation.store.models import (
    CoverageRow,
    DecisionRow,
    DeliveryRow,
    EvidenceRow,
    ExposureRow,
    IdempotentAnswerRow,
    JobRow,
    PartRow,
    ReviewItemRow,
    ScanRow,
    UriRow,
    VerdictRow,
    VideoRow,
    WebhookEventRow,
    WebSessionRow,
)
from moderation.store.store import Store
from moderation.store.tombstone import ERASED

__all__ = ["ACTOR", "BATCH", "Expiry", "OldScan"]

ACTOR: Final = "retention"
"""Who takes things away when no person does, for the audit log."""

BATCH: Final = 100
"""Scans, jobs or messages of one transaction: others wait for it for a moment only."""

_LIVE: Final = (PartState.QUEUED, PartState.RUNNING)


class OldScan(NamedTuple):
    """By its row id, with what lies outside of the database because of it.

    sha256  of the video, where it is its last scan; pictures are the video's
    jobs    that it answers, by id: each may have a document
    """

    id: int
    sha256: str
    jobs: Mapping[str, Pinned]


class Expiry:
    """Of one store. Any number of processes may do any of it at any time."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def scans(self, before: datetime, *, after: int, whole: bool = False) -> list[OldScan]:
        """The next of those with which nothing happened since, in the order of their row ids.

        whole  only those that are not bare yet
        """
        which = [ScanRow.id > after, _is_old(before), *([_is_whole()] if whole else [])]
        found = select(ScanRow.id, ScanRow.scan_id, ScanRow.video_id, VideoRow.sha256)
        found = found.join(VideoRow, VideoRow.id == ScanRow.video_id).where(*which)
        with self._store.reading() as session:
            rows = session.execute(found.order_by(ScanRow.id).limit(BATCH)).all()
            jobs = _documented(session, [row.scan_id for row in rows])
            last = _last(session, {row.video_id for row in rows}, [row.id for row in rows])
            return [
                OldScan(
                    row.id,
                    row.sha256 if row.video_id in last else "",
                    {each.id: Pinned(each.uri, each.pin) for each in jobs if _answers(each, row)},
                )
                for row in rows
            ]

    @retried
    def strip(self, scans: Collection[int], before: datetime, now: datetime) -> Counter[str]:
        """Make them bare, if they are old still."""
        with self._store.writing() as session:
            removed = strip_scans(session, _locked(session, scans, before))
            _note(session, removed, now)
        return removed

    @retried
    def drop(self, scans: Collection[int], before: datetime, now: datetime) -> Counter[str]:
        """Forget that they were, if they are old still; and videos of which none is left."""
        with self._store.writing() as session:
            removed = _drop(session, _locked(session, scans, before), before)
            _note(session, removed, now)
        return removed

    @retried
    def forget_jobs(self, before: datetime, now: datetime) -> Counter[str]:
        """What workers noted of jobs that were over by then; those without a verdict whole."""
        over = (JobRow.finished_at < before, _has_parts(), ~_has_parts(PartRow.state.in_(_LIVE)))
        with self._store.writing() as session:
            jobs = _some_jobs(session, *over)
            removed = Counter(parts=drop_parts(session, jobs))
            unjudged = (JobRow.id.in_(jobs), JobRow.scan_id == "", JobRow.uri != ERASED)
            removed["jobs"] = changed(session, delete(JobRow).where(*unjudged))
            bare = update(JobRow).where(JobRow.id.in_(jobs)).values(plan={}, error="")
            changed(session, bare)
            _note(session, removed, now)
        return removed

    @retried
    def forget_marks(self, before: datetime, now: datetime) -> Counter[str]:
        """Tombstones, and jobs of which nothing else is left."""
        answer = select(ScanRow.id).where(ScanRow.scan_id == JobRow.scan_id).exists()
        is_live = _has_parts(PartRow.state.in_(_LIVE))
        with self._store.writing() as session:
            jobs = _some_jobs(session, JobRow.finished_at < before, ~is_live, ~answer)
            drop_parts(session, jobs)
            removed = Counter(jobs=changed(session, delete(JobRow).where(JobRow.id.in_(jobs))))
            removed["videos"] = _drop_videos(session, VideoRow.erased_at < before)
            _note(session, removed, now)
        return removed

    @retried
    def forget_events(self, before: datetime) -> int:
        """Messages to webhooks; one that was not delivered by now is not wanted any more."""
        old = select(WebhookEventRow.id).where(WebhookEventRow.at < before).limit(BATCH)
        with self._store.writing() as session:
            events = list(session.scalars(old))
            session.execute(delete(DeliveryRow).where(DeliveryRow.event_id.in_(events)))
            dropped = delete(WebhookEventRow).where(WebhookEventRow.id.in_(events))
            return changed(session, dropped)

    @retried
    def forget_exposure(self, before: datetime) -> int:
        """What who saw on days that were over by then."""
        old = ExposureRow.day < before.astimezone(UTC).date().isoformat()
        with self._store.writing() as session:
            return changed(session, delete(ExposureRow).where(old))

    @retried
    def forget_visits(self, now: datetime) -> Counter[str]:
        """Answers that nobody asks for again, and sessions of the page that are over."""
        old = IdempotentAnswerRow.created_at < now - KEPT
        with self._store.writing() as session:
            return Counter(
                answers=changed(session, delete(IdempotentAnswerRow).where(old)),
                web_sessions=changed(
                    session, delete(WebSessionRow).where(WebSessionRow.expires_at <= now)
                ),
            )

    def unpictured(self, videos: Sequence[str], before: datetime | None) -> list[str]:
        """Of these digests, whose pictures nobody needs: all scans are old, or it was erased and
        not scanned since. What is not known here is not ours, and not named.
        """
        old = _is_old(before) if before else ScanRow.id.is_(None)
        needed = (
            select(ScanRow.id)
            .where(ScanRow.video_id == VideoRow.id, ~old)
            .where(or_(VideoRow.erased_at.is_(None), ScanRow.scanned_at > VideoRow.erased_at))
        )
        found = select(VideoRow.sha256).where(VideoRow.sha256.in_(videos), ~needed.exists())
        with self._store.reading() as session:
            return list(session.scalars(found))


def _is_old(before: datetime) -> ColumnElement[bool]:
    """Of a scan, in a statement about it."""
    verdicts = select(VerdictRow.id).where(VerdictRow.scan_id == ScanRow.id)
    items = (
        select(ReviewItemRow.id)
        .join(VerdictRow, VerdictRow.id == ReviewItemRow.verdict_id)
        .where(VerdictRow.scan_id == ScanRow.id)
    )
    decided = items.join(DecisionRow, DecisionRow.item_id == ReviewItemRow.id)
    waits = or_(ReviewItemRow.state == ItemState.OPEN, ReviewItemRow.closed_at >= before)
    seen = verdicts.join(UriRow, UriRow.video_id == VerdictRow.video_id).where(VerdictRow.current)
    return (
        (ScanRow.scanned_at < before)
        & ~verdicts.where(VerdictRow.judged_at >= before).exists()
        & ~seen.where(UriRow.seen_at >= before).exists()
        & ~items.where(waits).exists()
        & ~decided.where(DecisionRow.decided_at >= before).exists()
    )


def _is_whole() -> ColumnElement[bool]:
    """Whether a scan has anything that `strip_scans` takes away."""
    verdicts = select(VerdictRow.id).where(VerdictRow.scan_id == ScanRow.id)
    items = verdicts.join(ReviewItemRow, ReviewItemRow.verdict_id == VerdictRow.id)
    said = (column != empty for column, empty in {**WORDS, DecisionRow.salt: ""}.items())
    noted = items.outerjoin(DecisionRow, DecisionRow.item_id == ReviewItemRow.id).where(
        or_(ReviewItemRow.note != "", *said)
    )
    covered = verdicts.join(CoverageRow, CoverageRow.verdict_id == VerdictRow.id)
    return or_(
        select(EvidenceRow.position).where(EvidenceRow.scan_id == ScanRow.id).exists(),
        verdicts.where(VerdictRow.content != BARE).exists(),
        covered.where(CoverageRow.reason != "").exists(),
        noted.exists(),
        ScanRow.fault_message != "",
        ScanRow.cut_short != "",
    )


def _has_parts(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(PartRow.id).where(PartRow.job_id == JobRow.id, *which).exists()


def _documented(session: Session, scan_ids: Collection[str]) -> Sequence[Any]:
    asked = select(JobRow.id, JobRow.scan_id, JobRow.uri, JobRow.pin)
    return session.execute(asked.where(JobRow.scan_id.in_(scan_ids), JobRow.uri != ERASED)).all()


def _answers(job: Any, scan: Any) -> bool:
    return bool(job.scan_id == scan.scan_id)


def _last(session: Session, videos: Collection[int], scans: Collection[int]) -> set[int]:
    """Those of the videos that have no scans besides these."""
    others = select(ScanRow.video_id).where(ScanRow.video_id.in_(videos), ScanRow.id.not_in(scans))
    return {*videos} - {*session.scalars(others)}


def _locked(session: Session, scans: Collection[int], before: datetime) -> list[int]:
    """Those that are old still, and stay so until the end of this transaction."""
    videos = select(ScanRow.video_id).where(ScanRow.id.in_(scans))
    locked = select(VideoRow.id).where(VideoRow.id.in_(videos)).order_by(VideoRow.id)
    session.execute(locked.with_for_update()).all()
    return list(session.scalars(select(ScanRow.id).where(ScanRow.id.in_(scans), _is_old(before))))


def _drop(session: Session, scans: Collection[int], before: datetime) -> Counter[str]:
    removed = strip_scans(session, scans)
    ids = list(session.scalars(select(ScanRow.scan_id).where(ScanRow.id.in_(scans))))
    verdicts = list(session.scalars(select(VerdictRow.id).where(VerdictRow.scan_id.in_(scans))))
    items = select(ReviewItemRow.id).where(ReviewItemRow.verdict_id.in_(verdicts))
    final = JobRow.state.in_([state for state in JobState if state.is_final])
    jobs = _some_jobs(session, JobRow.scan_id.in_(ids), final, limit=None)
    removed["parts"] = drop_parts(session, jobs)
    for gone in (
        delete(DecisionRow).where(DecisionRow.item_id.in_(items)),
        delete(ReviewItemRow).where(ReviewItemRow.verdict_id.in_(verdicts)),
        delete(CoverageRow).where(CoverageRow.verdict_id.in_(verdicts)),
        delete(VerdictRow).where(VerdictRow.id.in_(verdicts)),
    ):
        changed(session, gone)
    videos = list(session.scalars(select(ScanRow.video_id).where(ScanRow.id.in_(scans))))
    removed["jobs"] = changed(session, delete(JobRow).where(JobRow.id.in_(jobs)))
    removed["scans"] = changed(session, delete(ScanRow).where(ScanRow.id.in_(scans)))
    unmarked = or_(VideoRow.erased_at.is_(None), VideoRow.erased_at < before)
    removed["videos"] = _drop_videos(session, VideoRow.id.in_(videos), unmarked)
    return removed


def _drop_videos(session: Session, *which: ColumnElement[bool]) -> int:
    """Those of which no scan is left."""
    scanned = select(ScanRow.id).where(ScanRow.video_id == VideoRow.id).exists()
    bare = select(VideoRow.id).where(~scanned, *which).order_by(VideoRow.id).limit(BATCH)
    videos = list(session.scalars(bare.with_for_update(skip_locked=True)))
    session.execute(delete(UriRow).where(UriRow.video_id.in_(videos)))
    return changed(session, delete(VideoRow).where(VideoRow.id.in_(videos)))


def _some_jobs(
    session: Session, *which: ColumnElement[bool], limit: int | None = BATCH
) -> list[str]:
    """Locked, but for those that somebody is busy with."""
    found = select(JobRow.id).where(*which).order_by(JobRow.id).limit(limit)
    return list(session.scalars(found.with_for_update(skip_locked=True)))


def _note(session: Session, removed: Counter[str], now: datetime) -> None:
    """In the audit log; nothing where nothing was removed."""
    content = {what: count for what, count in removed.items() if count}
    if content:
        record(
            session,
            actor=ACTOR,
            action="retention.swept",
            subject="retention",
            content=content,
            now=now,
        )
