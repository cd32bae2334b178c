"""Reading one scan back, under one of its verdicts."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.evidence import Evidence
from moderation.scan import Scan
from moderation.store.convert import coverage_from, evidence_from, scan_from, verdict_from
from moderation.store.models import (
    CoverageRow,
    EvidenceRow,
    PolicyRow,
    ProducerRow,
    ScanRow,
    VerdictRow,
    VideoRow,
)
from moderation.verdict import Coverage

__all__ = ["load_scan"]


def load_scan(session: Session, verdict_id: int) -> Scan:
    """The scan that the verdict judged, with that verdict."""
    verdict, policy, scan, video = session.execute(
        select(VerdictRow, PolicyRow, ScanRow, VideoRow)
        .join(PolicyRow, PolicyRow.digest == VerdictRow.policy_digest)
        .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
        .join(VideoRow, VideoRow.id == ScanRow.video_id)
        .where(VerdictRow.id == verdict_id)
    ).one()
    return scan_from(
        scan,
        video,
        evidence=_evidence(session, scan.id),
        coverage=_coverage(session, verdict.id),
        verdict=verdict_from(verdict, policy),
    )


def _evidence(session: Session, scan_id: int) -> tuple[Evidence, ...]:
    found = session.execute(
        select(EvidenceRow, ProducerRow)
        .join(ProducerRow, ProducerRow.id == EvidenceRow.producer_id)
        .where(EvidenceRow.scan_id == scan_id)
        .order_by(EvidenceRow.position)
    )
    return tuple(evidence_from(row, producer) for row, producer in found)


def _coverage(session: Session, verdict_id: int) -> tuple[Coverage, ...]:
    found = session.scalars(
        select(CoverageRow)
        .where(CoverageRow.verdict_id == verdict_id)
        .order_by(CoverageRow.position)
    )
    return tuple(coverage_from(row) for row in found)
