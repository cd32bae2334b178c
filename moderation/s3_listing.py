"""What lies in a bucket: its current objects under a prefix, in the order of their keys.

A listing gives size, ETag and, where the bucket keeps versions, the version's id: so an object is
pinned as `S3Object` pins it, without a request of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from moderation.errors import ConfigurationError
from moderation.s3 import SCHEME, uri_of
from moderation.s3_client import boto_client
from moderation.s3_errors import translated
from moderation.s3_settings import S3Settings
from moderation.source import shown
from moderation.sources import check_allowed

__all__ = ["Folder", "Listed", "list_objects"]

_MAY_NOT: Final = frozenset((401, 403))
_KNOWS_NOT: Final = frozenset((405, 501))
"""Of a store that has no versions to speak of."""


@dataclass(frozen=True, slots=True)
class Folder:
    """`s3://bucket/prefix`: a prefix ends anywhere, and a folder's with a slash."""

    bucket: str
    prefix: str

    @classmethod
    def read(cls, uri: str) -> Folder:
        """Raises `ConfigurationError` for what names no bucket."""
        bucket, _, prefix = uri[len(SCHEME) :].partition("/")
        if uri[: len(SCHEME)].lower() != SCHEME or not bucket:
            raise ConfigurationError(
                f"{shown(uri)} names no bucket", hint="write s3://bucket or s3://bucket/folder/"
            )
        return cls(bucket, prefix)

    @property
    def uri(self) -> str:
        return uri_of(self.bucket, self.prefix)


@dataclass(frozen=True, slots=True)
class Listed:
    """An object, as a listing gives it.

    etag     without quotes
    version  "" where the bucket keeps none
    """

    bucket: str
    key: str
    size: int
    etag: str
    version: str = ""

    @property
    def pinned_uri(self) -> str:
        """As `S3Object.pinned_uri`."""
        return uri_of(self.bucket, self.key, self.version)

    @property
    def pin(self) -> str:
        """As `S3Object.pin`."""
        return f"version:{self.version}" if self.version else f"etag:{self.etag}"


def list_objects(folder: Folder, settings: S3Settings, after: str = "") -> Iterator[Listed]:
    """Every current object whose key begins with the prefix and is greater than `after`.

    A page of a thousand is asked for when it is needed. Folder markers are left out. Raises
    `SourceError` for a bucket that may not be read, `SourceUnavailable` for a store that does not
    answer and `ConfigurationError` for credentials that are none.
    """
    check_allowed(folder.uri, settings)
    boto = boto_client(settings)
    listing = _versions if _keeps_versions(boto, folder) else _objects
    for each in listing(boto, folder, after):
        if not (each.key.endswith("/") and each.size == 0):
            yield each


def _objects(boto: Any, folder: Folder, after: str) -> Iterator[Listed]:
    given = {"Bucket": folder.bucket, "Prefix": folder.prefix}
    given |= {"StartAfter": after} if after else {}
    for page in _pages(boto, "list_objects_v2", folder, given):
        for each in page.get("Contents", ()):
            yield _listed(folder, each)


def _versions(boto: Any, folder: Folder, after: str) -> Iterator[Listed]:
    """The newest of each key; a key whose newest is a delete marker is gone."""
    given = {"Bucket": folder.bucket, "Prefix": folder.prefix}
    given |= {"KeyMarker": after} if after else {}
    for page in _pages(boto, "list_object_versions", folder, given):
        for each in page.get("Versions", ()):
            if each["IsLatest"]:
                yield _listed(folder, each)


def _listed(folder: Folder, item: dict[str, Any]) -> Listed:
    version = item.get("VersionId", "")
    return Listed(
        bucket=folder.bucket,
        key=item["Key"],
        size=item["Size"],
        etag=item["ETag"].strip('"'),
        version="" if version == "null" else version,
    )


def _pages(boto: Any, call: str, folder: Folder, given: dict[str, str]) -> Iterator[dict[str, Any]]:
    """boto3 has keys sent encoded, and decodes them: a key may hold what XML may not."""
    pages = iter(boto.get_paginator(call).paginate(**given))
    while True:
        with translated(folder.uri, "listing"):
            page = next(pages, None)
        if page is None:
            return
        yield page


def _keeps_versions(boto: Any, folder: Folder) -> bool:
    """Whether objects may have versions; who may not know it asks for them, and sees."""
    from botocore.exceptions import ClientError

    with translated(folder.uri, "listing"):
        try:
            return "Status" in boto.get_bucket_versioning(Bucket=folder.bucket)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status not in _MAY_NOT | _KNOWS_NOT:
                raise
            return status in _MAY_NOT
