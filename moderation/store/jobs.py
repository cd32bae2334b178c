"""Jobs in the database: submitted once, looked up, cancelled, tried again."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from moderation.errors import ConfigurationError, NotFound
from moderation.job import Attempt, Job, JobState, Kind, Part, PartState, Submission
from moderation.lanes import CONTROL
from moderation.plan import AGAIN
from moderation.policy import Policy
from moderation.store.database import insert_new, retried
from moderation.store.models import (
    AttemptRow,
    CoverageRow,
    JobRow,
    PartRow,
    PolicyRow,
    ScanRow,
    VerdictRow,
)
from moderation.store.store import Store
from moderation.store.tombstone import check_whole
from moderation.store.turns import Turns
from moderation.verdict import Action

__all__ = ["Jobs", "part_values"]

_BATCH = 1_000
"""Submissions in one transaction: short enough for those who wait for its locks."""

_STEPS = (Kind.PUBLISH, Kind.DECIDE, Kind.SCAN, Kind.INGEST)
"""What ends a job goes before what begins one: less lies about half done."""


class Jobs:
    """The jobs of an installation. Threads may share it; each method is a transaction or more."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @retried
    def keep(self, policy: Policy) -> str:
        """Keep a policy for the workers; its digest."""
        with self._store.writing() as session:
            ref = policy.ref
            row = {"digest": ref.digest, "name": ref.name, "version": ref.version}
            insert_new(session, PolicyRow, [{**row, "text": policy.canonical}])
        return policy.ref.digest

    @retried
    def submit(self, submissions: Sequence[Submission]) -> list[Job]:
        """A job for each, in their order: a new one, or the one that there is already."""
        jobs: list[Job] = []
        for first in range(0, len(submissions), _BATCH):
            with self._store.writing() as session:
                jobs += _submit(session, submissions[first : first + _BATCH])
        return jobs

    def get(self, job_id: str) -> Job:
        """With its parts. Raises `ConfigurationError` for an id that there is not."""
        with self._store.reading() as session:
            row = session.get(JobRow, job_id)
            if row is None:
                raise _unknown(job_id)
            return _job(row, _parts(session, job_id))

    def find(
        self,
        *,
        state: Collection[JobState] | None = None,
        tag: str | None = None,
        limit: int | None = 100,
        after: str | None = None,
    ) -> list[Job]:
        """The newest first, without their parts.

        after  the id of the last one of the page before

        Raises `NotFound` where `after` is no job's.
        """
        found = select(JobRow).order_by(JobRow.submitted_at.desc(), JobRow.id).limit(limit)
        if state is not None:
            found = found.where(JobRow.state.in_(list(state)))
        if tag is not None:
            found = found.where(JobRow.tag == tag)
        with self._store.reading() as session:
            if after is not None:
                found = found.where(_comes_after(session, after))
            return [_job(row) for row in session.scalars(found)]

    def unfinished(self, uri: str) -> list[Job]:
        """Of any version of an upload."""
        live = JobRow.state.in_((JobState.QUEUED, JobState.RUNNING))
        versions = JobRow.uri.startswith(f"{uri}?versionId=", autoescape=True)
        found = select(JobRow).where(live, or_(JobRow.uri == uri, versions))
        with self._store.reading() as session:
            return [_job(row) for row in session.scalars(found)]

    def attempts(self, part_id: int) -> tuple[Attempt, ...]:
        """Every try at a part, the first one first."""
        with self._store.reading() as session:
            return _attempts(session, part_id)

    def dead(self, limit: int | None = 100) -> list[Part]:
        """Parts that failed for good, the newest first."""
        found = select(PartRow).where(PartRow.state == PartState.DEAD)
        with self._store.reading() as session:
            rows = session.scalars(found.order_by(PartRow.id.desc()).limit(limit))
            return [_part(row) for row in rows]

    def counts(self) -> dict[tuple[str, PartState], int]:
        """How many parts wait and run in each lane."""
        live = (PartState.QUEUED, PartState.RUNNING)
        found = (
            select(PartRow.lane, PartRow.state, func.count())
            .where(PartRow.state.in_(live))
            .group_by(PartRow.lane, PartRow.state)
        )
        with self._store.reading() as session:
            return {(lane, PartState(state)): n for lane, state, n in session.execute(found)}

    @retried
    def cancel(self, job_id: str) -> Job:
        """Nobody works on it from now on; who does learns it at its next heartbeat."""
        with self._store.writing() as session:
            row = _locked(session, job_id)
            if not JobState(row.state).is_final:
                row.state, row.finished_at = JobState.CANCELLED, datetime.now(UTC)
                live = PartRow.state.in_((PartState.QUEUED, PartState.RUNNING))
                session.execute(
                    update(PartRow)
                    .where(PartRow.job_id == job_id, live)
                    .values(state=PartState.CANCELLED)
                )
                _give_up(session, job_id)
        return self.get(job_id)

    @retried
    def retry(self, job_id: str, detectors: Collection[str] = ()) -> Job:
        """Try again what failed for good or was cancelled, and judge anew; what was seen stays.

        detectors  of which the lanes look again, even if they are done

        Raises `ConfigurationError` for a detector that had no turn, and for a job that is bare.
        """
        with self._store.writing() as session:
            row = _locked(session, job_id)
            again = (PartState.DEAD, PartState.CANCELLED)
            parts = list(session.scalars(_of(job_id)))
            check_whole(row, parts)
            opens = any(map(_is_looked_at, parts))  # a decision, when that is over
            ended = [
                part
                for part in parts
                if part.state in again and not (opens and part.kind == Kind.DECIDE)
            ]
            ended += _done_by(session, row, parts, detectors) if detectors else []
            seeing = [part for part in ended if part.kind in (Kind.INGEST, Kind.SCAN)]
            judging = [part for part in ended if part.kind == Kind.DECIDE]
            for part in seeing or judging or ended:
                _begin_again(session, part)
            if any(part.kind == Kind.INGEST for part in seeing) and detectors:
                row.plan = {AGAIN: True}
            if seeing:  # what was judged without them is judged again, when they are done
                session.execute(
                    update(PartRow)
                    .where(PartRow.job_id == job_id, PartRow.kind == Kind.DECIDE)
                    .values(state=PartState.CANCELLED)
                )
                _give_up(session, job_id, PartRow.kind == Kind.DECIDE)
            if seeing or judging:
                row.state, row.finished_at = JobState.QUEUED, None
                _take_back(session, job_id)
            if ended:
                row.error = ""
        return self.get(job_id)


def _is_looked_at(part: PartRow) -> bool:
    live = (PartState.QUEUED, PartState.RUNNING)
    return part.kind in (Kind.INGEST, Kind.SCAN) and part.state in live


def _done_by(
    session: Session, job: JobRow, parts: Sequence[PartRow], detectors: Collection[str]
) -> list[PartRow]:
    """The parts in which these detectors had their turn, as far as they are done.

    Who reads text has it in the decision; of a job that ended with its ingest, since the bytes
    were known, that is begun again.
    """
    lanes = {
        each: lane for lane, names in (job.plan or {}).get("lanes", {}).items() for each in names
    }
    known = {*lanes, *_covered(session, job)}
    if unknown := sorted(set(detectors) - known):
        raise ConfigurationError(
            f"{', '.join(unknown)} had no turn in job {job.id}",
            hint=f"name some of {', '.join(sorted(known))}"
            if known
            else "it was not looked at yet",
        )
    turns = [
        (Kind.SCAN, lanes[each]) if each in lanes else (Kind.DECIDE, CONTROL) for each in detectors
    ]
    found = [part for part in parts if (part.kind, part.lane) in turns]
    found = found or [part for part in parts if part.kind == Kind.INGEST]
    return [part for part in found if part.state == PartState.DONE]


def _covered(session: Session, job: JobRow) -> Iterable[str]:
    """The detectors that its verdict speaks of."""
    return session.scalars(
        select(CoverageRow.detector)
        .join(VerdictRow, VerdictRow.id == CoverageRow.verdict_id)
        .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
        .where(ScanRow.scan_id == job.scan_id)
    )


def part_values(job: JobRow, kind: Kind, lane: str, number: int = 0) -> dict[str, Any]:
    """The columns of a new part that waits for a worker."""
    return {
        "job_id": job.id,
        "kind": kind,
        "lane": lane,
        "number": number,
        "rank": (9 - job.priority) * len(_STEPS) + _STEPS.index(kind),
        "tag": job.tag,
        "turn": job.turn,
        "state": PartState.QUEUED,
        "attempt": 0,
        "progress": 0.0,
        "owner": "",
        "lease_us": 0,
        "error": "",
    }


def _attempts(session: Session, part_id: int) -> tuple[Attempt, ...]:
    found = select(AttemptRow).where(AttemptRow.part_id == part_id).order_by(AttemptRow.number)
    return tuple(
        Attempt(
            number=row.number,
            owner=row.owner,
            started_at=row.started_at,
            ended_at=row.ended_at,
            outcome=row.outcome,
            error=row.error,
            traceback=row.traceback,
        )
        for row in session.scalars(found)
    )


def _submit(session: Session, submissions: Sequence[Submission]) -> list[Job]:
    turns = Turns(session)
    keys = [each.dedupe_key for each in submissions]
    known = _ids(session, keys)
    new = {key: each for key, each in zip(keys, submissions, strict=True) if key not in known}
    rows = [_row(key, each, turns.next(each.tag)) for key, each in new.items()]
    # In one order, whoever submits: two that wait for each other's keys would be a deadlock.
    insert_new(session, JobRow, sorted(rows, key=itemgetter("dedupe_key")))
    known = _ids(session, keys)
    ours = [row for row in rows if known[row["dedupe_key"]] == row["id"]]
    inserted = session.scalars(select(JobRow).where(JobRow.id.in_([row["id"] for row in ours])))
    insert_new(session, PartRow, [part_values(row, Kind.INGEST, CONTROL) for row in inserted])
    jobs = {
        row.dedupe_key: _job(row)
        for row in session.scalars(select(JobRow).where(JobRow.dedupe_key.in_(keys)))
    }
    return [jobs[key] for key in keys]


def _ids(session: Session, keys: Sequence[str]) -> dict[str, str]:
    found = select(JobRow.dedupe_key, JobRow.id).where(JobRow.dedupe_key.in_(keys))
    return {row.dedupe_key: row.id for row in session.execute(found)}


def _row(key: str, submission: Submission, turn: int) -> dict[str, Any]:
    return {
        "id": secrets.token_hex(8),
        "dedupe_key": key,
        "uri": submission.uri,
        "pin": submission.pin,
        "policy_digest": submission.policy,
        "priority": submission.priority,
        "tag": submission.tag,
        "turn": turn,
        "state": JobState.QUEUED,
        "submitted_at": datetime.now(UTC),
        "plan": {},
        "scan_id": "",
        "error": "",
    }


def _of(job_id: str, kind: Kind | None = None) -> Any:
    found = select(PartRow).where(PartRow.job_id == job_id).order_by(PartRow.id)
    return found if kind is None else found.where(PartRow.kind == kind)


def _parts(session: Session, job_id: str) -> Iterator[Part]:
    return map(_part, session.scalars(_of(job_id)))


def _locked(session: Session, job_id: str) -> JobRow:
    row = session.scalar(select(JobRow).where(JobRow.id == job_id).with_for_update())
    if row is None:
        raise _unknown(job_id)
    return row


def _comes_after(session: Session, job_id: str) -> ColumnElement[bool]:
    """In the order of `find`."""
    row = session.get(JobRow, job_id)
    if row is None:
        raise _unknown(job_id)
    at_once = and_(JobRow.submitted_at == row.submitted_at, JobRow.id > job_id)
    return or_(JobRow.submitted_at < row.submitted_at, at_once)


def _give_up(session: Session, job_id: str, *which: ColumnElement[bool]) -> None:
    """Whoever is at parts of the job does what nobody wants any more."""
    parts = select(PartRow.id).where(PartRow.job_id == job_id, *which)
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.part_id.in_(parts), AttemptRow.outcome == "")
        .values(outcome="cancelled", ended_at=datetime.now(UTC))
    )


def _take_back(session: Session, job_id: str) -> None:
    """What is to be published is that of the next decision, which opens the part again."""
    unpublished = (
        PartRow.kind == Kind.PUBLISH,
        PartRow.state.in_((PartState.QUEUED, PartState.RUNNING)),
    )
    _give_up(session, job_id, *unpublished)
    session.execute(
        update(PartRow)
        .where(PartRow.job_id == job_id, *unpublished)
        .values(state=PartState.CANCELLED)
    )


def _begin_again(session: Session, part: PartRow) -> None:
    """Its earlier tries no longer count."""
    part.state, part.error, part.lease_us, part.progress = PartState.QUEUED, "", 0, 0.0
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.part_id == part.id, AttemptRow.outcome.in_(("failed", "lost")))
        .values(outcome="retried")
    )


def _job(row: JobRow, parts: Iterable[Part] = ()) -> Job:
    return Job(
        id=row.id,
        uri=row.uri,
        pin=row.pin,
        policy=row.policy_digest,
        priority=row.priority,
        tag=row.tag,
        state=JobState(row.state),
        submitted_at=row.submitted_at,
        finished_at=row.finished_at,
        scan_id=row.scan_id,
        action=Action(row.action) if row.action else None,
        error=row.error,
        parts=tuple(parts),
    )


def _part(row: PartRow) -> Part:
    return Part(
        id=row.id,
        job_id=row.job_id,
        kind=Kind(row.kind),
        lane=row.lane,
        number=row.number,
        state=PartState(row.state),
        attempt=row.attempt,
        progress=row.progress,
        owner=row.owner,
        error=row.error,
    )


def _unknown(job_id: str) -> NotFound:
    return NotFound(f"there is no job {job_id}", hint="see `moderation status`")
