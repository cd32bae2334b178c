"""Cases, found by what others know of a video: its job, its URI, or its bytes."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from moderation.decision import Purpose
from moderation.errors import NotFound
from moderation.store.models import JobRow, ReviewItemRow, ScanRow, VerdictRow, VideoRow

__all__ = ["case_of_bytes", "case_of_job", "case_of_uri"]

_FIRST = (Purpose.VERDICT, Purpose.AUDIT)
"""Purposes of the item that a case begins with."""


def case_of_job(session: Session, job_id: str) -> str:
    """The id of the first review item about a job's verdict. Raises `NotFound`."""
    found = _of_jobs().where(JobRow.id == job_id)
    return _only(session, found, f"the job {job_id}")


def case_of_uri(session: Session, uri: str) -> str:
    """The same of what was judged last of what was submitted, or else seen, under a URI, in
    whichever version. Older uploads do not count: what replaced them may need nobody.
    """
    is_judged = (_is_at(JobRow.uri, uri), JobRow.scan_id != "")
    newest = select(JobRow.id).where(*is_judged).order_by(JobRow.submitted_at.desc(), JobRow.id)
    job = session.scalar(newest.limit(1))
    if job is not None:
        return _only(session, _of_jobs().where(JobRow.id == job), uri)
    seen = select(VerdictRow.id).join(VideoRow, VideoRow.id == VerdictRow.video_id)
    seen = seen.where(VerdictRow.current, _is_at(VideoRow.uri, uri)).order_by(VerdictRow.id.desc())
    verdict = session.scalar(seen.limit(1))
    return _only(session, _first_items().where(VerdictRow.id == verdict), uri)


def case_of_bytes(session: Session, sha256: str) -> str:
    """The same of the verdict in force about a file of that digest."""
    found = (
        _first_items()
        .join(VideoRow, VideoRow.id == ReviewItemRow.video_id)
        .where(VerdictRow.current, VideoRow.sha256 == sha256)
    )
    return _only(session, found, sha256)


def _is_at(column: InstrumentedAttribute[str], uri: str) -> ColumnElement[bool]:
    return or_(column == uri, column.startswith(f"{uri}?versionId=", autoescape=True))


def _of_jobs() -> Select[str]:
    return (
        _first_items()
        .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
        .join(JobRow, JobRow.scan_id == ScanRow.scan_id)
        .where(JobRow.policy_digest == VerdictRow.policy_digest)
    )


def _first_items() -> Select[str]:
    return (
        select(ReviewItemRow.id)
        .join(VerdictRow, VerdictRow.id == ReviewItemRow.verdict_id)
        .where(ReviewItemRow.purpose.in_(_FIRST))
    )


def _only(session: Session, found: Select[str], what: str) -> str:
    id = session.scalar(found.limit(1))
    if id is None:
        raise NotFound(
            f"no person was asked about {what}",
            hint="submit it again, or name the review item if you know it",
        )
    return id
