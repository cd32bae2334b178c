"""Parts of jobs as rows: what transactions of `Leases` and `Jobs` are made of.

Who locks the row of a job and those of its parts locks the job's first: otherwise two could wait
for each other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from moderation.errors import LeaseLost
from moderation.job import JobState, Kind, Lease, PartState
from moderation.lanes import CONTROL
from moderation.store.database import insert_new
from moderation.store.jobs import part_values
from moderation.store.models import AttemptRow, JobRow, PartResultRow, PartRow

__all__ = [
    "Place",
    "begin",
    "close_attempt",
    "forgotten",
    "held",
    "locked_job",
    "locked_part",
    "open_decision",
    "open_part",
    "results_of",
]


class Place(NamedTuple):
    """What of a job is looked at where: a lane, and the number of a section."""

    lane: str
    number: int


def begin(session: Session, job_id: str) -> None:
    """The job runs, for one of its parts does; unless its row is held, by who says what it does."""
    # Everyone else takes the job's row before its parts' rows. Who has a part in hand already must
    # not wait for the job: that would be a deadlock.
    queued = select(JobRow.id).where(JobRow.id == job_id, JobRow.state == JobState.QUEUED)
    free = queued.with_for_update(skip_locked=True, key_share=True).scalar_subquery()
    session.execute(update(JobRow).where(JobRow.id == free).values(state=JobState.RUNNING))


def held(lease: Lease) -> Any:
    return update(PartRow).where(
        PartRow.id == lease.part_id,
        PartRow.attempt == lease.attempt,
        PartRow.owner == lease.owner,
        PartRow.state == PartState.RUNNING,
    )


def locked_job(session: Session, job_id: str) -> JobRow:
    job = session.get(JobRow, job_id, with_for_update=True, populate_existing=True)
    if job is None:
        raise forgotten(job_id)
    return job


def locked_part(session: Session, lease: Lease) -> PartRow:
    part = session.get(PartRow, lease.part_id, with_for_update=True, populate_existing=True)
    if part is None:
        raise forgotten(lease.job_id)
    if (part.state, part.attempt, part.owner) != (PartState.RUNNING, lease.attempt, lease.owner):
        raise LeaseLost(
            f"part {lease.part_id} of job {lease.job_id} is no longer ours ({part.state})",
            hint="nothing is to be done: who has it now goes on",
        )
    return part


def forgotten(job_id: str) -> LeaseLost:
    """Retention took it away under who worked on it."""
    return LeaseLost(f"the job {job_id} is kept no longer", hint="nothing is to be done")


def close_attempt(
    session: Session, part: PartRow, outcome: str, error: str = "", traceback: str = ""
) -> None:
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.part_id == part.id, AttemptRow.number == part.attempt)
        .values(outcome=outcome, error=error, traceback=traceback, ended_at=datetime.now(UTC))
    )


def open_decision(session: Session, job: JobRow) -> list[str]:
    """Once, when all that the job waited for has ended one way or another; its lane, then."""
    unfinished = PartRow.state.in_((PartState.QUEUED, PartState.RUNNING))
    waits = (PartRow.job_id == job.id, PartRow.kind.in_((Kind.INGEST, Kind.SCAN)), unfinished)
    if session.scalar(select(func.count()).select_from(PartRow).where(*waits)):
        return []
    open_part(session, job, Kind.DECIDE)
    return [CONTROL]


def open_part(session: Session, job: JobRow, kind: Kind) -> None:
    """The one part of that kind waits for a worker, for the first time or again."""
    insert_new(session, PartRow, [part_values(job, kind, CONTROL)])
    ended = PartRow.state.in_((PartState.CANCELLED, PartState.DONE, PartState.DEAD))
    session.execute(
        update(PartRow)
        .where(PartRow.job_id == job.id, PartRow.kind == kind, ended)
        .values(state=PartState.QUEUED, lease_us=0, progress=0.0)
    )


def results_of(session: Session, job_id: str) -> tuple[dict[Place, Any], dict[Place, str]]:
    parts = select(PartRow).where(PartRow.job_id == job_id, PartRow.kind == Kind.SCAN)
    rows = list(session.scalars(parts))
    dead = {Place(row.lane, row.number): row.error for row in rows if row.state == PartState.DEAD}
    found = (
        select(PartRow.lane, PartRow.number, PartResultRow.content)
        .join(PartResultRow, PartResultRow.part_id == PartRow.id)
        .where(PartRow.job_id == job_id)  # what was seen stays, when a second look fails
    )
    return {Place(row.lane, row.number): row.content for row in session.execute(found)}, dead
