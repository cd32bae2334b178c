"""`moderation up` for tests: a process of its own, as a user starts it, with trivial detectors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.services.installation import Installation
from tests.services.server import until

__all__ = ["FirstLook"]

_UP = (sys.executable, "-c", "from moderation.cli import main; main()", "up", "--every", "0.1")

_PATIENCE_S = 120.0
"""It starts a worker, which imports what it needs, and starts another process that does as well."""


class FirstLook:
    """A running one, which looks at `uploads` and has said so."""

    def __init__(self, folder: Path) -> None:
        self.installation = Installation(folder / "home", "", "redis://127.0.0.1:1/0")
        self.uploads = folder / "uploads"
        self._output = folder / "output"
        self._start()

    @property
    def said(self) -> str:
        """All that it told, to either stream."""
        return self._output.read_text()

    @property
    def environment(self) -> dict[str, str]:
        given = self.installation.environment
        return {**given, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}

    @property
    def processes(self) -> list[psutil.Process]:
        """All that it started, and what they started."""
        return list(psutil.Process(self._process.pid).children(recursive=True))

    def named(self, word: str) -> psutil.Process:
        """The first that has the word in its command."""
        return next(each for each in self.processes if word in " ".join(each.cmdline()))

    def tells(self, *words: str, after: int = 0) -> str:
        """Wait for a line that has all the words, beyond the first `after` letters; the line."""
        lines: list[str] = []

        def told() -> bool:
            lines[:] = [
                line
                for line in self.said[after:].splitlines()
                if all(word in line for word in words)
            ]
            return bool(lines) or self._process.poll() is not None

        until(told, f"{words} from `moderation up`", _PATIENCE_S)
        if not lines:
            raise RuntimeError(f"it ended: {self.said}")
        return lines[0]

    def drop(self, write: Callable[[Path], object], name: str) -> Path:
        """A file that comes to lie in the folder whole."""
        outside = self.uploads.parent / name
        write(outside)
        return outside.rename(self.uploads / name)

    def send(self, which: signal.Signals) -> None:
        os.kill(self._process.pid, which)

    def ended(self) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(60)

    def again(self) -> None:
        """Start it anew, with all that it has."""
        self._start()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        with self._output.open("ab") as stream:
            began = stream.tell()
            self._process = subprocess.Popen(
                [*_UP, "--folder", str(self.uploads)],
                env=self.environment,
                cwd=self.uploads.parent,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self.tells("put videos into", after=began)
