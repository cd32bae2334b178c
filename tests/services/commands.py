"""Commands of `moderation`, in the environment of an installation."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from unittest.mock import patch

from moderation.cli import main
from tests.services.installation import Installation

__all__ = ["Done", "begin", "command"]

_COMMAND: Final = (sys.executable, "-c", "from moderation.cli import main; main()")

_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)
"""Whose meaning `main` changes."""


class Done(NamedTuple):
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def command(installation: Installation, *arguments: str, given: str = "", **more: str) -> Done:
    """Run it to its end, in this process: to start another takes longer than most commands.

    given  what it may read
    more   environment variables
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        _stage(["moderation", *arguments], installation.environment | more, given),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    return Done(code if isinstance(code, int) else 1, out.getvalue(), err.getvalue())


def begin(installation: Installation, *arguments: str) -> subprocess.Popen[str]:
    """Start it in a process of its own."""
    return subprocess.Popen(
        [*_COMMAND, *arguments],
        env=installation.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def _stage(arguments: list[str], environment: Mapping[str, str], given: str) -> Iterator[None]:
    handlers = {each: signal.getsignal(each) for each in _SIGNALS}
    try:
        with (
            patch.dict(os.environ, environment, clear=True),
            patch.object(sys, "argv", arguments),
            patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode()))),
        ):
            yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
