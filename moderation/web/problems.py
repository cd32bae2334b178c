"""Problems: what went wrong as HTTP tells it, `application/problem+json` (RFC 9457) or a page.

What a caller can put right is told in the words of the error. What only an operator can is told
by a number, under which the log has the rest.
"""

from __future__ import annotations

import inspect
import re
import secrets
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from moderation import errors
from moderation.address_guard import HostUnknown
from moderation.errors import (
    AccessDenied,
    ConfigurationError,
    MediaError,
    ModerationError,
    NotAllowed,
    NotFound,
    ReviewConflict,
    SourceError,
    SourceUnavailable,
    StillRunning,
    TransientError,
)
from moderation.reports.text import plain, whole
from moderation.web.templates import environment

__all__ = [
    "API",
    "DESCRIBED",
    "MEDIA_TYPE",
    "ItemConflict",
    "Problem",
    "kind_of",
    "problem",
    "status_of",
    "tell_problems",
]

API: Final = "/api/"
MEDIA_TYPE: Final = "application/problem+json"

log = structlog.get_logger(__name__)

_STATUSES: Final[tuple[tuple[type[ModerationError], int], ...]] = (
    (NotAllowed, 403),
    (AccessDenied, 401),
    (NotFound, 404),
    (ReviewConflict, 409),
    (StillRunning, 409),
    (SourceError, 422),
    (MediaError, 422),
    (HostUnknown, 422),
    (ConfigurationError, 422),
    (TransientError, 503),
)
"""The first that fits."""

_HEADERS: Final = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}

_DENIED: Final = ("access is denied", "sign in, or send a token: Authorization: Bearer mod_...")
"""To everybody whom we do not know, whatever they showed."""

_UNTOLD: Final = {
    500: ("something went wrong here", "if it happens again, tell an operator this number: {id}"),
    503: ("this cannot be done now", "try again in a few seconds; number {id} of the log"),
}
"""Of what only an operator can put right: paths and names of machines are not for callers."""

_WORDS: Final = {
    400: ("the request cannot be read", "send JSON in UTF-8, with its Content-Type"),
    404: ("there is nothing at this address", f"{API}v1/openapi.json describes the API"),
    405: ("this address does not take that method", "the header Allow has those that it takes"),
}
"""Of what the framework refuses by itself."""

_FLAWS: Final = 20
"""Of a request that are told: more help nobody, and a body may have a hundred thousand."""

_PLACE: Final = 200
"""Letters of where a flaw is: names of fields are the sender's, and as long as they like."""

_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")


class Problem(BaseModel):
    """One sentence, and the next step."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    title: str
    status: int
    hint: str
    kind: str
    """The error's name in `moderation.errors`, as snake_case; others for what HTTP refuses."""
    fault: str = ""
    """Of a video that cannot be read."""
    item: dict[str, Any] | None = None
    """What has become of the review item: its id, state, version, holder and held_until."""
    flaws: list[dict[str, str]] = Field(default_factory=list)
    """Of a request that does not hold, the first of them: `where` each is, and `what` it is."""
    instance: str = ""
    """Under which the log has what is not told."""


_CONTENT: Final = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}

DESCRIBED: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"description": "what the caller can put right", "content": _CONTENT},
    "5XX": {"description": "what an operator can, or time", "content": _CONTENT},
}
"""For the description of routes: every error of the API is a `Problem`, which `tell_problems` adds
to it: the framework describes models as JSON alone."""


class ItemConflict(ReviewConflict):
    """A conflict, with what has become of the item: `item` as JSON has it."""

    def __init__(self, conflict: ReviewConflict, item: Mapping[str, Any]) -> None:
        super().__init__(conflict.message, hint=conflict.hint)
        self.item = dict(item)


def status_of(error: ModerationError) -> int:
    """500 for what only an operator can put right."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def kind_of(error: ModerationError) -> str:
    """By which a client finds the class: that of `moderation.errors`, `review_conflict`."""
    known = next(each for each in type(error).__mro__ if each.__module__ == errors.__name__)
    return _snake(known.__name__)


def problem(
    status: int, title: str, hint: str = "", *, kind: str = "", **more: object
) -> JSONResponse:
    """One sentence, and the next step; `kind` is what the status is called, unless given."""
    content = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "hint": hint,
        "kind": kind or _phrase(status).replace(" ", "_"),
        **more,
    }
    return JSONResponse(plain(content), status, _HEADERS.get(status), MEDIA_TYPE)


def tell_problems(app: FastAPI) -> None:
    """Answer errors so, whichever route raises them."""
    app.exception_handler(ModerationError)(_tell_ours)
    app.exception_handler(RequestValidationError)(_tell_invalid)
    app.exception_handler(HTTPException)(_tell_refused)
    app.exception_handler(Exception)(_tell_unexpected)
    _describe(app)


def _describe(app: FastAPI) -> None:
    made = app.openapi

    def described() -> dict[str, Any]:
        schemas = made().setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault(Problem.__name__, Problem.model_json_schema())
        return made()

    app.openapi = described  # type: ignore[method-assign]


async def _tell_ours(request: Request, error: ModerationError) -> Response:
    status = status_of(error)
    if status == 401:
        return _told(request, status, *_DENIED, kind_of(error))
    if status >= 500 and not isinstance(error, SourceUnavailable):
        return _untold(request, status, error, kind_of(error))
    return _told(request, status, error.message, error.hint, kind_of(error), **_more(error))


async def _tell_invalid(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()[:_FLAWS]
    flaws = [{"where": _place(each["loc"]), "what": each["msg"]} for each in found]
    status = 400 if found[0]["type"] == "json_invalid" else 422
    first = f"{flaws[0]['where']}: {flaws[0]['what']}"
    kind = _snake(ConfigurationError.__name__)
    return _told(request, status, "the request does not hold", first, kind, flaws=flaws)


async def _tell_refused(request: Request, error: HTTPException) -> Response:
    status = error.status_code
    if status < 400:  # to sign in first, say
        return Response(status_code=status, headers=error.headers)
    title, hint = _WORDS.get(status, (_phrase(status), ""))
    response = _told(request, status, title, hint)
    response.headers.update(error.headers or {})
    if status == 405 and (methods := _methods(request)):
        response.headers["Allow"] = ", ".join(sorted(methods))
    return response


def _methods(request: Request) -> set[str]:
    """That its address takes, where a route has it; the framework names those of the first."""
    path = request.scope["path"]
    known = [each for each in iter_route_contexts(request.app.routes) if each.methods]
    first = next((each.path for each in known if each.path_regex.match(path)), None)
    return {method for each in known if each.path == first for method in each.methods or ()}


async def _tell_unexpected(request: Request, error: Exception) -> Response:
    return _untold(request, 500, error)


def _untold(request: Request, status: int, error: Exception, kind: str = "") -> Response:
    id, route = secrets.token_hex(6), request.scope.get("endpoint")
    # Not the address: a link to a picture is a key to it.
    name = f"{route.__module__}.{route.__name__}" if inspect.isfunction(route) else ""
    # As text: what renders exceptions for terminals shows local variables, secrets among them.
    trace = "".join(traceback.format_exception(error))
    log.error("request.failed", id=id, method=request.method, route=name, traceback=trace)
    title, hint = _UNTOLD[status]
    return _told(request, status, title, hint.format(id=id), kind, instance=f"urn:moderation:{id}")


def _told(
    request: Request, status: int, title: str, hint: str, kind: str = "", **more: object
) -> Response:
    if request.url.path.startswith(API) or "text/html" not in request.headers.get("accept", ""):
        return problem(status, title, hint, kind=kind, **more)
    words = {"status": status, "title": whole(title), "hint": whole(hint)}
    page = environment.get_template("error.html").render(request=request, caller=None, **words)
    return HTMLResponse(page, status, _HEADERS.get(status))


def _more(error: ModerationError) -> dict[str, Any]:
    """What an error knows beside its words."""
    if isinstance(error, SourceError | MediaError):
        return {"fault": error.fault}
    return {"item": error.item} if isinstance(error, ItemConflict) else {}


def _place(parts: tuple[int | str, ...]) -> str:
    return ".".join(map(str, parts))[:_PLACE]


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase.lower()


def _snake(name: str) -> str:
    return _CAPITAL.sub("_", name).lower()
