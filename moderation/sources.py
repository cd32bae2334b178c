"""Where an upload lies: what opens it, by the scheme of its URI."""

from __future__ import annotations

import os

from moderation.s3 import SCHEME, S3Object
from moderation.s3_settings import S3Settings
from moderation.source import Source

__all__ = ["open_source"]


def open_source(uri: str | os.PathLike[str], s3: S3Settings | None = None) -> Source:
    """Open a local path, a `file://` URI or `s3://bucket/key[?versionId=...]`.

    Raises `SourceError` with its fault for what cannot be read, and for S3 `SourceUnavailable` and
    `ConfigurationError`.
    """
    uri = os.fspath(uri)
    if uri[: len(SCHEME)].lower() == SCHEME:
        return S3Object.open(uri, s3)
    return Source.open(uri)
