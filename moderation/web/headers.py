"""Headers that every answer has, whatever it is: what browsers must not do with it."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moderation.web.addresses import is_loopback, scheme
from moderation.web_settings import WebSettings

__all__ = ["ALWAYS", "Headers"]

_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

ALWAYS: Final = {
    "Content-Security-Policy": _SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), usb=()",
}

_UNSTORED: Final = "no-store"
"""What people decide on is kept by no browser and no proxy."""

_CHECKED: Final = "no-cache"
"""Kept, and asked for again each time: after an update nothing old is shown."""

_STATIC: Final = "/static/"

_HTTPS_ALONE: Final = f"max-age={365 * 24 * 3600}"


class Headers:
    """Adds them to the answers of an application."""

    def __init__(self, app: ASGIApp, web: WebSettings) -> None:
        self._app, self._web = app, web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message), message["status"], connection)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _add(self, headers: MutableHeaders, status: int, connection: HTTPConnection) -> None:
        headers.update(ALWAYS)
        is_static = connection.url.path.startswith(_STATIC) and status < 400
        headers.setdefault("Cache-Control", _CHECKED if is_static else _UNSTORED)
        if scheme(connection, self._web) == "https":
            headers["Strict-Transport-Security"] = _HTTPS_ALONE
        elif not is_loopback(connection.url.hostname or ""):
            # By plain HTTP browsers say where a form comes from in `Origin` alone, and under
            # no-referrer not even there. It tells other sites as little.
            headers["Referrer-Policy"] = "same-origin"
