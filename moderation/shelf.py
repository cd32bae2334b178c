"""Shelves: where small files are put under names and found again, on a disk or in S3.

A name has folders, `a/b/c.json`, and is safe as it stands: whoever puts something makes it so.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
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
        path = self._folder / name
        try:
            try:
                self._place(path, content)
            except FileNotFoundError:  # whoever emptied the folder has just taken it away
                self._place(path, content)
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
        place = self._folder / name
        try:
            files = [each for each in place.rglob("*") if not each.is_dir()]
            files = files if name.endswith("/") else [place] if place.is_file() else []
            for file in files:
                file.unlink(missing_ok=True)
            self._remove_empty(place)
        except OSError as error:
            raise self._refused(error) from None
        return len(files)

    def folders(self) -> Iterator[str]:
        try:
            with os.scandir(self._folder) as found:
                yield from (each.name for each in found if each.is_dir(follow_symlinks=False))
        except OSError:
            return

    def uri(self, name: str) -> str:
        return str(self._folder / name)

    def _remove_empty(self, place: Path) -> None:
        """The folder, and those above it up to the shelf itself."""
        while place != self._folder and self._folder in place.parents:
            try:
                place.rmdir()
            except _ABSENT:
                pass
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                return
            place = place.parent

    def _place(self, path: Path, content: bytes) -> None:
        part = path.with_name(f".{secrets.token_hex(8)}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._write(part, content)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

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

    def folders(self) -> Iterator[str]:
        """Raises `SourceError` where the prefix may not be listed."""
        return s3_client(self._settings).folders(self._address(""))

    def uri(self, name: str) -> str:
        return self._address(name).uri

    def _address(self, name: str) -> Address:
        key = self._prefix + name
        return Address(uri_of(self._bucket, key), self._bucket, key)


def open_shelf(place: str, what: str, s3: S3Settings, mode: int = 0o600) -> Shelf:
    """Of `s3://bucket/folder/` or a path; `what` and `mode` are those of a `FolderShelf`."""
    in_s3 = s3_folder(place)
    return S3Shelf(*in_s3, s3) if in_s3 else FolderShelf(Path(place).expanduser(), what, mode)
