"""What every request passes before a route sees it, and every answer on its way out."""

from __future__ import annotations

import re
import time
from typing import Final

import structlog
from fastapi import FastAPI
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moderation.web.addresses import client, is_ours
from moderation.web.headers import Headers
from moderation.web.health import PATH as HEALTH
from moderation.web.installation import Installation
from moderation.web.limits import Limits
from moderation.web.problems import problem
from moderation.web_settings import WebSettings

__all__ = ["AccessLog", "HostCheck", "guard"]

log = structlog.get_logger(__name__)

_SECRET: Final = "token"
"""Name of what opens something, where it is part of an address."""

_TOKEN: Final = re.compile(r"\bmod_[\w-]+")
"""Of a person: whoever found one may revoke it by naming it."""


def guard(app: FastAPI, installation: Installation) -> None:
    """Put it around the application, with what answers when a route breaks."""
    web, build = installation.settings.web, app.build_middleware_stack

    def guarded() -> ASGIApp:
        return AccessLog(Headers(HostCheck(Limits(build(), web), web), web), web)

    # What `add_middleware` adds lies inside of what answers 500, which would lack our headers.
    app.build_middleware_stack = guarded  # type: ignore[method-assign]


class HostCheck:
    """Refuses what says it is meant for another host, but for probes, which know addresses."""

    def __init__(self, app: ASGIApp, web: WebSettings) -> None:
        self._app, self._web = app, web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        if (
            scope["type"] == "http"
            and scope["path"] != HEALTH
            and not is_ours(connection, self._web)
        ):
            refused = problem(
                421,
                "the request is meant for another host",
                "set web.public_url to how browsers reach this server",
            )
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


class AccessLog:
    """Tells who asked for what: no queries, no cookies, and of an address nothing that opens."""

    def __init__(self, app: ASGIApp, web: WebSettings) -> None:
        self._app, self._web = app, web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, statuses = time.monotonic(), list[int]()

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            # Probes ask every few seconds.
            tell = log.debug if scope["path"] == HEALTH else log.info
            tell(
                "request",
                method=scope["method"],
                path=_told(scope),
                status=statuses[0] if statuses else 0,
                ms=round((time.monotonic() - began) * 1000),
                client=client(HTTPConnection(scope), self._web),
            )


def _told(scope: Scope) -> str:
    """The path. Of one that leads nowhere nothing is told: a mistyped link is a secret still."""
    if "endpoint" not in scope:
        return "-"
    path, secret = str(scope["path"]), scope.get("path_params", {}).get(_SECRET)
    return _TOKEN.sub("***", path.replace(str(secret), "***") if secret else path)
