"""Prints: what plugins and their engines write to stdout and stderr goes to the log, and is cut.

The log takes secrets out of it. What a library in C writes past Python is not seen here.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Final

import structlog

__all__ = ["Prints", "logged"]

log = structlog.get_logger(__name__)

_LINES: Final = 100
"""Of each task: enough for a progress bar, and a flood fills no disk."""

_CHARACTERS: Final = 500
"""Of each line."""


class Prints(io.TextIOBase):
    """A stream whose lines are log entries, until there have been too many."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._line, self._lines, self._cut = "", 0, 0
        self._lock = threading.Lock()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._lock:
            *whole, rest = text.replace("\r", "\n").split("\n")
            for end in whole:
                self._tell(self._line + end)
                self._line = ""
            # Of a line without an end no more is kept than will be told.
            self._line = (self._line + rest)[: _CHARACTERS + 1]
        return len(text)

    def end(self) -> None:
        """Tell the last line, and how many were not told."""
        with self._lock:
            self._tell(self._line)
            if self._cut:
                log.warning("more was printed than is logged", lines=self._cut)
            self._line, self._cut = "", 0

    def _tell(self, line: str) -> None:
        if not line.strip():
            return
        self._lines += 1
        if self._lines > _LINES:
            self._cut += 1
        else:
            log.info("printed", text=line[:_CHARACTERS], cut=len(line) > _CHARACTERS)


@contextmanager
def logged() -> Iterator[None]:
    """Have what is printed meanwhile logged, by whatever thread.

    Each time is counted anew: a process lives for many parts of jobs.
    """
    prints = Prints()
    with redirect_stdout(prints), redirect_stderr(prints):
        try:
            yield
        finally:
            prints.end()
