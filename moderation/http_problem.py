"""What a server of ours could not do, as the error that the same call would raise here.

Servers tell it as `application/problem+json`: `kind` is the name of a class of `moderation.errors`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from moderation import errors
from moderation.errors import (
    AccessDenied,
    ConfigurationError,
    MediaError,
    MediaFault,
    ModerationError,
    NotAllowed,
    NotFound,
    PermanentError,
    ReviewConflict,
    SourceError,
    TransientError,
)

__all__ = ["MEDIA_TYPE", "error_of"]

MEDIA_TYPE: Final = "application/problem+json"

_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")

_KINDS: Final[Mapping[str, type[ModerationError]]] = {
    **{
        _CAPITAL.sub("_", name).lower(): kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, ModerationError)
    },
    "in_progress": TransientError,  # under the same `Idempotency-Key`
}

_STATUSES: Final[Mapping[int, type[ModerationError]]] = {
    401: AccessDenied,
    403: NotAllowed,
    404: NotFound,
    409: ReviewConflict,
    429: TransientError,
    502: TransientError,
    503: TransientError,
    504: TransientError,
}
"""For what is told without a kind that we know: by a newer server, or by what stands before it."""


def error_of(status: int, content: bytes, address: str) -> ModerationError:
    """The error of an answer that is none of 2xx; `address` is named where nothing else is told."""
    told = _object(content)
    title = told.get("title") or f"{address} answers {status} {_phrase(status)}"
    hint = told.get("hint") or "look into the log of the server"
    kind = _KINDS.get(str(told.get("kind"))) or _by_status(status)
    if issubclass(kind, SourceError | MediaError):
        return kind(str(title), fault=_fault(told), hint=str(hint))
    return kind(str(title), hint=str(hint))


def _by_status(status: int) -> type[ModerationError]:
    if status in _STATUSES:
        return _STATUSES[status]
    return ConfigurationError if 400 <= status < 500 else PermanentError


def _fault(told: Mapping[str, Any]) -> MediaFault:
    try:
        return MediaFault(str(told.get("fault")))
    except ValueError:  # of a newer server
        return MediaFault.UNREADABLE


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
