"""What open pages are told by themselves."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from moderation.errors import NotAllowed
from moderation.person import Person, Right, Role
from moderation.store.items import has_seen
from moderation.web.caller import Caller, Via
from moderation.web.identity import SignedIn, needs
from moderation.web.installation import Here, Installation
from moderation.web.live import EventStream, Listener

__all__ = ["router"]

router = APIRouter()


@router.get("/live", response_class=EventStream)
async def live(
    request: Request,
    here: Here,
    caller: SignedIn,
    by: Annotated[Person, Depends(needs(Right.CLAIM))],
    item: Annotated[str, Query(pattern="^[a-z2-7]{10}$|^$")] = "",
) -> EventStream:
    """Events, until the page is closed: `queue`, how many wait, and `item`, how the one that it
    shows has changed, for whoever may see it.
    """
    check = partial(_check, request, here, caller, item)
    await run_in_threadpool(check)
    listener = Listener(by, item)
    here.live.join(listener)
    return EventStream(listener, here.live, check)


def _check(request: Request, here: Installation, caller: Caller, item: str) -> None:
    """Raises `AccessDenied` for whoever is not signed in any more, or may not see that."""
    by = _known(request, here, caller)
    by.require(Right.CLAIM)
    if item and by.role is Role.REVIEWER:
        with here.store.reading() as session:
            if not has_seen(session, item, by.name):
                raise NotAllowed(
                    f"you neither have nor have decided the review item {item}",
                    hint="claim it, or ask a lead",
                )


def _known(request: Request, here: Installation, caller: Caller) -> Person:
    """As they are now: somebody may have signed out, or be disabled, or be something else."""
    match caller.via:
        case Via.SESSION:
            return here.sessions.caller(here.sessions.shown(request)).person
        case Via.PROXY:
            return here.sessions.vouched(caller.person.name).person
        case Via.TOKEN:
            _, _, token = request.headers.get("authorization", "").partition(" ")
            return here.people.authenticate(token.strip())
