"""`/api/v1/audit`: what was done, by whom, and whether anybody has changed it since."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Final, Self, TypeAlias

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from moderation import audit as known
from moderation.person import Person, Right
from moderation.reports.document import Json, Text
from moderation.store.audit_page import audit_page
from moderation.store.items import has_second_look
from moderation.web.api.moments import Moment
from moderation.web.identity import needs
from moderation.web.installation import Here

__all__ = ["router"]

_LARGEST_PAGE: Final = 1_000
_LARGEST_NUMBER: Final = 2**63 - 1
"""That the column of an event's number takes."""
_LONGEST_SUBJECT: Final = 200

Auditor: TypeAlias = Annotated[Person, Depends(needs(Right.SEE_AUDIT))]

router = APIRouter(prefix="/audit", tags=["audit"], dependencies=[Depends(needs(Right.SEE_AUDIT))])


class AuditEvent(BaseModel):
    """Something that was done."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)

    number: int
    """From 1, without gaps."""
    at: datetime
    actor: Text
    action: Text
    subject: Text
    content: Annotated[Json, BeforeValidator(json.loads)]
    digest: str
    """Stands for this event and all before it."""

    def without_outcome(self) -> Self:
        """Of a decision, that there was one."""
        if not isinstance(self.content, dict):
            return self
        kept = {name: value for name, value in self.content.items() if name != "outcome"}
        return self.model_copy(update={"content": kept})


class AuditEvents(BaseModel):
    """The newest first."""

    events: list[AuditEvent]


class AuditCheck(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    head: Annotated[str, Field(pattern=r"^[0-9]{1,18}:[0-9a-f]{64}$")] | None = None
    """As it was noted elsewhere: a number, a colon and a digest."""


class AuditVerification(BaseModel):
    """Whether everything is as it was written."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    is_sound: bool
    head: str
    """Of the events that follow on each other: to be noted elsewhere."""
    flaw: Text
    """The first event or decision that is not as it was written; empty where all are."""
    event: int | None
    """Its number, where it is an event."""
    decisions: int
    """That are as their events say; of some the words may be erased."""

    @classmethod
    def of(cls, events: known.Verification, decisions: known.Sealed) -> Self:
        flaw = events.flaw or decisions.flaw
        return cls(
            is_sound=flaw is None,
            head=str(events.head),
            flaw=str(flaw or ""),
            event=events.flaw.number if events.flaw else None,
            decisions=decisions.whole + decisions.erased,
        )


@router.get("")
def events(
    here: Here,
    by: Auditor,
    subject: Annotated[
        str | None,
        Query(max_length=_LONGEST_SUBJECT, description="about this alone: item:abcdefghij"),
    ] = None,
    since: Moment | None = None,
    before: Annotated[
        int | None,
        Query(ge=1, le=_LARGEST_NUMBER, description="the last number of the page before"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=_LARGEST_PAGE)] = 100,
) -> AuditEvents:
    """A page of what was done. Whoever has a second look is not told what others decided."""
    with here.store.reading() as session:
        found = audit_page(session, subject=subject, since=since, before=before, limit=limit)
        told = [AuditEvent.model_validate(each) for each in found]
        is_blind = has_second_look(session, by.name)
    return AuditEvents(events=[each.without_outcome() for each in told] if is_blind else told)


@router.post("/verify")
def verify(given: AuditCheck, here: Here) -> AuditVerification:
    """Go through all events and decisions, up to the first that was changed behind our back."""
    head = None if given.head is None else known.Head.parse(given.head)
    found = here.audit.verify(head)
    decisions = known.Sealed() if found.flaw else here.audit.check_decisions()
    return AuditVerification.of(found, decisions)
