"""Processes that are kept running while this one runs, and that never outlive it."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from moderation.reports.text import one_line

__all__ = ["ProcessGroup", "Supervised"]

_WARDEN: Final = """
trap '' INT TERM HUP
read -r _
rm -rf -- "$0"
kill -KILL 0
"""
"""Leads the group, and waits for the end of who holds the other end of its pipe: also a SIGKILL
ends that. Linux alone could signal the children itself, and only those that we start directly."""

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
"""Between restarts of what ends at once: each lasts twice as long as the one before."""

_STEADY_S: Final = 60.0
"""What ran so long before it ended is not what ends at once."""

_TAIL: Final = 4096
"""Bytes at the end of a log in which its last line is looked for."""


class ProcessGroup:
    """A context manager; at its end, or that of this process, all of them are killed.

    folder  for their sockets: ours alone, with a short path, and gone when they are
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="moderation-"))
        self._warden = subprocess.Popen(
            ["sh", "-c", _WARDEN, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is not for them
        )

    def spawn(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start one of them; what it says goes to the end of `log`."""
        with log.open("ab") as stream:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=environment,
                process_group=self._warden.pid,
            )

    def close(self) -> None:
        if self._warden.stdin is not None:
            self._warden.stdin.close()
        self._warden.wait()

    def __enter__(self) -> ProcessGroup:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Supervised:
    """One process of a group, started again when it ends.

    name  for sentences: "the worker"
    """

    def __init__(
        self,
        name: str,
        group: ProcessGroup,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Starts it, with an empty log."""
        self.name, self.log = name, log
        self._group, self._command, self._environment = group, command, environment
        self._pause_s = 0.0
        self._due: float | None = None
        log.write_bytes(b"")
        self._process = self._start()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    @property
    def why(self) -> str:
        """What an ended one ended of."""
        code = self._process.returncode or 0
        if code < 0:
            return f"signal {-code}: {signal.strsignal(-code)}"
        return f"exit code {code}: {_last_line(self.log) or 'it said nothing'}"

    def look_after(self) -> str:
        """Start it again when it is time to; a sentence when it has just ended, else empty."""
        if self.runs:
            return ""
        if self._due is None:
            self._pause_s = self._next_pause()
            self._due = time.monotonic() + self._pause_s
            again = f"it starts again in {self._pause_s:g} s, and its log is {self.log}"
            return f"{self.name} ended ({self.why}): {again}"
        if time.monotonic() >= self._due:
            self._process = self._start()
        return ""

    def stop(self, within_s: float) -> bool:
        """SIGTERM; whether it ended in time."""
        self._process.terminate()
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _start(self) -> subprocess.Popen[bytes]:
        self._began, self._due = time.monotonic(), None
        return self._group.spawn(self._command, self.log, self._environment)

    def _next_pause(self) -> float:
        if not self._pause_s or time.monotonic() - self._began > _STEADY_S:
            return _FIRST_PAUSE_S
        return min(_LONGEST_PAUSE_S, self._pause_s * 2)


def _last_line(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _TAIL))
        text = stream.read().decode(errors="replace")
    return one_line(text.rstrip().rpartition("\n")[2])
