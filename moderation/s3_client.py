"""The requests to S3 that reading uploads and publishing what was found of them take.

boto3 is imported when the first client is made: only who reads from S3 needs it.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import os
import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from moderation.errors import (
    ConfigurationError,
    ModerationError,
    SourceError,
    SourceUnavailable,
)
from moderation.s3_errors import Doing, replaced, translated
from moderation.s3_settings import S3Settings
from moderation.source import shown

__all__ = ["Address", "Head", "S3Client", "boto_client", "s3_client"]

_PIECE: Final = 1 << 20
"""Bytes taken from a connection at once."""

_CACHE: Final = "private, no-cache"
"""Of what we put: it is not for everyone, and the same name may hold more tomorrow."""


@dataclass(frozen=True, slots=True)
class Address:
    """Which object is asked for.

    uri      as it was given: what messages call it
    version  "" for the newest
    etag     as S3 writes it, with its quotes; "" for any
    """

    uri: str
    bucket: str
    key: str
    version: str = ""
    etag: str = ""

    @property
    def place(self) -> dict[str, str]:
        """Parameters of a request about this object or version, whatever its bytes are."""
        place = {"Bucket": self.bucket, "Key": self.key}
        return place | ({"VersionId": self.version} if self.version else {})

    @property
    def parameters(self) -> dict[str, str]:
        """Of a request for these very bytes."""
        return self.place | ({"IfMatch": self.etag} if self.etag else {})


@dataclass(frozen=True, slots=True)
class Head:
    """What S3 says of an object.

    version  "" where the bucket keeps no versions
    etag     with its quotes; no digest of anything: that of a multipart upload ends in "-10"
    """

    size: int
    version: str
    etag: str


class _Boto(Protocol):
    def head_object(self, **parameters: str) -> dict[str, Any]: ...
    def get_object(self, **parameters: str) -> dict[str, Any]: ...
    def put_object(self, **parameters: Any) -> dict[str, Any]: ...
    def list_objects_v2(self, **parameters: str) -> dict[str, Any]: ...
    def get_object_tagging(self, **parameters: str) -> dict[str, Any]: ...
    def put_object_tagging(self, **parameters: Any) -> dict[str, Any]: ...
    def delete_object(self, **parameters: str) -> dict[str, Any]: ...
    def get_paginator(self, name: str) -> Any: ...


class S3Client:
    """Threads may share one; processes may not. `s3_client` gives one.

    All methods raise `SourceError` for an object that is not to be had, `SourceUnavailable` for one
    that may be later, and `ConfigurationError` for credentials that are none.
    """

    def __init__(self, boto: _Boto) -> None:
        self._boto = boto

    def head(self, address: Address) -> Head:
        with translated(address.uri):
            answer = self._boto.head_object(**address.parameters)
        version = answer.get("VersionId", "")
        return Head(
            size=answer["ContentLength"],
            version="" if version == "null" else version,
            etag=answer.get("ETag", ""),
        )

    def get(self, address: Address, start: int, end: int) -> Generator[bytes]:
        """The bytes from `start` to before `end`, in pieces: all of them, or an error at the end.

        Failures of the request, which boto3 has tried again, are raised here; those of the
        connection by the iterator, which gives it back when it is exhausted or closed.
        """
        with translated(address.uri):
            answer = self._boto.get_object(Range=f"bytes={start}-{end - 1}", **address.parameters)
        try:
            _check(address, answer, end - start)
        except ModerationError:
            answer["Body"].close()
            raise
        return _pieces(address, answer["Body"])

    def whole(self, address: Address) -> bytes:
        """All bytes of a small object, such as we put ourselves."""
        with translated(address.uri):
            answer = self._boto.get_object(**address.parameters)
        return b"".join(_pieces(address, answer["Body"]))

    def put(self, address: Address, content: bytes, content_type: str) -> None:
        """Write an object: it is there whole, or as before.

        Raises `ConfigurationError` where we may not, or there is no such bucket.
        """
        # Every store checks this digest, not every one the newer checksums; buckets with locks
        # ask for one.
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        try:
            with translated(address.uri, "writing"):
                self._boto.put_object(
                    **address.place,
                    Body=content,
                    ContentType=content_type,
                    ContentMD5=base64.b64encode(digest).decode(),
                    CacheControl=_CACHE,
                )
        except SourceError as error:
            raise ConfigurationError(error.message, hint=error.hint) from None

    def names(self, folder: Address) -> frozenset[str]:
        """What the keys that begin like this one go on with: of the first thousand."""
        with translated(folder.uri, "listing"):
            answer = self._boto.list_objects_v2(Bucket=folder.bucket, Prefix=folder.key)
        return frozenset(each["Key"][len(folder.key) :] for each in answer.get("Contents", ()))

    def folders(self, folder: Address) -> Iterator[str]:
        """What the keys that begin like this one go on with, up to the next slash; once each."""
        for page in self._listed("list_objects_v2", folder, "listing", Delimiter="/"):
            for each in page.get("CommonPrefixes", ()):
                yield each["Prefix"][len(folder.key) : -1]

    def delete(self, address: Address) -> None:
        """The object, or the version that the address names; what is gone already is no error."""
        with translated(address.uri, "deleting"):
            self._boto.delete_object(**address.place)

    def remove(self, address: Address) -> int:
        """Every version of what has this key or, where that ends with a slash, begins with it; how
        many objects those were. Raises `ConfigurationError` where we may not.
        """
        keys: set[str] = set()
        try:
            for key, version in self._versions(address):
                self.delete(replace(address, key=key, version=version))
                keys.add(key)
        except SourceError as error:
            raise ConfigurationError(error.message, hint=error.hint) from None
        return len(keys)

    def _versions(self, address: Address) -> Iterator[tuple[str, str]]:
        """Marks of deletion too: without what they hide, they would only say that it was there."""
        for page in self._listed("list_object_versions", address, "deleting"):
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                if address.key.endswith("/") or each["Key"] == address.key:
                    yield each["Key"], each["VersionId"]

    def _listed(
        self, request: str, address: Address, doing: Doing, **parameters: str
    ) -> Iterator[dict[str, Any]]:
        """The pages of what begins with this key."""
        asked = {"Bucket": address.bucket, "Prefix": address.key, **parameters}
        with translated(address.uri, doing):
            yield from self._boto.get_paginator(request).paginate(**asked)

    def tags(self, address: Address) -> dict[str, str]:
        """Of the object, or of the version that the address names."""
        with translated(address.uri, "tagging"):
            answer = self._boto.get_object_tagging(**address.place)
        return {each["Key"]: each["Value"] for each in answer["TagSet"]}

    def tag(self, address: Address, tags: Mapping[str, str]) -> None:
        """These and no others are its tags from now on; no ETag can be asked for here."""
        pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
        with translated(address.uri, "tagging"):
            self._boto.put_object_tagging(**address.place, Tagging={"TagSet": pairs})


_MAKING = threading.Lock()
"""boto3's sessions are not to be made by two threads at once."""


def s3_client(settings: S3Settings) -> S3Client:
    """The one client for these settings. Raises `ConfigurationError` where boto3 is missing."""
    return S3Client(boto_client(settings))


def boto_client(settings: S3Settings) -> Any:
    """boto3's own, for requests that are not about one object; errors are for `translated`."""
    with _MAKING:
        return _made(settings, os.getpid())  # a fork must not speak on its parent's connections


@functools.lru_cache(maxsize=8)
def _made(settings: S3Settings, _process: int) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ModuleNotFoundError as error:
        if error.name not in ("boto3", "botocore"):
            raise
        raise ConfigurationError(
            "s3:// cannot be read: boto3 is not installed", hint="install moderation[s3]"
        ) from None
    config = Config(
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        retries={"mode": "standard", "total_max_attempts": settings.max_attempts},
        s3={"addressing_style": settings.addressing_style},
        # Checksums are those of whole objects, and we read ranges; what we put has a digest.
        response_checksum_validation="when_required",
        request_checksum_calculation="when_required",
    )
    with translated("s3://"):
        return boto3.session.Session().client(
            "s3",
            endpoint_url=settings.endpoint_url or None,
            region_name=settings.region or None,
            config=config,
        )


def _pieces(address: Address, body: Any) -> Generator[bytes]:
    with contextlib.closing(body), translated(address.uri):
        yield from body.iter_chunks(_PIECE)


def _check(address: Address, answer: dict[str, Any], count: int) -> None:
    """Some servers overlook `If-Match`, and some `Range`."""
    if address.etag and answer.get("ETag") != address.etag:
        raise replaced(address.uri)
    if answer["ContentLength"] != count:
        raise SourceUnavailable(
            f"{shown(address.uri)}: {answer['ContentLength']} bytes came where {count} were asked "
            "for",
            hint="try again; if it stays so, check what lies between here and the store",
        )
