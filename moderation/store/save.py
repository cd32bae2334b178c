"""Writing one scan, all of it in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import asdict, astuple
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from moderation.evidence import Evidence, Producer
from moderation.review_settings import ReviewSettings
from moderation.scan import Scan, Video
from moderation.store.announcements import announce_change, in_force
from moderation.store.convert import (
    coverage_values,
    evidence_values,
    scan_values,
    verdict_values,
)
from moderation.store.database import insert_new
from moderation.store.enqueue import retire_verdicts, settle
from moderation.store.models import (
    CoverageRow,
    EvidenceRow,
    PolicyRow,
    ProducerRow,
    ScanRow,
    UriRow,
    VerdictRow,
    VideoRow,
)
from moderation.store.tombstone import unread_key, uri_digest, video_key
from moderation.verdict import Coverage, CoverageStatus

__all__ = ["is_final", "save_scan"]


def is_final(scan: Scan) -> bool:
    """Whether looking again would show the same: it was looked at whole, and nothing failed."""
    failed = any(part.status is CoverageStatus.FAILED for part in scan.coverage)
    return scan.failure is None and not scan.cut_short and not failed


def save_scan(
    session: Session,
    scan: Scan,
    *,
    fingerprint: str,
    policy: str,
    now: datetime,
    review: ReviewSettings,
) -> None:
    """See `Store.save`."""
    video_id = _save_video(session, scan.video, now)
    looking = _save_looking(session, scan, video_id, fingerprint)
    # A message delivered late may bring back a scan that a newer one has replaced.
    if looking.current:
        verdict = _save_verdict(session, scan, looking, policy, now)
        settle(session, scan, verdict, now, review)


def _save_video(session: Session, video: Video, now: datetime) -> int:
    row = _video(session, video_key(video), video)
    row.uri = video.uri
    digest = uri_digest(video.uri)
    session.merge(UriRow(video_id=row.id, digest=digest, uri=video.uri, seen_at=now))
    if video.sha256:
        _retire_unread(session, unread_key(video.uri), now)
    return row.id


def _video(session: Session, key: str, video: Video) -> VideoRow:
    """The video's row, locked, so that two processes that save the same bytes take turns."""
    insert_new(session, VideoRow, [{"key": key, "sha256": video.sha256, "uri": video.uri}])
    return session.scalars(select(VideoRow).where(VideoRow.key == key).with_for_update()).one()


def _retire_unread(session: Session, key: str, now: datetime) -> None:
    """What could not be read at this URI before has been read now."""
    video_id = session.scalar(select(VideoRow.id).where(VideoRow.key == key))
    if video_id is not None:
        session.execute(update(ScanRow).where(ScanRow.video_id == video_id).values(current=False))
        retire_verdicts(session, video_id, now)


def _save_looking(session: Session, scan: Scan, video_id: int, fingerprint: str) -> ScanRow:
    """The scan without its verdict: written once, in the place of an older one."""
    by_id = select(ScanRow).where(ScanRow.scan_id == scan.id)
    row = session.scalar(by_id)
    if row is not None:
        return row
    older = (ScanRow.video_id == video_id, ScanRow.fingerprint == fingerprint, ScanRow.current)
    session.execute(update(ScanRow).where(*older).values(current=False))
    row = ScanRow(
        video_id=video_id,
        fingerprint=fingerprint,
        current=True,
        final=is_final(scan),
        **scan_values(scan),
    )
    session.add(row)
    session.flush()
    _save_evidence(session, scan.evidence, row.id)
    return row


def _save_evidence(session: Session, evidence: Sequence[Evidence], scan_id: int) -> None:
    producers = _producer_ids(session, {each.producer for each in evidence})
    rows = [
        {
            "scan_id": scan_id,
            "position": position,
            "producer_id": producers[each.producer],
            **evidence_values(each),
        }
        for position, each in enumerate(evidence)
    ]
    if rows:
        session.execute(insert(EvidenceRow), rows)


def _producer_ids(session: Session, producers: Set[Producer]) -> dict[Producer, int]:
    # In one order, whoever saves: two that wait for each other's rows would be a deadlock.
    ordered = sorted(producers, key=lambda each: astuple(each))
    insert_new(session, ProducerRow, [asdict(producer) for producer in ordered])
    return {producer: _producer_id(session, producer) for producer in producers}


def _producer_id(session: Session, producer: Producer) -> int:
    found = select(ProducerRow.id).filter_by(**asdict(producer))
    return session.execute(found).scalar_one()


def _save_coverage(session: Session, coverage: Sequence[Coverage], verdict_id: int) -> None:
    rows = [
        {"verdict_id": verdict_id, "position": position, **coverage_values(each)}
        for position, each in enumerate(coverage)
    ]
    if rows:
        session.execute(insert(CoverageRow), rows)


def _save_verdict(
    session: Session, scan: Scan, looking: ScanRow, policy: str, now: datetime
) -> VerdictRow:
    """The verdict, from now on the one in force for its video."""
    insert_new(session, PolicyRow, [{**asdict(scan.verdict.policy), "text": policy}])
    keys = {"scan_id": looking.id, "policy_digest": scan.verdict.policy.digest}
    row = session.scalar(select(VerdictRow).filter_by(**keys))
    if row is not None and row.current:
        return row
    former = in_force(session, looking.video_id)
    retire_verdicts(session, looking.video_id, now)
    announce_change(session, scan, former, now)
    if row is not None:
        row.current = True
        return row
    values = {**keys, **verdict_values(scan.verdict), "video_id": looking.video_id}
    row = VerdictRow(**values, current=True, judged_at=now)
    session.add(row)
    session.flush()
    _save_coverage(session, scan.coverage, row.id)
    return row
