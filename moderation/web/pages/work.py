"""Work: what one has to decide, or the next of what waits."""

from __future__ import annotations

from fastapi import APIRouter, Response

from moderation.web.pages.desk import Desk, see, undoing
from moderation.web.templates import render
from moderation.web.views.waiting import in_hand

__all__ = ["router"]

router = APIRouter()


@router.get("/")
def start(_: Desk) -> Response:
    """Whoever opens the page wants to work."""
    return see("/work")


@router.get("/work")
def work(desk: Desk) -> Response:
    """Claims nothing: a page that is loaded ahead, or again, gives nobody an item."""
    queue, by = desk.here.queue, desk.by
    today = desk.here.exposure.today(by)
    return render(
        desk.request,
        "work.html",
        desk.caller,
        held=queue.list(by, mine=True),
        waiting=queue.count(by),
        in_hand=in_hand(desk.here.store, by),
        is_enough=today.is_enough,
        is_time_for_a_pause=today.pause,
        undo=undoing(desk.request),
        is_empty="empty" in desk.request.query_params,
    )


@router.post("/work")
def claim_next(desk: Desk) -> Response:
    """The next item is theirs now, unless they have seen enough today."""
    desk.here.exposure.check(desk.by)
    case = desk.here.queue.claim_next(desk.by)
    return see(f"/items/{case.item.id}" if case else "/work?empty=1")
