"""Copies of what a browser cannot play: asked for, waited for, and then linked to."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from moderation.store.item_media import item_media
from moderation.web.caller import Caller
from moderation.web.identity import SignedIn
from moderation.web.installation import Here, Installation
from moderation.web.previews import Preview, PreviewState

__all__ = ["PreviewAnswer", "router"]

router = APIRouter()


class PreviewAnswer(BaseModel):
    """How it is with the copy.

    video   its link, once it is ready
    reason  why there is none
    """

    state: PreviewState
    video: str
    reason: str


@router.post("/items/{id}/preview", status_code=202)
def ask(id: str, here: Here, caller: SignedIn) -> PreviewAnswer:
    """Have one made, for whoever may see the item."""
    item = here.queue.show(id, caller.person).item
    return _told(here.previews.ask(item_media(here.store, item.id)), item.id, here, caller)


@router.get("/items/{id}/preview")
def look(id: str, here: Here, caller: SignedIn) -> PreviewAnswer:
    """Whether it is ready."""
    item = here.queue.show(id, caller.person).item
    return _told(here.previews.look(item_media(here.store, item.id)), item.id, here, caller)


def _told(preview: Preview, id: str, here: Installation, caller: Caller) -> PreviewAnswer:
    is_ready = preview.state is PreviewState.READY
    return PreviewAnswer(
        state=preview.state,
        video=here.links.preview(id, caller) if is_ready else "",
        reason=preview.reason,
    )
