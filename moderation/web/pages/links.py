"""Fresh links for a page that is open longer than its first ones are good."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel

from moderation.pictures import shown
from moderation.web.identity import SignedIn
from moderation.web.installation import Here

__all__ = ["FreshLinks", "router"]

router = APIRouter()


class FreshLinks(BaseModel):
    """Of one item, until they are over.

    video     empty where nobody could read it
    pictures  by their microseconds, veiled
    clear     the same pictures as they are
    """

    video: str
    pictures: dict[int, str]
    clear: dict[int, str]
    expires_at: datetime


@router.get("/items/{id}/links")
def links(id: str, here: Here, caller: SignedIn) -> FreshLinks:
    """For whoever may see the item."""
    case = here.queue.show(id, caller.person)
    item, moments = case.item, [each.us for each in shown(case.scan)]
    made, expires_at = here.links, datetime.fromtimestamp(here.links.expires() / 1_000, UTC)
    return FreshLinks(
        video=made.video(item.id, caller) if item.sha256 else "",
        pictures={us: made.picture(item.id, us, caller) for us in moments},
        clear={us: made.picture(item.id, us, caller, veiled=False) for us in moments},
        expires_at=expires_at,
    )
