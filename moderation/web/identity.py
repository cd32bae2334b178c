"""Identity: who asks, by token, by the session of a browser, or by what a trusted proxy says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from moderation.errors import AccessDenied
from moderation.person import Person, Right
from moderation.web.addresses import is_proxied
from moderation.web.caller import Caller, Via
from moderation.web.csrf import is_safe, require_same_origin, require_token, sent_token
from moderation.web.installation import Here, Installation
from moderation.web.problems import API

__all__ = ["Caller", "SignedIn", "Via", "needs"]

_BEARER: Final = HTTPBearer(
    auto_error=False, scheme_name="token", description="from `moderation users token NAME`"
)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


def _caller(
    request: Request, here: Here, bearer: Bearer, sent: Annotated[str, Depends(sent_token)]
) -> Caller:
    try:
        caller = _known(request, here, bearer)
    except AccessDenied:
        if _is_page(request):
            raise _sign_in_first(request) from None
        raise
    if caller.via is not Via.TOKEN and not is_safe(request.method):
        require_same_origin(request, here.settings.web)
        require_token(sent, caller.csrf)
    here.requests.require(caller.person.name)
    return caller


SignedIn = Annotated[Caller, Depends(_caller)]
"""For the arguments of a route: whoever asks, within what one person may ask in a minute.

Raises `AccessDenied` for nobody, who is sent to sign in where a page was asked for, and
`NotAllowed` for what changes something and was not sent by our own page.
"""


def needs(right: Right) -> Callable[[Caller], Person]:
    """For the arguments of a route: `by: Annotated[Person, Depends(needs(Right.CLAIM))]`.

    Raises `NotAllowed` for somebody who may not.
    """

    def _allowed(caller: SignedIn) -> Person:
        caller.person.require(right)
        return caller.person

    return _allowed


def _known(
    request: Request, here: Installation, bearer: HTTPAuthorizationCredentials | None
) -> Caller:
    """A token goes before all else: whoever sends one means it."""
    if bearer is not None:
        return Caller(person=here.people.authenticate(bearer.credentials), via=Via.TOKEN)
    name = _vouched_name(request, here)
    if name:
        return here.sessions.vouched(name)
    return here.sessions.caller(here.sessions.shown(request))


def _vouched_name(request: Request, here: Installation) -> str:
    web = here.settings.web
    if not web.user_header or not is_proxied(request, web):
        return ""
    said = request.headers.getlist(web.user_header)
    if len(said) > 1:  # a proxy that adds its own beside what a stranger sent
        raise AccessDenied("access is denied", hint="have the proxy replace the header of users")
    return said[0].strip() if said else ""


def _is_page(request: Request) -> bool:
    wants_page = "text/html" in request.headers.get("accept", "")
    return request.method == "GET" and wants_page and not request.url.path.startswith(API)


def _sign_in_first(request: Request) -> HTTPException:
    return HTTPException(303, headers={"Location": f"/sign-in?next={quote(request.url.path)}"})
