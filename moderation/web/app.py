"""The application: routes, what guards them, and how errors are told."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from moderation import __version__
from moderation.web import api, media, pages
from moderation.web.guard import guard
from moderation.web.installation import Installation
from moderation.web.problems import tell_problems

__all__ = ["create_app"]

STATIC: Final = Path(__file__).parent / "static"


def create_app(installation: Installation) -> FastAPI:
    """All that is served. Open are signing in, health, what stands in `static`, and what the API
    says of itself; all else asks who somebody is.
    """
    app = FastAPI(
        title="moderation",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )
    app.state.installation = installation
    app.include_router(api.router)
    app.include_router(pages.router)
    app.include_router(media.router)
    static = StaticFiles(directory=STATIC, packages=[("moderation.reports", "look")])
    app.mount("/static", static, name="static")
    tell_problems(app)
    guard(app, installation)
    return app
