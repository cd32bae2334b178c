"""An upload in S3, read in ranges: every byte of one version of it, or an error.

`s3://bucket/key`, the key unencoded, as the AWS command line writes it. A key may hold any
character, `?`, `%` and `#` too; only `?versionId=...` at the end names a version.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from moderation.errors import MediaFault, SourceError, SourceUnavailable
from moderation.s3_client import Address, Head, S3Client, s3_client
from moderation.s3_settings import S3Settings
from moderation.source import Source, shown

__all__ = ["SCHEME", "S3Object", "address_of", "uri_of"]

SCHEME: Final = "s3://"

_MARK: Final = "?versionId="

_VERSION: Final = re.compile(re.escape(_MARK) + r"([\w.~-]+)\Z", re.ASCII)
"""What no version's id contains ends none: `a?versionId=1/b` is a key."""

_BLOCKS: Final = 4
"""Blocks kept: FFmpeg goes to and fro between the index, pictures and sound of a file."""

_RANGE: Final = 64 << 20
"""Bytes asked for at once when all are read: each range may lose its connection some times."""

_BACKOFF_S: Final = 0.2
"""Most seconds before the first try anew; twice as many before each further one. Drawn by lot, so
that all workers do not come back at the same moment."""


def uri_of(bucket: str, key: str, version: str = "") -> str:
    """Of a version, where one is given."""
    return f"{SCHEME}{bucket}/{key}" + (version and f"{_MARK}{version}")


class S3Object(Source):
    """One version of an object; what replaces it meanwhile is never mixed in."""

    def __init__(self, address: Address, head: Head, settings: S3Settings) -> None:
        self.uri, self.size = address.uri, head.size
        self._address = replace(address, version=head.version, etag=head.etag)
        self._settings = settings
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._reading = threading.Lock()
        self._sha256 = ""

    @classmethod
    def open(cls, uri: str | os.PathLike[str], settings: S3Settings | None = None) -> S3Object:
        """Ask what lies there, and stay with that.

        Raises `SourceError` with its fault for an object that cannot be read, `SourceUnavailable`
        for a store that does not answer, and `ConfigurationError` without boto3 or credentials.
        """
        settings, address = settings or S3Settings(), address_of(os.fspath(uri))
        head = s3_client(settings).head(address)
        if head.size == 0:
            raise _refused(address, MediaFault.EMPTY, "the object is empty", "upload it again")
        if not head.etag:
            reason, hint = "the store gives it no ETag", "use a store that does"
            raise _refused(address, MediaFault.UNREADABLE, reason, hint)
        return cls(address, head, settings)

    @property
    def fd(self) -> None:
        """There is none: only `read` gives its bytes."""
        return

    @property
    def pin(self) -> str:
        """`version:...` where the bucket keeps versions, else `etag:...`."""
        version, etag = self._address.version, self._address.etag
        return f"version:{version}" if version else f"etag:{etag.strip(chr(34))}"

    @property
    def pinned_uri(self) -> str:
        """With its version, where the bucket keeps versions."""
        return uri_of(self._address.bucket, self._address.key, self._address.version)

    @property
    def address(self) -> Address:
        """Of this version, with its ETag."""
        return self._address

    def read(self, count: int, at: int = 0) -> bytes:
        """Up to `count` bytes from position `at`, fewer only at the end; asks in whole blocks.

        Raises `SourceError` (replaced, deleted, forbidden) and `SourceUnavailable`.
        """
        end, block = min(at + count, self.size), self._settings.block_bytes
        if at >= end:
            return b""
        first = at // block
        data = b"".join(self._block(number) for number in range(first, (end - 1) // block + 1))
        return data[at - first * block : end - first * block]

    def sha256(self) -> str:
        """Hex digest of all bytes, fetched once and past the blocks."""
        if not self._sha256:
            digest = hashlib.sha256()
            for start in range(0, self.size, _RANGE):
                for piece in self._fetch(start, min(start + _RANGE, self.size)):
                    digest.update(piece)
            self._sha256 = digest.hexdigest()
        return self._sha256

    def check_unchanged(self) -> None:
        """Raise `SourceError` when this version is gone, or is not what the key holds any more."""
        head = self._client.head(self._address)
        if (head.etag, head.size) != (self._address.etag, self.size):
            reason, hint = "the object was replaced", "what lies there now is another upload"
            raise _refused(self._address, MediaFault.CHANGED, reason, hint)

    def delete(self) -> None:
        """Delete this version; where the bucket keeps none, what lies there, if it still is this.

        Raises `SourceError` and `SourceUnavailable`.
        """
        self.check_unchanged()
        self._client.delete(self._address)

    def close(self) -> None:
        """Give the blocks back; more than once is harmless."""
        with self._reading:
            self._blocks.clear()

    @property
    def _client(self) -> S3Client:
        return s3_client(self._settings)

    def _block(self, number: int) -> bytes:
        # The lock is held while a block comes: whoever waits most often wants the same one.
        with self._reading:
            if number not in self._blocks:
                start = number * self._settings.block_bytes
                end = min(start + self._settings.block_bytes, self.size)
                self._blocks[number] = b"".join(self._fetch(start, end))
            self._blocks.move_to_end(number)
            while len(self._blocks) > _BLOCKS:
                self._blocks.popitem(last=False)
            return self._blocks[number]

    def _fetch(self, at: int, end: int) -> Iterator[bytes]:
        """All bytes of a range, going on where a connection broke."""
        for attempt in range(1, self._settings.max_attempts + 1):
            pieces = self._client.get(self._address, at, end)
            try:
                with contextlib.closing(pieces):
                    for piece in pieces:
                        at += len(piece)
                        yield piece
                return
            except SourceUnavailable:
                if attempt == self._settings.max_attempts:
                    raise
            time.sleep(random.uniform(0, _BACKOFF_S * 2 ** (attempt - 1)))


def address_of(uri: str) -> Address:
    """What a URI names. Raises `SourceError` for one that names no object."""
    bucket, _, key = uri[len(SCHEME) :].partition("/")
    key, version = _versioned(key)
    address = Address(uri, bucket, key, version)
    if not address.bucket or not address.key:
        reason, hint = "it names no object", "write s3://bucket/key"
        raise _refused(address, MediaFault.NOT_FOUND, reason, hint)
    return address


def _versioned(key: str) -> tuple[str, str]:
    found = _VERSION.search(key)
    return (key[: found.start()], found.group(1)) if found else (key, "")


def _refused(address: Address, fault: MediaFault, reason: str, hint: str) -> SourceError:
    return SourceError(f"{shown(address.uri)}: {reason}", fault=fault, hint=hint)
