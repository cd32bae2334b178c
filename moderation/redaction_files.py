"""The two files of a redaction: the new video and its manifest, both whole or neither there."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moderation.errors import ConfigurationError, OutOfSpace
from moderation.source import Source, shown

__all__ = ["SUFFIXES", "NewFile", "Pair", "check_target", "manifest_path", "new_pair"]

SUFFIXES: Final = (".mp4", ".m4v", ".m4a")
"""Of the new video, which is MP4 whatever the old one was."""


def manifest_path(target: Path) -> Path:
    """Where the manifest of a new video lies."""
    return target.with_name(f"{target.name}.json")


class NewFile:
    """A file beside its place, under a name of its own until it is whole."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.path = place.with_name(f".{place.name[:50]}.{secrets.token_hex(4)}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(self.path, flags, 0o666)

    def write(self, at: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = os.pwrite(self._fd, view, at)
            at, view = at + count, view[count:]

    def finished(self) -> Path:
        """It is on the disk: where."""
        os.fsync(self._fd)
        return self.path

    def discard(self) -> None:
        os.close(self._fd)
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Pair:
    video: NewFile
    manifest: NewFile


@contextmanager
def new_pair(target: Path, source: Source, *, force: bool) -> Iterator[Pair]:
    """Two files that take their places when the block ends without an error."""
    parts: list[NewFile] = []
    try:
        for place in (target, manifest_path(target)):
            parts.append(NewFile(place))
        yield Pair(*parts)
        check_target(target, source, force=force)  # somebody else may have been faster
        # A manifest without its video can be seen to be one; a video without it would pass.
        for part in reversed(parts):
            part.path.replace(part.place)
        _sync_folder(target.parent)
    except OSError as error:
        raise _refused(error, target) from error
    finally:
        for part in parts:
            part.discard()


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_target(target: Path, source: Source, *, force: bool) -> None:
    if target.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(
            f"{shown(str(target))} is no name for an MP4 file, which the new video is",
            hint=f"let it end in {SUFFIXES[0]}",
        )
    for place in (target, manifest_path(target)):
        if _is_source(place, source):
            raise ConfigurationError(
                f"{shown(str(place))} would overwrite the video itself",
                hint="choose another file with --output",
            )
        if os.path.isdir(place) or (os.path.lexists(place) and not force):
            raise ConfigurationError(
                f"{shown(str(place))} is there already",
                hint="choose another file with --output, or replace it with --force",
            )


def _is_source(place: Path, source: Source) -> bool:
    try:
        return source.fd is not None and os.path.samestat(os.stat(place), os.fstat(source.fd))
    except OSError:
        return False


def _refused(error: OSError, path: Path) -> ConfigurationError | OutOfSpace:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace(f"no room for {shown(str(path))}", hint="make room and try again")
    return ConfigurationError(
        f"{shown(str(path))} cannot be written ({error.strerror})",
        hint="choose another file with --output",
    )
