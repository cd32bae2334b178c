"""`/api/v1/board`: the figures that leads look at."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from moderation.board import DAYS, Figures
from moderation.person import Person, Right
from moderation.web.identity import needs
from moderation.web.installation import Here

__all__ = ["router"]

router = APIRouter(prefix="/board", tags=["board"])


@router.get("")
def figures(
    here: Here,
    by: Annotated[Person, Depends(needs(Right.ASSIGN))],
    days: Annotated[int, Query(ge=1, le=366, description="that are looked back")] = DAYS,
) -> Figures:
    """What waits, who has what, who decides how much, and what turns out to be wrong."""
    return here.board.figures(by, days=days)
