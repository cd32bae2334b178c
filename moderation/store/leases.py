"""Leases: parts of jobs taken, kept, finished, given back, and taken from who has died.

Each part has one owner until its lease runs out, by the database's clock. `attempt` is a fencing
token: whatever an earlier owner still says changes nothing. Every method is one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from moderation.errors import LeaseLost
from moderation.job import JobState, Kind, Lease, PartState
from moderation.lanes import CONTROL
from moderation.policy import Policy
from moderation.scan import Scan
from moderation.store.clock import now_us
from moderation.store.database import insert_new
from moderation.store.jobs import part_values
from moderation.store.models import AttemptRow, JobRow, PartResultRow, PartRow
from moderation.store.save import save_scan
from moderation.store.store import Store
from moderation.timeline import MICROSECONDS

__all__ = ["Failure", "Hold", "Leases", "Work"]

_COUNTED = ("failed", "lost")
"""Outcomes of an attempt that use up one of those that a part has."""


class Hold(Enum):
    """What a heartbeat learns."""

    OURS = "ours"
    LOST = "lost"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a lease is on: the job's facts, and of a decision what all its parts saw.

    plan     what ingest found out; empty before
    results  of each lane that saw something
    dead     of each lane that failed for good, why
    """

    uri: str
    pin: str
    policy: str
    tag: str
    plan: Any
    results: Mapping[str, Any]
    dead: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt came to nothing.

    retry_s  seconds after which it is tried again; `None`: the same would happen again
    """

    error: str
    traceback: str = ""
    retry_s: float | None = None


class Leases:
    """The workers' side of jobs.

    lease_s   seconds that a worker may be silent
    attempts  that fail or are lost, after which a part is dead
    """

    def __init__(self, store: Store, *, lease_s: float = 90, attempts: int = 3) -> None:
        self._store, self._lease_us = store, round(lease_s * MICROSECONDS)
        self._most = attempts

    def claim(self, lane: str, owner: str) -> Lease | None:
        """The part of this lane whose turn it is, or nothing. Two callers never get one part."""
        with self._store.writing() as session:
            row = session.execute(self._claiming(lane, owner)).one_or_none()
            if row is None:
                return None
            lease = Lease(
                part_id=row.part_id,
                job_id=row.job_id,
                kind=Kind(row.kind),
                lane=lane,
                attempt=row.attempt,
                owner=owner,
            )
            attempt = {"part_id": lease.part_id, "number": lease.attempt, "owner": owner}
            session.add(
                AttemptRow(
                    **attempt, started_at=datetime.now(UTC), outcome="", error="", traceback=""
                )
            )
            session.execute(
                update(JobRow)
                .where(JobRow.id == lease.job_id, JobRow.state == JobState.QUEUED)
                .values(state=JobState.RUNNING)
            )
            return lease

    def work(self, lease: Lease) -> Work:
        """What is to be done under a lease."""
        with self._store.reading() as session:
            job = session.get_one(JobRow, lease.job_id)
            results, dead = _results(session, job.id) if lease.kind is Kind.DECIDE else ({}, {})
            return Work(
                uri=job.uri,
                pin=job.pin,
                policy=job.policy_digest,
                tag=job.tag,
                plan=job.plan,
                results=results,
                dead=dead,
            )

    def renew(self, lease: Lease, progress: float = 0.0) -> Hold:
        """A heartbeat: it stays ours for as long again, unless it is no longer."""
        with self._store.writing() as session:
            values = {"lease_us": now_us() + self._lease_us, "progress": progress}
            if session.execute(_held(lease).values(values)).rowcount:  # type: ignore[attr-defined]
                return Hold.OURS
            state = session.scalar(select(PartRow.state).where(PartRow.id == lease.part_id))
            return Hold.CANCELLED if state == PartState.CANCELLED else Hold.LOST

    def plan(self, lease: Lease, plan: Any, lanes: Sequence[str]) -> list[str]:
        """End an ingest: the parts that its job needs, a decision alone where it needs none.

        Gives the lanes that have work now, as `seen` does.
        """
        with self._store.writing() as session:
            job = self._end(session, lease)
            job.plan = plan
            insert_new(session, PartRow, [part_values(job, Kind.SCAN, lane) for lane in lanes])
            return [*lanes, *_open_decision(session, job)]

    def seen(self, lease: Lease, result: Any) -> list[str]:
        """End a scan with what was seen; the last of a job's opens its decision."""
        with self._store.writing() as session:
            job = self._end(session, lease)
            session.execute(delete(PartResultRow).where(PartResultRow.part_id == lease.part_id))
            session.add(PartResultRow(part_id=lease.part_id, attempt=lease.attempt, content=result))
            return _open_decision(session, job)

    def decided(self, lease: Lease, scan: Scan, policy: Policy, fingerprint: str) -> None:
        """End a job: its scan with verdict and review item, stored in the same transaction."""
        now = datetime.now(UTC)
        with self._store.writing() as session:
            job = self._end(session, lease)
            save_scan(session, scan, fingerprint=fingerprint, policy=policy.canonical, now=now)
            job.state, job.finished_at = JobState.DONE, now
            job.scan_id, job.action = scan.id, scan.verdict.action

    def fail(self, lease: Lease, failure: Failure) -> None:
        """End an attempt that came to nothing: the part waits for another, or is dead."""
        with self._store.writing() as session:
            job = _locked(session, lease.job_id)
            part = _mine(session, lease)
            _close(session, part, "failed", failure.error, failure.traceback)
            self._again_or_dead(session, job, part, failure)

    def release(self, lease: Lease) -> None:
        """Give a part back untouched, as at a shutdown: another worker takes it at once."""
        with self._store.writing() as session:
            part = _mine(session, lease)
            _close(session, part, "released")
            part.state, part.lease_us, part.owner = PartState.QUEUED, 0, ""

    def release_all(self, owner: str) -> int:
        """Give back all that a worker holds that ends now; how many parts that were."""
        held = select(PartRow).where(PartRow.owner == owner, PartRow.state == PartState.RUNNING)
        with self._store.writing() as session:
            parts = list(session.scalars(held.with_for_update()))
            for part in parts:
                _close(session, part, "released")
                part.state, part.lease_us, part.owner = PartState.QUEUED, 0, ""
            return len(parts)

    def reap(self) -> int:
        """Take back what silent workers hold; how many parts that were.

        Any number of processes may do it at any time.
        """
        reaped = 0
        while self._reap_one():
            reaped += 1
        return reaped

    def waiting(self) -> dict[str, int]:
        """Parts that may be taken now, by lane."""
        ripe = (PartRow.state == PartState.QUEUED, PartRow.lease_us <= now_us())
        count = func.count().label("parts")
        found = select(PartRow.lane, count).where(*ripe).group_by(PartRow.lane)
        with self._store.reading() as session:
            return {row.lane: row.parts for row in session.execute(found)}

    def _claiming(self, lane: str, owner: str) -> Any:
        ripe = (PartRow.state == PartState.QUEUED, PartRow.lease_us <= now_us())
        turn = (
            select(PartRow.id)
            .where(PartRow.lane == lane, *ripe)
            .order_by(PartRow.rank, PartRow.turn, PartRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        return (
            update(PartRow)
            .where(PartRow.id == turn)
            .values(
                state=PartState.RUNNING,
                attempt=PartRow.attempt + 1,
                owner=owner,
                progress=0.0,
                lease_us=now_us() + self._lease_us,
            )
            .returning(PartRow.id.label("part_id"), PartRow.job_id, PartRow.kind, PartRow.attempt)
            .execution_options(synchronize_session=False)
        )

    def _end(self, session: Session, lease: Lease) -> JobRow:
        """The part is done, if it still is ours."""
        # The job first: two parts that end at one time must see each other.
        job = _locked(session, lease.job_id)
        part = _mine(session, lease)
        _close(session, part, "done")
        part.state, part.progress, part.error = PartState.DONE, 1.0, ""
        session.flush()
        return job

    def _again_or_dead(
        self, session: Session, job: JobRow, part: PartRow, failure: Failure
    ) -> None:
        tried = session.scalar(
            select(func.count())
            .select_from(AttemptRow)
            .where(AttemptRow.part_id == part.id, AttemptRow.outcome.in_(_COUNTED))
        )
        part.error, part.owner = failure.error, ""
        if failure.retry_s is not None and (tried or 0) < self._most:
            delay_us = round(failure.retry_s * MICROSECONDS)
            part.state, part.lease_us = PartState.QUEUED, now_us() + delay_us
            return
        part.state = PartState.DEAD
        session.flush()
        if part.kind == Kind.SCAN:
            _open_decision(session, job)
        else:
            job.state, job.finished_at = JobState.FAILED, datetime.now(UTC)
            job.error = failure.error

    def _reap_one(self) -> bool:
        expired = (
            select(PartRow.id, PartRow.job_id)
            .where(PartRow.state == PartState.RUNNING, PartRow.lease_us < now_us())
            .limit(1)
        )
        with self._store.writing() as session:
            found = session.execute(expired).one_or_none()
            if found is None:
                return False
            job = _locked(session, found.job_id)
            part = session.get_one(PartRow, found.id, with_for_update=True, populate_existing=True)
            still = session.scalar(
                expired.with_only_columns(PartRow.id).where(PartRow.id == found.id)
            )
            if still is not None:
                error = f"the worker {part.owner} fell silent"
                _close(session, part, "lost", error)
                self._again_or_dead(session, job, part, Failure(error=error, retry_s=0))
        return True


def _held(lease: Lease) -> Any:
    return update(PartRow).where(
        PartRow.id == lease.part_id,
        PartRow.attempt == lease.attempt,
        PartRow.owner == lease.owner,
        PartRow.state == PartState.RUNNING,
    )


def _locked(session: Session, job_id: str) -> JobRow:
    return session.get_one(JobRow, job_id, with_for_update=True, populate_existing=True)


def _mine(session: Session, lease: Lease) -> PartRow:
    part = session.get_one(PartRow, lease.part_id, with_for_update=True, populate_existing=True)
    if (part.state, part.attempt, part.owner) != (PartState.RUNNING, lease.attempt, lease.owner):
        raise LeaseLost(
            f"part {lease.part_id} of job {lease.job_id} is no longer ours ({part.state})",
            hint="nothing is to be done: who has it now goes on",
        )
    return part


def _close(
    session: Session, part: PartRow, outcome: str, error: str = "", traceback: str = ""
) -> None:
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.part_id == part.id, AttemptRow.number == part.attempt)
        .values(outcome=outcome, error=error, traceback=traceback, ended_at=datetime.now(UTC))
    )


def _open_decision(session: Session, job: JobRow) -> list[str]:
    """Once, when all that the job waited for has ended one way or another; its lane, then."""
    unfinished = (PartState.QUEUED, PartState.RUNNING)
    waits = (PartRow.job_id == job.id, PartRow.kind != Kind.DECIDE, PartRow.state.in_(unfinished))
    if session.scalar(select(func.count()).select_from(PartRow).where(*waits)):
        return []
    insert_new(session, PartRow, [part_values(job, Kind.DECIDE, CONTROL)])
    session.execute(
        update(PartRow)
        .where(PartRow.job_id == job.id, PartRow.kind == Kind.DECIDE)
        .where(PartRow.state == PartState.CANCELLED)
        .values(state=PartState.QUEUED, lease_us=0, progress=0.0)
    )
    return [CONTROL]


def _results(session: Session, job_id: str) -> tuple[dict[str, Any], dict[str, str]]:
    parts = select(PartRow).where(PartRow.job_id == job_id, PartRow.kind == Kind.SCAN)
    rows = list(session.scalars(parts))
    dead = {row.lane: row.error for row in rows if row.state == PartState.DEAD}
    found = (
        select(PartRow.lane, PartResultRow.content)
        .join(PartResultRow, PartResultRow.part_id == PartRow.id)
        .where(PartRow.job_id == job_id, PartRow.state == PartState.DONE)
    )
    return {row.lane: row.content for row in session.execute(found)}, dead
