"""The queue: what waits, and what came of the rest."""

from __future__ import annotations

from fastapi import APIRouter, Response

from moderation.review import ItemState
from moderation.web.pages.desk import Desk
from moderation.web.templates import render
from moderation.web.views.queue import view_queue

__all__ = ["router"]

router = APIRouter()


@router.get("/queue")
def queue(desk: Desk, state: ItemState = ItemState.OPEN, after: str = "") -> Response:
    """A hundred items, after the last one of the page before."""
    is_enough = desk.here.exposure.today(desk.by).is_enough
    view = view_queue(desk.here.queue, desk.by, state, after, is_enough=is_enough)
    return render(desk.request, "queue.html", desk.caller, view=view, states=list(ItemState))
