"""What a form sends, for routes that run in threads and cannot wait for it themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

__all__ = ["Posted", "field"]


async def _posted(request: Request) -> FormData:
    return await request.form()


Posted = Annotated[FormData, Depends(_posted)]
"""For the arguments of a route."""


def field(posted: FormData, name: str) -> str:
    """The last of that name, as a browser means it; empty for none, and for a file."""
    found = posted.getlist(name)
    return found[-1] if found and isinstance(found[-1], str) else ""
