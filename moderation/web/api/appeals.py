"""`/api/v1/appeals`: whoever a decision is about does not agree, and somebody else looks again."""

from __future__ import annotations

from typing import Annotated, Self, TypeAlias

from fastapi import APIRouter, Depends, Response
from pydantic import Field, model_validator

from moderation.person import Person, Right
from moderation.store.cases import case_of_bytes, case_of_job, case_of_uri
from moderation.web.api.schemas_review import Appeal, AppealMade, ItemId
from moderation.web.idempotency import Once
from moderation.web.identity import needs
from moderation.web.installation import Here, Installation

__all__ = ["router"]

_LONGEST_URI = 4_096
"""Letters: a key of S3 has at most 1,024 bytes, each three letters when it is quoted."""

router = APIRouter(tags=["review"])

Appellant: TypeAlias = Annotated[Person, Depends(needs(Right.APPEAL))]


class AppealAbout(Appeal):
    """An appeal by what the sender knows: exactly one of these."""

    item: Annotated[str, Field(pattern=r"^[a-z2-7]{10}$")] | None = None
    job: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    uri: Annotated[str, Field(min_length=1, max_length=_LONGEST_URI)] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = (self.item, self.job, self.uri, self.sha256)
        if sum(each is not None for each in given) != 1:
            raise ValueError("give exactly one of item, job, uri and sha256")
        return self


@router.post("/appeals", status_code=201, response_model=AppealMade)
def appeal(given: AppealAbout, here: Here, by: Appellant, once: Once) -> Response:
    """Have somebody else decide what was decided about a job, a URI, a file or an item.

    404 where no person was ever asked, 409 while nothing is decided or an appeal waits already.
    """

    def work() -> AppealMade:
        id = given.item or _case(here, given)
        return AppealMade(item=here.queue.appeal(id, by, note=given.note))

    return once.answer(work, status=201)


@router.post("/review/items/{id}/appeal", status_code=201, response_model=AppealMade)
def appeal_item(id: ItemId, given: Appeal, here: Here, by: Appellant, once: Once) -> Response:
    """The same, by the item that was decided."""
    return once.answer(
        lambda: AppealMade(item=here.queue.appeal(id, by, note=given.note)), status=201
    )


def _case(here: Installation, given: AppealAbout) -> str:
    with here.store.reading() as session:
        if given.job is not None:
            return case_of_job(session, given.job)
        if given.uri is not None:
            return case_of_uri(session, given.uri)
        return case_of_bytes(session, given.sha256 or "")
