"""Health: whether this server can work, for whoever watches over it. Tells nothing else."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import text

from moderation.errors import ModerationError
from moderation.web.installation import Here

__all__ = ["PATH", "router"]

PATH: Final = "/healthz"

router = APIRouter(include_in_schema=False)


@router.get(PATH)
def health(here: Here) -> JSONResponse:
    """503 while the database does not answer."""
    try:
        with here.store.reading() as session:
            session.execute(text("SELECT 1"))
    except ModerationError:
        return JSONResponse({"status": "unavailable"}, 503)
    return JSONResponse({"status": "ok"})
