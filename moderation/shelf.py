"""Shelves: where small files are put under names and found again, on a disk or in S3.

A name has folders, `a/b/c.json`, and is safe as it stands: whoever puts something makes it so. None
begins with a dot.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import structlog

from moderation.errors import MediaFault, OutOfSpace, SourceError, StoreError
from moderation.publish_settings import s3_folder
from moderation.s3 import uri_of
from moderation.s3_client import Address, s3_client
from moderation.s3_settings import S3Settings

__all__ = ["FolderShelf", "S3Shelf", "Shelf", "open_shelf"]

log = structlog.get_logger(__name__)

_ABSENT: Final = (FileNotFoundError, NotADirectoryError)

_PARTS: Final = ".parts"
"""Folder of a shelf, for files until they are whole: those that somebody left there are found
without a look through the whole shelf."""

_PART: Final = ".part"
"""Ends their names, so that nobody who looks for `*.json` takes one for a document."""


class Shelf(Protocol):
    """Every method raises `TransientError`s for what may go better later."""

    def put(self, name: str, content: bytes, content_type: str) -> None:
        """It is there whole, or as before. Raises `PermanentError`s where nothing can be put."""

    def get(self, name: str) -> bytes | None:
        """`None` when there is nothing of this name, or it may not be read: that is logged."""

    def names(self, folder: str) -> frozenset[str]:
        """What is known to be in a folder: of many, or where it may not be listed, not all."""

    def remove(self, name: str) -> int:
        """Take away what has that name or, where it ends with a slash, all that begins so; how many
        files that were. Raises `PermanentError`s where nothing can be removed.
        """

    def sweep(self, before: datetime) -> int:
        """Take away what was begun before that and never put: how many files that were. Raises
        `PermanentError`s where nothing can be removed.
        """

    def folders(self) -> Iterator[str]:
        """The first step of every name that has more than one, once each."""

    def uri(self, name: str) -> str:
        """Where it lies, for messages."""


class FolderShelf:
    """In a folder of this machine's, or of a disk that many share.

    what  is kept there, in messages: "pictures", "results"
    mode  of the files, less the umask
    """

    def __init__(self, folder: Path, what: str, mode: int = 0o600) -> None:
        self._folder, self._what, self._mode = folder, what, mode

    def put(self, name: str, content: bytes, content_type: str) -> None:
        """Raises `OutOfSpace` and `StoreError`."""
        try:
            try:
                self._place(name, content)
            except FileNotFoundError:  # whoever emptied the folder has just taken it away
                self._place(name, content)
        except OSError as error:
            raise self._refused(error) from None

    def get(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except _ABSENT:
            return None
        except OSError as error:
            log.warning("a file cannot be read", path=self.uri(name), reason=error.strerror)
            return None

    def names(self, folder: str) -> frozenset[str]:
        try:
            return frozenset(os.listdir(self._folder / folder))
        except OSError:
            return frozenset()

    def remove(self, name: str) -> int:
        """With the folders that are empty then: their names are those of uploads. Raises
        `StoreError`.
        """
        half = name if name.endswith("/") else f"{name}{_PART}"
        folder = name.rpartition("/")[0]
        halves = [each / half for each in self._begun() if (each / folder).exists()]
        places = [self._folder / name, *halves]
        try:
            files = [file for place in places for file in _files(place, name)]
            for file in files:
                file.unlink(missing_ok=True)
            for place in places:
                self._remove_empty(place)
        except OSError as error:
            raise self._refused(error) from None
        return len(files)

    def sweep(self, before: datetime) -> int:
        """Whoever was killed left them. Raises `StoreError`."""
        removed = 0
        try:
            for begun in self._begun():
                removed += self._remove_stale(begun, before)
        except OSError as error:
            raise self._refused(error) from None
        return removed

    def folders(self) -> Iterator[str]:
        return (name for name in _folders(self._folder) if name != _PARTS)

    def uri(self, name: str) -> str:
        return str(self._folder / name)

    def _begun(self) -> Iterator[Path]:
        """A folder for each file that is not whole: in it, the file lies where it will."""
        parts = self._folder / _PARTS
        return (parts / name for name in _folders(parts))

    def _remove_stale(self, begun: Path, before: datetime) -> int:
        """How many files there were. Who has ended meanwhile has removed it."""
        try:
            if begun.stat().st_mtime >= before.timestamp():
                return 0
            count = len([*_files(begun, "/")])
            shutil.rmtree(begun)
        except _ABSENT:
            return 0
        return count

    def _remove_empty(self, place: Path) -> None:
        """Folders below, the place, and those above it up to the shelf, or to that of all parts."""
        for below in sorted((each for each in place.rglob("*") if each.is_dir()), reverse=True):
            _is_gone(below)
        kept = (self._folder, self._folder / _PARTS)
        while place not in kept and self._folder in place.parents and _is_gone(place):
            place = place.parent

    def _place(self, name: str, content: bytes) -> None:
        """By way of a part that has the name, too: whoever removes the name finds it, if this ends
        half-way.
        """
        path, begun = self._folder / name, self._folder / _PARTS / secrets.token_hex(8)
        part = begun / f"{name}{_PART}"
        try:
            for each in (part, path):
                each.parent.mkdir(parents=True, exist_ok=True)
            self._write(part, content)
            os.replace(part, path)
        finally:
            shutil.rmtree(begun, ignore_errors=True)  # what stays is swept

    def _write(self, path: Path, content: bytes) -> None:
        """On the disk when it returns: what follows is a row that says it is there."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._mode)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _refused(self, error: OSError) -> OutOfSpace | StoreError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return OutOfSpace(
                f"no space is left for {self._what} in {self._folder}",
                hint="free some, then again",
            )
        return StoreError(
            f"{self._what} cannot be kept in or taken from {self._folder} ({error.strerror})",
            hint=f"correct the setting publish.{self._what}, or `home`",
        )


class S3Shelf:
    """Under a prefix of a bucket."""

    def __init__(self, bucket: str, prefix: str, settings: S3Settings) -> None:
        self._bucket, self._prefix, self._settings = bucket, prefix, settings

    def put(self, name: str, content: bytes, content_type: str) -> None:
        """Raises `SourceUnavailable` and `ConfigurationError`."""
        s3_client(self._settings).put(self._address(name), content, content_type)

    def get(self, name: str) -> bytes | None:
        try:
            return s3_client(self._settings).whole(self._address(name))
        except SourceError as error:
            if error.fault is not MediaFault.NOT_FOUND:
                log.warning("an object cannot be read", reason=error.message, hint=error.hint)
            return None

    def names(self, folder: str) -> frozenset[str]:
        """Without leave to list, nothing is known to be there, and is put again."""
        try:
            return s3_client(self._settings).names(self._address(f"{folder}/"))
        except SourceError as error:
            log.info("a prefix cannot be listed", reason=error.message, hint=error.hint)
            return frozenset()

    def remove(self, name: str) -> int:
        """With every version of it that the bucket keeps. Raises `ConfigurationError`."""
        return s3_client(self._settings).remove(self._address(name))

    def sweep(self, before: datetime) -> int:
        """Nothing: an object is put whole, or not at all."""
        return 0

    def folders(self) -> Iterator[str]:
        """Raises `SourceError` where the prefix may not be listed."""
        return s3_client(self._settings).folders(self._address(""))

    def uri(self, name: str) -> str:
        return self._address(name).uri

    def _address(self, name: str) -> Address:
        key = self._prefix + name
        return Address(uri_of(self._bucket, key), self._bucket, key)


def _files(place: Path, name: str) -> Iterator[Path]:
    """What lies there: the file itself or, of a name that ends with a slash, all below."""
    if name.endswith("/"):
        return (each for each in place.rglob("*") if not each.is_dir())
    return iter([place] if place.is_file() else [])


def _is_gone(folder: Path) -> bool:
    """Whether it is not there any more: it is removed if it is empty."""
    try:
        folder.rmdir()
    except _ABSENT:
        return True
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _folders(place: Path) -> Iterator[str]:
    try:
        with os.scandir(place) as found:
            yield from (each.name for each in found if each.is_dir(follow_symlinks=False))
    except OSError:
        return


def open_shelf(place: str, what: str, s3: S3Settings, mode: int = 0o600) -> Shelf:
    """Of `s3://bucket/folder/` or a path; `what` and `mode` are those of a `FolderShelf`."""
    in_s3 = s3_folder(place)
    return S3Shelf(*in_s3, s3) if in_s3 else FolderShelf(Path(place).expanduser(), what, mode)
