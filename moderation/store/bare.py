"""Bare records: scans and jobs without anything that was seen, heard, read or written of a video.

What is left of a scan says that it was, which policy judged it, and how: action, severity, times,
the figures of coverage, and of each decision who made it, when, and its code. In the caller's
transaction, as all of this folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, literal, or_, select, update
from sqlalchemy.orm import Session

from moderation.job import JobState, PartState
from moderation.store.models import (
    AttemptRow,
    CoverageRow,
    DecisionRow,
    EvidenceRow,
    JobRow,
    PartResultRow,
    PartRow,
    ReviewItemRow,
    ScanRow,
    VerdictRow,
)
from moderation.store.tombstone import ERASED

__all__ = [
    "BARE",
    "WORDS",
    "cancel_jobs",
    "changed",
    "drop_parts",
    "free_keys",
    "strip_jobs",
    "strip_scans",
]

BARE: Final[dict[str, list[Any]]] = {"reasons": [], "segments": [], "missing": []}
"""`verdict.content` of a bare record."""

WORDS: Final[dict[Any, Any]] = {
    DecisionRow.note: "",
    DecisionRow.segments: [],
    DecisionRow.withdrawn_note: "",
}
"""What people wrote with a decision, and without."""

_LIVE_JOBS: Final = (JobState.QUEUED, JobState.RUNNING)
_LIVE_PARTS: Final = (PartState.QUEUED, PartState.RUNNING)


def strip_scans(session: Session, scans: Collection[int]) -> Counter[str]:
    """Make these scans bare, by their row ids; how much was taken away, by what it was.

    They are not `current` any more: whoever comes late with one of them changes nothing.
    """
    verdicts = select(VerdictRow.id).where(VerdictRow.scan_id.in_(scans))
    items = select(ReviewItemRow.id).where(ReviewItemRow.verdict_id.in_(verdicts))
    whole = (VerdictRow.scan_id.in_(scans), VerdictRow.content != BARE)
    said = or_(*(column != empty for column, empty in WORDS.items()))
    removed = Counter(
        evidence=changed(session, delete(EvidenceRow).where(EvidenceRow.scan_id.in_(scans))),
        verdict_texts=changed(session, update(VerdictRow).where(*whole).values(content=BARE)),
        decision_notes=changed(
            session,
            update(DecisionRow).where(DecisionRow.item_id.in_(items), said).values(WORDS),
        ),
    )
    for strip in (
        # Of all: programs before revision 0006 took the words alone.
        update(DecisionRow)
        .where(DecisionRow.item_id.in_(items), DecisionRow.salt != "")
        .values(salt=""),
        update(ScanRow)
        .where(ScanRow.id.in_(scans))
        .values(current=False, final=False, cut_short=""),
        # None without a fault, and never None with one
        update(ScanRow)
        .where(ScanRow.id.in_(scans), ScanRow.fault.is_not(None))
        .values(fault_message=""),
        update(CoverageRow).where(CoverageRow.verdict_id.in_(verdicts)).values(reason=""),
        update(ReviewItemRow).where(ReviewItemRow.id.in_(items)).values(note=""),
    ):
        session.execute(strip)
    return removed


def cancel_jobs(session: Session, jobs: Collection[str], now: datetime) -> None:
    """Nobody works on them from now on; who does learns it at its next heartbeat."""
    parts = select(PartRow.id).where(PartRow.job_id.in_(jobs))
    for cancel in (
        update(JobRow)
        .where(JobRow.id.in_(jobs), JobRow.state.in_(_LIVE_JOBS))
        .values(state=JobState.CANCELLED, finished_at=now),
        update(PartRow)
        .where(PartRow.job_id.in_(jobs), PartRow.state.in_(_LIVE_PARTS))
        .values(state=PartState.CANCELLED),
        update(AttemptRow)
        .where(AttemptRow.part_id.in_(parts), AttemptRow.outcome == "")
        .values(outcome="cancelled", ended_at=now),
    ):
        session.execute(cancel)


def free_keys(session: Session, jobs: Collection[str]) -> None:
    """Whoever submits these uploads again gives them a new job."""
    freed = literal(ERASED).concat(JobRow.id)
    changed(session, update(JobRow).where(JobRow.id.in_(jobs)).values(dedupe_key=freed))


def strip_jobs(session: Session, jobs: Collection[str]) -> Counter[str]:
    """Make these jobs bare; their keys stay, so that the same upload is not taken for a new one."""
    parts = select(PartRow.id).where(PartRow.job_id.in_(jobs))
    wrong = (AttemptRow.error != "") | (AttemptRow.traceback != "")
    removed = Counter(
        part_results=changed(
            session, delete(PartResultRow).where(PartResultRow.part_id.in_(parts))
        ),
        job_plans=changed(
            session,
            update(JobRow).where(JobRow.id.in_(jobs), JobRow.plan != {}).values(plan={}),
        ),
        error_texts=changed(
            session,
            update(AttemptRow)
            .where(AttemptRow.part_id.in_(parts), wrong)
            .values(error="", traceback=""),
        ),
    )
    session.execute(update(PartRow).where(PartRow.job_id.in_(jobs)).values(error="", tag=""))
    session.execute(
        update(JobRow).where(JobRow.id.in_(jobs)).values(uri=ERASED, pin="", error="", tag="")
    )
    return removed


def drop_parts(session: Session, jobs: Collection[str]) -> int:
    """All that workers noted of these jobs; how many parts that were."""
    parts = select(PartRow.id).where(PartRow.job_id.in_(jobs))
    session.execute(delete(PartResultRow).where(PartResultRow.part_id.in_(parts)))
    session.execute(delete(AttemptRow).where(AttemptRow.part_id.in_(parts)))
    return changed(session, delete(PartRow).where(PartRow.job_id.in_(jobs)))


def changed(session: Session, statement: Any) -> int:
    """Carry it out; how many rows it changed."""
    made = session.execute(statement.execution_options(synchronize_session=False))
    return int(made.rowcount)  # type: ignore[attr-defined]
