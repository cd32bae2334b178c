"""Activity: a page tells that somebody works on its item, and how long they watched."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from moderation.person import Person, Right
from moderation.web.identity import needs
from moderation.web.installation import Here

__all__ = ["Activity", "Beat", "router"]

router = APIRouter()

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
"""Of how many the ledger takes is decided there."""


class Beat(BaseModel):
    """What was watched since the last one; of the seconds, those without blur."""

    model_config = ConfigDict(extra="forbid")

    seconds: Seconds
    unveiled_seconds: Seconds = 0


class Activity(BaseModel):
    """Until when the item is theirs, what they have seen today, and whether to pause.

    today_s  weighted by severity; `cap_s` is where it is enough, 0 for no end
    """

    held_until: datetime
    today_s: float
    cap_s: float
    pause: bool


@router.post("/items/{id}/activity")
def activity(
    id: str, beat: Beat, here: Here, by: Annotated[Person, Depends(needs(Right.CLAIM))]
) -> Activity:
    """409 where the item is not theirs any more; what was watched has been, and counts."""
    today = here.exposure.add(by, id, beat.seconds, beat.unveiled_seconds)
    return Activity(
        held_until=here.queue.extend(id, by),
        today_s=today.total.weighted_s,
        cap_s=today.cap_s,
        pause=today.pause,
    )
