"""Where an upload lies: what opens it, by the scheme of its URI."""

from __future__ import annotations

import os

from moderation.errors import MediaFault, SourceError
from moderation.s3 import SCHEME, S3Object
from moderation.s3_settings import S3Settings
from moderation.source import Source, shown

__all__ = ["check_allowed", "open_source"]


def open_source(uri: str | os.PathLike[str], s3: S3Settings | None = None) -> Source:
    """Open a local path, a `file://` URI or `s3://bucket/key[?versionId=...]`.

    Raises `SourceError` with its fault for what cannot be read, and for S3 `SourceUnavailable` and
    `ConfigurationError`. A bucket that is not among `s3.buckets` is not asked at all.
    """
    uri = os.fspath(uri)
    if not _is_s3(uri):
        return Source.open(uri)
    check_allowed(uri, s3 or S3Settings())
    return S3Object.open(uri, s3)


def check_allowed(uri: str, s3: S3Settings) -> None:
    """Raise `SourceError` for an object in a bucket that is not to be read."""
    bucket = uri[len(SCHEME) :].partition("/")[0]
    if _is_s3(uri) and not s3.allows(bucket):
        raise SourceError(
            f"{shown(uri)}: the bucket {shown(bucket)} is not among s3.buckets",
            fault=MediaFault.ACCESS_DENIED,
            hint="add it there if uploads lie in it",
        )


def _is_s3(uri: str) -> bool:
    return uri[: len(SCHEME)].lower() == SCHEME
