"""A real server for tests: on loopback, in a folder of its own, gone when its test session is."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

__all__ = ["Server", "until"]

READY_S: Final = 60.0
"""How long a start may take, recovery after a crash included; a loaded machine takes seconds."""

POLL_S: Final = 0.01

PORTS: Final = range(20_000, 32_000)
"""Below those that the kernel gives to clients: one that tries a dead server again and again may
otherwise be given that very port, and be connected to itself."""

WARDEN: Final = """
trap '' INT
read -r _
kill -INT 0; kill -CONT 0
tries=100
while [ -e "$1" ] && [ $tries -gt 0 ]; do sleep 0.05; tries=$((tries - 1)); done
rm -rf "$0"
kill -KILL 0
"""
"""Leads the server's process group and waits for a line, or for the end of who would write it: so
a session that is killed leaves no server and no folder either. A server that ends in order removes
its pid file, which tells it when: PostgreSQL, killed before, would leave System V memory."""


class Server(ABC):
    """A server process that can be killed, and started again on its port with its data."""

    name: str

    def __init__(self) -> None:
        """Start it. Raises `FileNotFoundError` where its programs are not installed."""
        self.port = _free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"moderation-{self.name}-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._warden = subprocess.Popen(
            ["sh", "-c", WARDEN, str(self.folder), str(self.pid_file)],
            stdin=subprocess.PIPE,
            process_group=0,
        )
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise

    @classmethod
    @abstractmethod
    def find(cls) -> Path:
        """The program, or the folder of its programs.

        That of the machine, else that of a wheel. Raises `FileNotFoundError`.
        """

    @abstractmethod
    def prepare(self) -> None:
        """Make what the first start needs, in `folder`."""

    @property
    @abstractmethod
    def pid_file(self) -> Path:
        """The file that it makes when it starts, and removes when it ends in order."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What runs it in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves clients by now."""

    @property
    def pid(self) -> int:
        """Of the process started last."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it on its port with the data it has, and wait until it answers; if it does not run.

        Raises `RuntimeError`, with the end of its log, when it ends instead.
        """
        if self.running:
            return
        self._process = self.run(self.command())
        until(lambda: not self.running or self.answers(), f"the start of {self.name}")
        if not self.running:
            raise RuntimeError(f"{self.name} does not start: {self.log()}")

    def kill(self) -> None:
        """End it as a crash would, by SIGKILL, and wait until it is gone; its data stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self.pid_file.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Stop it where it is: it keeps its connections and says nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        if self.running:
            os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its folder."""
        if self._warden.stdin is not None and not self._warden.stdin.closed:
            self._warden.stdin.write(b"\n")
            self._warden.stdin.close()
        self._warden.wait()
        if self._process is not None:
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def log(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def run(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Run a program in the folder; not as root, for PostgreSQL refuses that."""
        account = _account()
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                process_group=self._warden.pid,
                user=account and account.pw_uid,
                group=account and account.pw_gid,
                extra_groups=account and [],
            )

    def within_reach(self, programs: Path) -> Path:
        """The program or folder itself, or a copy, where another user may not come to it."""
        account = _account()
        if account is None or all(each.stat().st_mode & stat.S_IXOTH for each in programs.parents):
            return programs
        os.chown(self.folder, account.pw_uid, account.pw_gid)
        copy = self.folder / programs.name
        if programs.is_dir():
            shutil.copytree(programs, copy, symlinks=True)
        else:
            shutil.copy2(programs, copy)
        return copy

    def make_folder(self, name: str) -> Path:
        """A folder that the server may write, in one that it may enter."""
        made = self.folder / name
        made.mkdir(mode=0o700)
        if account := _account():
            for each in (self.folder, made):
                os.chown(each, account.pw_uid, account.pw_gid)
        return made


def until(happened: Callable[[], bool], what: str, within_s: float = READY_S) -> None:
    """Wait for a state, by asking. Raises `TimeoutError`, which names it by `what`."""
    deadline = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {within_s:g} s")
        time.sleep(POLL_S)


def _account() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _free_port() -> int:
    # Not the shared generator: two workers of one test run may have seeded it alike.
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port is free between {PORTS.start} and {PORTS.stop}")
