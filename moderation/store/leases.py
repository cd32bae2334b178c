"""Leases: parts of jobs taken, kept, finished, given back, and taken from who has died.

Each part has one owner until its lease runs out, by the database's clock. `attempt` is a fencing
token: whatever an earlier owner still says changes nothing. Every method is one transaction, and
locks the row of the job before those of its parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from moderation.job import JobState, Kind, Lease, PartState
from moderation.lanes import CONTROL
from moderation.policy import Policy
from moderation.scan import Scan, Video
from moderation.store.announcements import announce_job
from moderation.store.bare import cancel_jobs, free_keys, strip_jobs
from moderation.store.clock import now_us
from moderation.store.database import insert_new, retried
from moderation.store.jobs import part_values
from moderation.store.models import AttemptRow, JobRow, PartResultRow, PartRow
from moderation.store.parts import (
    Place,
    begin,
    close_attempt,
    forgotten,
    held,
    locked_job,
    locked_part,
    open_decision,
    open_part,
    results_of,
)
from moderation.store.save import save_scan
from moderation.store.store import Store
from moderation.store.tombstone import is_erased
from moderation.timeline import MICROSECONDS

__all__ = ["Failure", "Hold", "Leases", "Place", "Work"]

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
    results  by lane and section, what was seen
    dead     by lane and section, why nobody saw it
    """

    uri: str
    pin: str
    policy: str
    tag: str
    plan: Any
    results: Mapping[Place, Any]
    dead: Mapping[Place, str]
    scan_id: str = ""


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
        self.attempts = attempts

    @retried
    def claim(self, lane: str, owner: str, job_id: str | None = None) -> Lease | None:
        """The part of this lane whose turn it is, or nothing; of one job when it is named.

        Two callers never get one part.
        """
        with self._store.writing() as session:
            row = session.execute(self._claiming(lane, owner, job_id)).one_or_none()
            if row is None:
                return None
            lease = Lease(
                part_id=row.part_id,
                job_id=row.job_id,
                kind=Kind(row.kind),
                lane=lane,
                number=row.number,
                attempt=row.attempt,
                owner=owner,
            )
            attempt = {"part_id": lease.part_id, "number": lease.attempt, "owner": owner}
            session.add(
                AttemptRow(
                    **attempt, started_at=datetime.now(UTC), outcome="", error="", traceback=""
                )
            )
            begin(session, lease.job_id)
            return lease

    def work(self, lease: Lease) -> Work:
        """What is to be done under a lease."""
        with self._store.reading() as session:
            job = session.get(JobRow, lease.job_id)
            if job is None:
                raise forgotten(lease.job_id)
            results, dead = results_of(session, job.id) if lease.kind is Kind.DECIDE else ({}, {})
            return Work(
                uri=job.uri,
                pin=job.pin,
                policy=job.policy_digest,
                tag=job.tag,
                plan=job.plan,
                results=results,
                dead=dead,
                scan_id=job.scan_id,
            )

    @retried
    def renew(self, lease: Lease, progress: float = 0.0) -> Hold:
        """A heartbeat: it stays ours for as long again, unless it is no longer."""
        with self._store.writing() as session:
            values = {"lease_us": now_us() + self._lease_us, "progress": progress}
            if session.execute(held(lease).values(values)).rowcount:  # type: ignore[attr-defined]
                return Hold.OURS
            state = session.scalar(select(PartRow.state).where(PartRow.id == lease.part_id))
            return Hold.CANCELLED if state == PartState.CANCELLED else Hold.LOST

    @retried
    def plan(
        self,
        lease: Lease,
        plan: Any,
        lanes: Sequence[str],
        sections: int = 1,
        video: Video | None = None,
    ) -> list[str]:
        """End an ingest: a part for each lane and section, a decision alone where there is none.

        Gives the lanes that have work now, once for each part, as `seen` does. A job of a `video`
        that was erased since it was submitted ends here.
        """
        with self._store.writing() as session:
            job = self._end(session, lease)
            if video is not None and is_erased(session, video, job.submitted_at):
                return _erased(session, job)
            job.plan = plan
            places = [Place(lane, number) for number in range(sections) for lane in lanes]
            rows = [part_values(job, Kind.SCAN, each.lane, each.number) for each in places]
            insert_new(session, PartRow, rows)
            return [*(each.lane for each in places), *open_decision(session, job)]

    @retried
    def seen(self, lease: Lease, result: Any) -> list[str]:
        """End a scan with what was seen; the last of a job's opens its decision."""
        with self._store.writing() as session:
            job = self._end(session, lease)
            session.execute(delete(PartResultRow).where(PartResultRow.part_id == lease.part_id))
            session.add(PartResultRow(part_id=lease.part_id, attempt=lease.attempt, content=result))
            return open_decision(session, job)

    @retried
    def decided(
        self,
        lease: Lease,
        scan: Scan,
        policy: Policy,
        fingerprint: str,
        *,
        publish: bool = False,
    ) -> list[str]:
        """End a job: its scan with verdict and review item, stored in the same transaction.

        With `publish` a part for that is opened; gives its lane. Of a video that was erased since
        the job was submitted nothing is stored.
        """
        now = datetime.now(UTC)
        with self._store.writing() as session:
            job = self._end(session, lease)
            if is_erased(session, scan.video, job.submitted_at):
                return _erased(session, job)
            save_scan(
                session,
                scan,
                fingerprint=fingerprint,
                policy=policy.canonical,
                now=now,
                review=self._store.review,
            )
            job.state, job.finished_at = JobState.DONE, now
            job.scan_id, job.action, job.error = scan.id, scan.verdict.action, ""
            announce_job(session, job, scan, now)
            if publish:
                open_part(session, job, Kind.PUBLISH)
            return [CONTROL] if publish else []

    @retried
    def published(self, lease: Lease) -> None:
        """End a publication."""
        with self._store.writing() as session:
            self._end(session, lease)

    @retried
    def fail(self, lease: Lease, failure: Failure) -> list[str]:
        """End an attempt that came to nothing: the part waits for another, or is dead.

        Gives the lane of the decision that waited for it alone.
        """
        with self._store.writing() as session:
            job = locked_job(session, lease.job_id)
            part = locked_part(session, lease)
            close_attempt(session, part, "failed", failure.error, failure.traceback)
            return self._again_or_dead(session, job, part, failure)

    @retried
    def release(self, lease: Lease) -> None:
        """Give a part back untouched, as at a shutdown: another worker takes it at once."""
        with self._store.writing() as session:
            part = locked_part(session, lease)
            close_attempt(session, part, "released")
            part.state, part.lease_us, part.owner = PartState.QUEUED, 0, ""

    @retried
    def release_all(self, owner: str) -> int:
        """Give back all that a worker holds that ends now; how many parts that were."""
        running = select(PartRow).where(PartRow.owner == owner, PartRow.state == PartState.RUNNING)
        with self._store.writing() as session:
            parts = list(session.scalars(running.with_for_update()))
            for part in parts:
                close_attempt(session, part, "released")
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

    def _claiming(self, lane: str, owner: str, job_id: str | None) -> Any:
        # A sum, which no index holds: SQLite would choose that of the leases otherwise, and sort
        # all that waits for every claim.
        ripe = [PartRow.state == PartState.QUEUED, PartRow.lease_us + 0 <= now_us()]
        if job_id is not None:
            ripe.append(PartRow.job_id == job_id)
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
            .returning(
                PartRow.id.label("part_id"),
                PartRow.job_id,
                PartRow.kind,
                PartRow.number,
                PartRow.attempt,
            )
            .execution_options(synchronize_session=False)
        )

    def _end(self, session: Session, lease: Lease) -> JobRow:
        """The part is done, if it still is ours."""
        # The job first: two parts that end at one time must see each other.
        job = locked_job(session, lease.job_id)
        part = locked_part(session, lease)
        close_attempt(session, part, "done")
        part.state, part.progress, part.error = PartState.DONE, 1.0, ""
        session.flush()
        return job

    def _again_or_dead(
        self, session: Session, job: JobRow, part: PartRow, failure: Failure
    ) -> list[str]:
        tried = session.scalar(
            select(func.count())
            .select_from(AttemptRow)
            .where(AttemptRow.part_id == part.id, AttemptRow.outcome.in_(_COUNTED))
        )
        part.error, part.owner = failure.error, ""
        if failure.retry_s is not None and (tried or 0) < self.attempts:
            delay_us = round(failure.retry_s * MICROSECONDS)
            part.state, part.lease_us = PartState.QUEUED, now_us() + delay_us
            return []
        part.state = PartState.DEAD
        session.flush()
        if part.kind == Kind.SCAN:
            return open_decision(session, job)
        if part.kind == Kind.PUBLISH:  # it has its verdict all the same
            job.error = failure.error
        else:
            now = datetime.now(UTC)
            job.state, job.finished_at, job.error = JobState.FAILED, now, failure.error
            announce_job(session, job, None, now)
        return []

    @retried
    def _reap_one(self) -> bool:
        expired = (
            select(PartRow.id, PartRow.job_id)
            .where(PartRow.state == PartState.RUNNING, PartRow.lease_us < now_us())
            .limit(1)
        )
        # Of a job that nobody is busy with: one that a frozen process holds must not keep the
        # others waiting.
        free = expired.join(JobRow).with_for_update(of=JobRow, skip_locked=True)
        with self._store.writing() as session:
            found = session.execute(free).one_or_none()
            if found is None:
                return False
            job = locked_job(session, found.job_id)
            part = session.get_one(PartRow, found.id, with_for_update=True, populate_existing=True)
            still = session.scalar(
                expired.with_only_columns(PartRow.id).where(PartRow.id == found.id)
            )
            if still is not None:
                error = f"the worker {part.owner} fell silent"
                close_attempt(session, part, "lost", error)
                self._again_or_dead(session, job, part, Failure(error=error, retry_s=0))
        return True


def _erased(session: Session, job: JobRow) -> list[str]:
    """What the job has come to is not wanted any more; no lane has work.

    Nobody named this upload, only its bytes: it may be submitted anew.
    """
    session.flush()
    cancel_jobs(session, [job.id], datetime.now(UTC))
    free_keys(session, [job.id])
    strip_jobs(session, [job.id])
    return []
