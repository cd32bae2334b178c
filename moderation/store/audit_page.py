"""A page of the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.store.models import AuditRow

__all__ = ["audit_page"]


def audit_page(
    session: Session,
    *,
    subject: str | None,
    since: datetime | None,
    before: int | None,
    limit: int,
) -> Sequence[AuditRow]:
    """Events, the newest first.

    subject  about this alone: "item:abcdefghij"
    since    at or after this moment, with a time zone
    before   the number of an event: those that it follows on
    """
    found = select(AuditRow).order_by(AuditRow.number.desc()).limit(limit)
    if subject is not None:
        found = found.where(AuditRow.subject == subject)
    if since is not None:
        found = found.where(AuditRow.at >= since)
    if before is not None:
        found = found.where(AuditRow.number < before)
    return session.scalars(found).all()
