"""`/api/v1/me`: who asks."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from moderation.person import Right, Role
from moderation.web.identity import SignedIn, Via

__all__ = ["router"]

router = APIRouter(tags=["people"])


class Me(BaseModel):
    """Whoever asks."""

    name: str
    role: Role
    rights: list[Right]
    via: Via


@router.get("/me")
def me(caller: SignedIn) -> Me:
    """Who asks, and what they may do."""
    by = caller.person
    rights = [right for right in Right if by.may(right)]
    return Me(name=by.name, role=by.role, rights=rights, via=caller.via)
