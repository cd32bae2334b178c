"""Cases, found by what others know of a video: its job, its URI, or its bytes."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from moderation.decision import Purpose
from moderation.errors import NotFound
from moderation.store.models import JobRow, ReviewItemRow, ScanRow, VerdictRow, VideoRow

__all__ = ["case_of_bytes", "case_of_job", "case_of_uri"]

_FIRST = (Purpose.VERDICT, Purpose.AUDIT)
"""Purposes of the item that a case begins with."""


def case_of_job(session: Session, job_id: str) -> str:
    """The id of the first review item about a job's verdict. Raises `NotFound`."""
    found = _of_jobs().where(JobRow.id == job_id)
    return _only(session, [found], f"the job {job_id}")


def case_of_uri(session: Session, uri: str) -> str:
    """The same of the newest verdict about what was submitted, or last seen, under a URI."""
    submitted = _of_jobs().where(JobRow.uri == uri).order_by(JobRow.submitted_at.desc())
    return _only(session, [submitted, _in_force().where(VideoRow.uri == uri)], uri)


def case_of_bytes(session: Session, sha256: str) -> str:
    """The same of the verdict in force about a file of that digest."""
    return _only(session, [_in_force().where(VideoRow.sha256 == sha256)], sha256)


def _of_jobs() -> Select[str]:
    return (
        _first_items()
        .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
        .join(JobRow, JobRow.scan_id == ScanRow.scan_id)
        .where(JobRow.policy_digest == VerdictRow.policy_digest)
    )


def _in_force() -> Select[str]:
    return (
        _first_items()
        .join(VideoRow, VideoRow.id == ReviewItemRow.video_id)
        .where(VerdictRow.current)
        .order_by(VerdictRow.id.desc())
    )


def _first_items() -> Select[str]:
    return (
        select(ReviewItemRow.id)
        .join(VerdictRow, VerdictRow.id == ReviewItemRow.verdict_id)
        .where(ReviewItemRow.purpose.in_(_FIRST))
    )


def _only(session: Session, ways: Iterable[Select[str]], what: str) -> str:
    for found in ways:
        id = session.scalar(found.limit(1))
        if id is not None:
            return id
    raise NotFound(
        f"no person was asked about {what}",
        hint="submit it again, or name the review item if you know it",
    )
