"""Where a report goes: a file that appears whole or not at all, or standard output."""

from __future__ import annotations

import errno
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from moderation.errors import ConfigurationError, ModerationError, OutOfSpace

__all__ = ["STDOUT", "opened"]

STDOUT: Final = "-"


@contextmanager
def opened(target: str) -> Iterator[TextIO]:
    """A text stream into the file `target`, or standard output for `-`.

    A file is written beside its place and renamed when it is whole: a report that ends in an
    error or Ctrl-C leaves nothing, and the one that was there before stays. Raises `OutOfSpace`
    for a full disk and `ConfigurationError` for a place that cannot be written.
    """
    if target == STDOUT:
        yield sys.stdout
        sys.stdout.flush()
        return
    # What a link points at is replaced, not the link; a device or a pipe is never replaced.
    path = Path(target).expanduser().resolve()
    try:
        with _in_place(path) if path.exists() and not path.is_file() else _renamed(path) as stream:
            yield stream
    except OSError as error:
        raise _refused(error, path) from error


@contextmanager
def _in_place(path: Path) -> Iterator[TextIO]:
    with path.open("w", encoding="utf-8", newline="") as stream:
        yield stream


@contextmanager
def _renamed(path: Path) -> Iterator[TextIO]:
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("x", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _refused(error: OSError, path: Path) -> ModerationError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace(f"no room for {path}", hint="make room and try again")
    return ConfigurationError(
        f"{path} cannot be written ({error.strerror})", hint="choose another file with --output"
    )
