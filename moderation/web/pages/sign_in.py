"""Signing in with a token, once; the browser is known by its session then. And signing out."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from moderation.errors import AccessDenied
from moderation.person import Person, local_person
from moderation.web.addresses import client, neighbourhood
from moderation.web.csrf import require_same_origin
from moderation.web.identity import SignedIn
from moderation.web.installation import Here, Installation
from moderation.web.templates import render

__all__ = ["HOME", "PATH", "router"]

PATH: Final = "/sign-in"
HOME: Final = "/work"

_OWN_PAGE: Final = re.compile(r"/(?![/\\])[\w./-]*", re.ASCII)
"""Where somebody may be sent after it: a page of ours, and never another site."""

_LABEL: Final = "signed in where the server runs"

router = APIRouter()


@router.get(PATH)
def sign_in_page(request: Request, next: str = HOME) -> Response:
    return render(request, "sign_in.html", next=_own(next), problem="")


@router.post(PATH)
def sign_in(
    request: Request,
    here: Here,
    token: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = HOME,
) -> Response:
    """Takes a token, or the code of the server's link. What of it was wrong is not told."""
    require_same_origin(request, here.settings.web)
    wait_s = here.sign_ins.wait_s(neighbourhood(client(request, here.settings.web)))
    if wait_s > 0:
        return _later(request, next, math.ceil(wait_s))
    try:
        person, opened_with = _known(here, token.strip())
    except AccessDenied:
        words = "That token is not good, or not any more."
        return render(request, "sign_in.html", status=401, next=_own(next), problem=words)
    answer = RedirectResponse(_own(next), 303)
    here.sessions.keep(request, answer, here.sessions.open(person, opened_with, request))
    return answer


@router.post("/sign-out")
def sign_out(request: Request, here: Here, _: SignedIn) -> Response:
    """The session is over, here and on the server."""
    here.sessions.close(request)
    answer = RedirectResponse(PATH, 303)
    here.sessions.forget(request, answer)
    return answer


def _known(here: Installation, token: str) -> tuple[Person, str]:
    """Who shows it, and the token that the session hangs on. Raises `AccessDenied`."""
    name = here.codes.redeem(token)
    if name is None:
        return here.people.authenticate(token), token
    # A token that nobody is told: whoever revokes it, or disables the person, ends the session.
    until = datetime.now(UTC) + timedelta(hours=here.settings.web.session_h)
    person = here.people.vouched(name)
    issued = here.people.issue(name, by=local_person(), label=_LABEL, expires_at=until)
    return person, issued.secret


def _later(request: Request, next: str, seconds: int) -> Response:
    words = f"There were too many attempts from your network. Try again in {seconds} seconds."
    answer = render(request, "sign_in.html", status=429, next=_own(next), problem=words)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _own(path: str) -> str:
    return path if _OWN_PAGE.fullmatch(path) else HOME
