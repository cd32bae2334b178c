"""`/api/v1/review`: what waits for a person, and deciding it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Query, Response

from moderation.errors import ReviewConflict
from moderation.person import Person, Right
from moderation.review import ItemState, ReviewCase
from moderation.store.items import count, find, seen_by
from moderation.web.api.schemas_review import (
    Case,
    DecisionMade,
    HeldUntil,
    Item,
    ItemId,
    Items,
    Reopening,
    Ruling,
)
from moderation.web.identity import needs
from moderation.web.installation import Here, Installation
from moderation.web.problems import ItemConflict

__all__ = ["router"]

LARGEST_PAGE = 200
"""Items of one answer: each carries the reasons of its verdict."""

router = APIRouter(prefix="/review", tags=["review"])

Reviewer: TypeAlias = Annotated[Person, Depends(needs(Right.CLAIM))]
Decider: TypeAlias = Annotated[Person, Depends(needs(Right.DECIDE))]
Assigner: TypeAlias = Annotated[Person, Depends(needs(Right.ASSIGN))]
Reopener: TypeAlias = Annotated[Person, Depends(needs(Right.REOPEN))]
After: TypeAlias = Annotated[
    str | None,
    Query(pattern=r"^[a-z2-7]{10}$", description="the last item of the page before"),
]


@router.get("/items")
def items(
    here: Here,
    by: Reviewer,
    state: ItemState = ItemState.OPEN,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
    after: After = None,
    mine: Annotated[bool, Query(description="only what the caller has, or has decided")] = False,
) -> Items:
    """A page of the queue, in the order to work on it."""
    found = here.queue.list(by, state=state, limit=limit, after=after, mine=mine)
    with here.store.reading() as session:
        total = count(session, *seen_by(by, state, mine=mine))
    return Items(items=[Item.of(each, by) for each in found], total=total)


@router.get("/items/{id}")
def item(id: ItemId, here: Here, by: Reviewer) -> Case:
    """One item, with its verdict and evidence; of decisions what the caller may know."""
    return _case(here, here.queue.show(id, by), by)


@router.post(
    "/claim", response_model=Case, responses={204: {"description": "nothing waits for the caller"}}
)
def claim_next(here: Here, by: Reviewer) -> Case | Response:
    """The item whose turn it is; whoever has one is given the same again."""
    here.exposure.check(by)
    case = here.queue.claim_next(by)
    return Response(status_code=204) if case is None else _case(here, case, by)


@router.post("/items/{id}/claim")
def claim(id: ItemId, here: Here, by: Reviewer) -> Case:
    """One that is chosen by hand. 409 where somebody has it."""
    here.exposure.check(by, id)
    with _state_of(id, here, by):
        return _case(here, here.queue.claim(id, by), by)


@router.post("/items/{id}/extend")
def extend(id: ItemId, here: Here, by: Reviewer) -> HeldUntil:
    """It stays the caller's. 409 where it is not."""
    with _state_of(id, here, by):
        return HeldUntil(held_until=here.queue.extend(id, by))


@router.post("/items/{id}/release", status_code=204)
def release(id: ItemId, here: Here, by: Reviewer) -> None:
    """Back to the queue, by who has it."""
    with _state_of(id, here, by):
        here.queue.release(id, by)


@router.post("/items/{id}/free", status_code=204)
def free(id: ItemId, here: Here, by: Assigner) -> None:
    """Back to the queue, whoever has it."""
    with _state_of(id, here, by):
        here.queue.free(id, by)


@router.post("/items/{id}/decide")
def decide(id: ItemId, ruling: Ruling, here: Here, by: Decider) -> DecisionMade:
    """What who has the item says of it. The same sent twice is one decision.

    409 where it is not the caller's any more, or not as it was in that version: the problem says
    who has it now.
    """
    with _state_of(id, here, by):
        made = here.queue.decide(
            id,
            by,
            version=ruling.version,
            outcome=ruling.outcome,
            reason=ruling.reason,
            note=ruling.note,
            segments=[each.decision for each in ruling.segments],
        )
    return DecisionMade.of(made)


@router.post("/items/{id}/undo")
def undo(id: ItemId, here: Here, by: Decider) -> Case:
    """Take one's last decision back, within seconds; the item is the caller's again."""
    with _state_of(id, here, by):
        here.queue.undo(id, by)
    return _case(here, here.queue.show(id, by), by)


@router.post("/items/{id}/reopen", status_code=204)
def reopen(id: ItemId, given: Reopening, here: Here, by: Reopener) -> None:
    """Have a decided item decided again; the former decision is kept, with the reason."""
    with _state_of(id, here, by):
        here.queue.reopen(id, by, reason=given.reason)


def _case(here: Installation, case: ReviewCase, by: Person) -> Case:
    return Case.of(case, here.queue.policy_of(case.item).reasons, by)


@contextmanager
def _state_of(id: str, here: Installation, by: Person) -> Iterator[None]:
    """A conflict, with what has become of the item beside it."""
    try:
        yield
    except ReviewConflict as conflict:
        with here.store.reading() as session:
            found = Item.of(find(session, id)[0], by)
        names = {"id", "state", "version", "holder", "held_until"}
        raise ItemConflict(conflict, found.model_dump(mode="json", include=names)) from conflict
