"""Health: whether this server can work, for whoever watches over it. Tells nothing else."""

from __future__ import annotations

from functools import partial
from typing import Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import text

from moderation.errors import ModerationError
from moderation.store import Store
from moderation.web.installation import Here

__all__ = ["PATH", "router"]

PATH: Final = "/healthz"

router = APIRouter(include_in_schema=False)


@router.get(PATH)
async def health(here: Here) -> JSONResponse:
    """503 while the database does not answer."""
    # In no thread that requests wait for: a server that is busy is well.
    if await here.probes.work(partial(_answers, here.store)):
        return JSONResponse({"status": "ok"})
    return JSONResponse({"status": "unavailable"}, 503)


def _answers(store: Store) -> bool:
    try:
        with store.reading() as session:
            session.execute(text("SELECT 1"))
    except ModerationError:
        return False
    return True
