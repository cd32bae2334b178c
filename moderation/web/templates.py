"""Templates: everything that a page shows goes through them, escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from moderation.reports.wording import shown
from moderation.web.caller import Caller
from moderation.web.filters import FILTERS

__all__ = ["FOLDER", "environment", "render"]

FOLDER: Final = Path(__file__).parent / "templates"

environment: Final = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    # Applied to every expression of the templates, so that none can forget it.
    finalize=shown,
)
environment.filters |= FILTERS


def render(
    request: Request, name: str, caller: Caller | None = None, *, status: int = 200, **given: Any
) -> HTMLResponse:
    """The page of a template; `caller` is whoever is signed in, for its head and its forms."""
    text = environment.get_template(name).render(request=request, caller=caller, **given)
    return HTMLResponse(text, status)
