"""Logs of what runs by itself: one form for our lines and those of libraries, on stderr.

JSON objects, one a line, where nobody looks at a terminal. What was bound with
`structlog.contextvars` (job, part, lane, attempt) stands in every line that is written meanwhile.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final, TextIO

import structlog
from structlog.typing import Processor

from moderation.config import Settings

__all__ = ["set_up", "without_secrets"]

_PASSWORD: Final = re.compile(r"(?<=://)([^\s/?#@:'\"]*):[^\s/?#'\"]*@")
"""In `scheme://user:password@host`; a careless one may hold an `@` itself."""

_QUERY: Final = re.compile(
    r"(?P<place>\b[a-z][a-z0-9+.-]*://[^\s?#'\"<>]+)\?(?P<query>[^\s'\"<>]*)"
)
"""A presigned URL is a key to what it names, and it is its query that makes it one."""

_HARMLESS: Final = "versionId"
"""The parameter that names a version of an object."""

_QUIET: Final = ("alembic", "botocore", "boto3", "urllib3", "s3transfer")
"""Libraries that tell of each of their requests."""


def set_up(level: int, settings: Settings, stream: TextIO | None = None) -> None:
    """Have everything logged in this process, by whomever, written in one form.

    stream  stderr unless given
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_COMMON],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(settings, stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*_COMMON, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def without_secrets(value: Any) -> Any:
    """The same without passwords in URLs and without their queries, however deep they lie."""
    if isinstance(value, str):
        masked = _PASSWORD.sub(r"\1:***@", value)
        return _QUERY.sub(_without_query, masked)
    if isinstance(value, Mapping):
        return {key: without_secrets(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [without_secrets(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return without_secrets(str(value))


def _without_query(url: re.Match[str]) -> str:
    kept = [each for each in url["query"].split("&") if each.startswith(f"{_HARMLESS}=")]
    return f"{url['place']}?{'&'.join(kept) or '***'}"


def _scrub(_: object, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {key: without_secrets(each) for key, each in event.items()}


_COMMON: Final[Sequence[Processor]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def _rendering(settings: Settings, stream: TextIO) -> Sequence[Processor]:
    """Tracebacks first: they hold URLs as well."""
    form = settings.logs.form
    if form == "json" or (form == "auto" and not stream.isatty()):
        return (
            structlog.processors.format_exc_info,
            _scrub,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        )
    return (
        structlog.processors.format_exc_info,
        _scrub,
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    )
