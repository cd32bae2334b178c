"""Ranges of bytes that a request asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["ByteRange", "Unsatisfiable", "asked_range"]

_ONE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Unsatisfiable(ValueError):
    """No byte of what was asked for is there: 416."""


class ByteRange(NamedTuple):
    """From `start` up to, not with, `end`."""

    start: int
    end: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.end - 1}/{size}"


def asked_range(header: str, size: int) -> ByteRange | None:
    """The one range that is asked for; `None`: all of it.

    Players ask for one. Several at once, or what is no range, may be answered with everything.
    Raises `Unsatisfiable`.
    """
    found = _ONE.fullmatch(header.replace(" ", ""))
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < start:
            return None
    if start >= end:
        raise Unsatisfiable
    return ByteRange(start, end)
