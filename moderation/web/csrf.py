"""Cross-site request forgery: what changes anything must come from our own pages.

Browsers send our cookie, and a proxy's word for somebody, along with whatever another site's page
has them send. So two things are asked of such a request: that the browser says it comes from here
(`Sec-Fetch-Site`, of older ones `Origin`), and a token that other sites cannot read.
"""

from __future__ import annotations

import hmac
from typing import Final

from starlette.requests import HTTPConnection, Request

from moderation.errors import NotAllowed
from moderation.web.addresses import origins
from moderation.web_settings import WebSettings

__all__ = [
    "FIELD",
    "FIELDS",
    "HEADER",
    "is_safe",
    "require_same_origin",
    "require_token",
    "sent_token",
]

FIELD: Final = "csrf"
HEADER: Final = "x-csrf-token"

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing here."""

_OURS: Final = frozenset({"same-origin", "none"})
"""What `Sec-Fetch-Site` says of our own page, and of what somebody typed."""

_FORM: Final = "application/x-www-form-urlencoded"

FIELDS: Final = 10_000
"""Of a form: seven for each of a thousand segments, and more; its bytes are limited before."""


def is_safe(method: str) -> bool:
    return method in _SAFE


def require_same_origin(connection: HTTPConnection, web: WebSettings) -> None:
    """Raise `NotAllowed` unless the browser says that our own page sends this."""
    site = connection.headers.get("sec-fetch-site")
    if site is None:  # an older browser, or plain HTTP
        ours = connection.headers.get("origin", "").lower() in origins(connection, web)
    else:
        ours = site in _OURS
    if not ours:
        raise NotAllowed(
            "another site's page sends this", hint="open the page here and do it there"
        )


def require_token(sent: str, expected: str) -> None:
    """Raise `NotAllowed` unless the page sent along what it was given."""
    if not hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), expected.encode()):
        raise NotAllowed(
            "the page is out of date or was not made here", hint="load it again and repeat"
        )


async def sent_token(request: Request) -> str:
    """What came along, in a header or in a form; a dependency, for reading a form takes waiting."""
    if is_safe(request.method) or HEADER in request.headers:
        return request.headers.get(HEADER, "")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return ""
    found = (await request.form(max_fields=FIELDS)).get(FIELD)
    return found if isinstance(found, str) else ""
