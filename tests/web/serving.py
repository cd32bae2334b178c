"""`moderation serve` as people start it: a process of its own, and what it says."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Serving", "moderation_command"]

ENDS_S = 30
"""For its end; it takes seconds."""

_URL = re.compile(r"^serving (\S+)$", re.MULTILINE)
_LINK = re.compile(r"(http\S+#code=(\S+))")


def moderation_command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from moderation.cli import main; main()", *arguments]


class Serving:
    """A context manager; any free port.

    settings  of the environment, without MODERATION_
    """

    def __init__(self, home: Path, *arguments: str, **settings: str) -> None:
        given = {"HOME": str(home), **settings}
        self.environment = {
            **os.environ, **{f"MODERATION_{name}": each for name, each in given.items()}
        }  # fmt: skip
        self._arguments: Sequence[str] = ("serve", "--port", "0", *arguments)
        self._said, self._log = home.parent / "said", home.parent / "log"

    def __enter__(self) -> Self:
        with self._said.open("w") as said, self._log.open("w") as log:
            self.process = subprocess.Popen(
                moderation_command(*self._arguments),
                stdout=said,
                stderr=log,
                env=self.environment,
                cwd=self._said.parent,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGKILL)

    def end(self, by: signal.Signals) -> int:
        """Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.process.wait(ENDS_S)

    @property
    def output(self) -> str:
        return self._said.read_text()

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def url(self) -> str:
        """Empty until it serves."""
        found = _URL.search(self.output)
        if found is None and self.process.poll() is not None:
            raise AssertionError(f"it ended: {self.log}")
        return found[1] if found else ""

    @property
    def link(self) -> str:
        found = _LINK.search(self.output)
        return found[1] if found else ""

    @property
    def code(self) -> str:
        found = _LINK.search(self.output)
        return found[2] if found else ""

    def connect(self) -> socket.socket:
        """To be written to by hand."""
        place = urlsplit(self.url)
        return socket.create_connection((place.hostname, place.port), timeout=60)

    @property
    def host(self) -> str:
        """As a request's head names it."""
        return urlsplit(self.url).netloc
