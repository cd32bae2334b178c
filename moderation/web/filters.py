"""Filters of the pages' templates: those of the reports, and times of day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Final

from moderation.reports import wording

__all__ = ["FILTERS"]

_SCALES: Final = (
    ("day", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("min", timedelta(minutes=1)),
)


def moment(at: datetime) -> str:
    """To the minute, and in which time: `2026-11-21 15:04 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def since(at: datetime) -> str:
    """How long ago: `3 h`."""
    return _length(datetime.now(UTC) - at)


def due(at: datetime) -> str:
    """`in 3 h`, or `2 h late`."""
    left = at - datetime.now(UTC)
    return f"in {_length(left)}" if left > timedelta() else f"{_length(-left)} late"


def left(until: datetime) -> str:
    """For how long somebody has something: `9 more minutes`."""
    minutes = seconds_left(until) // 60
    if minutes < 1:
        return "less than a minute"
    return "1 more minute" if minutes == 1 else f"{minutes} more minutes"


def seconds_left(until: datetime) -> int:
    return int((until - datetime.now(UTC)).total_seconds())


def is_past(at: datetime) -> bool:
    return at <= datetime.now(UTC)


def file_name(uri: str) -> str:
    """The last part of where an upload lies."""
    return PurePosixPath(uri.partition("?versionId=")[0]).name or uri


def _length(time: timedelta) -> str:
    """In the largest unit of which there is one."""
    for name, scale in _SCALES:
        if time >= scale:
            count = int(time / scale)
            return f"{count} {name}s" if name == "day" and count > 1 else f"{count} {name}"
    return "less than a minute"


FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    **wording.FILTERS,
    "due": due,
    "file_name": file_name,
    "is_past": is_past,
    "left": left,
    "moment": moment,
    "seconds_left": seconds_left,
    "since": since,
}
