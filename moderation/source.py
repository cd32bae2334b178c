"""Source: the bytes of one upload behind a URI, opened once and read by everyone from there.

FFmpeg is never given the uploader's file name: names choose demuxers and protocols. It reads the
opened file itself, so that what was checked is what is decoded.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from types import TracebackType
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from moderation.errors import MediaFault, SourceError

__all__ = ["Source", "shown"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)

_READ = 1 << 20
"""Bytes read at once for the digest."""

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A symbolic link may point at a file of ours, and opening a FIFO would wait for its writer."""

_FAULTS = {
    errno.ENOENT: (MediaFault.NOT_FOUND, "there is no such file", "check the path"),
    errno.ENOTDIR: (MediaFault.NOT_FOUND, "there is no such file", "check the path"),
    errno.ENAMETOOLONG: (MediaFault.NOT_FOUND, "the name is too long", "check the path"),
    errno.EACCES: (MediaFault.ACCESS_DENIED, "reading is not permitted", "check its permissions"),
    errno.EPERM: (MediaFault.ACCESS_DENIED, "reading is not permitted", "check its permissions"),
    errno.ELOOP: (
        MediaFault.NOT_REGULAR_FILE,
        "it is a symbolic link",
        "give the file that it points to",
    ),
    errno.ENXIO: (MediaFault.NOT_REGULAR_FILE, "it is a socket or a device", "give a video file"),
    errno.ENODEV: (MediaFault.NOT_REGULAR_FILE, "it is a device", "give a video file"),
}


class Source:
    """An opened upload. A context manager; `close` gives the descriptor back.

    uri   as it was given: a local path or `file://` URI
    size  bytes, when it was opened
    """

    def __init__(self, uri: str, fd: int, status: os.stat_result) -> None:
        self.uri = uri
        self.size = status.st_size
        self._fd = fd
        self._opened = _version(status)
        self._sha256 = ""

    @classmethod
    def open(cls, uri: str | os.PathLike[str]) -> Source:
        """Open a regular file; raises `SourceError` with its fault for anything else."""
        uri = os.fspath(uri)
        fd = _open(uri)
        try:
            return cls(uri, fd, _checked(uri, fd))
        except BaseException:
            os.close(fd)
            raise

    @property
    def fd(self) -> int | None:
        """The opened file's descriptor; `None` where only `read` gives its bytes."""
        return self._fd

    @property
    def pinned_uri(self) -> str:
        """The URI that names this very version, where versions can be named."""
        return self.uri

    @property
    def pin(self) -> str:
        """Which version of it this is: another one has another pin."""
        size, modified_ns = self._opened
        return f"file:{size}:{modified_ns}"

    def read(self, count: int, at: int = 0) -> bytes:
        """Up to `count` bytes from position `at`; raises `SourceError` when the disk does not."""
        try:
            return os.pread(self._fd, count, at)
        except OSError as error:
            _refuse(self.uri, error)

    def sha256(self) -> str:
        """Hex digest of all bytes, read once."""
        if not self._sha256:
            digest, at = hashlib.sha256(), 0
            while block := self.read(_READ, at):
                digest.update(block)
                at += len(block)
            self.check_unchanged()
            self._sha256 = digest.hexdigest()
        return self._sha256

    def check_unchanged(self) -> None:
        """Raise `SourceError` when somebody has written to the file since it was opened."""
        if _version(os.fstat(self._fd)) != self._opened:
            raise SourceError(
                f"{shown(self.uri)}: the file changed while it was read",
                fault=MediaFault.CHANGED,
                hint="scan it again when its upload is complete",
            )

    def delete(self) -> None:
        """Delete what was opened, where it lies. Raises `SourceError` when something else lies
        there now, or nothing, and where deleting is not permitted.
        """
        path = _local_path(self.uri)
        try:
            there, opened = os.lstat(path), os.fstat(self._fd)
            if (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino):
                os.unlink(path)
                return
        except OSError as error:
            _refuse(self.uri, error)
        raise SourceError(
            f"{shown(self.uri)}: the file was replaced",
            fault=MediaFault.CHANGED,
            hint="what lies there now is another upload",
        )

    def close(self) -> None:
        """Give the descriptor back; more than once is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _open(uri: str) -> int:
    path = _local_path(uri)
    try:
        return os.open(path, _FLAGS)
    except OSError as error:
        _refuse(uri, error)
    except ValueError:  # a name with a NUL byte
        raise SourceError(
            f"{shown(uri)}: there is no such file",
            fault=MediaFault.NOT_FOUND,
            hint="check the path",
        ) from None


def _local_path(uri: str) -> str:
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return uri
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return unquote(parts.path)
    raise SourceError(
        f"{shown(uri)}: nothing here reads {scheme.group(1)}://",
        fault=MediaFault.NOT_FOUND,
        hint="give a local path",
    )


def _checked(uri: str, fd: int) -> os.stat_result:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise SourceError(
            f"{shown(uri)}: it is {kind}",
            fault=MediaFault.NOT_REGULAR_FILE,
            hint="give a video file",
        )
    if status.st_size == 0:
        raise SourceError(
            f"{shown(uri)}: the file is empty", fault=MediaFault.EMPTY, hint="upload it again"
        )
    return status


def _refuse(uri: str, error: OSError) -> NoReturn:
    unknown = (MediaFault.UNREADABLE, os.strerror(error.errno or errno.EIO), "check the disk")
    fault, reason, hint = _FAULTS.get(error.errno or errno.EIO, unknown)
    raise SourceError(f"{shown(uri)}: {reason}", fault=fault, hint=hint) from None


def shown(uri: str) -> str:
    """The URI in one line: a name may hold line breaks, escape codes or invalid UTF-8."""
    return uri if uri.isprintable() else ascii(uri)


def _version(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
