"""Admission: which uploads may be named over HTTP.

Whoever has a shell here may scan any file; a program with a token may name what lies in S3, and in
the folders that the operator opened for it: `web.folders`.
"""

from __future__ import annotations

import os
from pathlib import Path

from moderation.config import Settings
from moderation.errors import MediaFault, SourceError
from moderation.s3 import SCHEME
from moderation.source import shown
from moderation.sources import check_allowed

__all__ = ["admitted"]


def admitted(uri: str, settings: Settings) -> str:
    """The URI to submit: an object's as it stands, a file's without links and detours on its way.

    Raises `SourceError` for all else, in the same words whether or not anything is there.
    """
    if uri[: len(SCHEME)].lower() == SCHEME:
        check_allowed(uri, settings.s3)
        return uri
    path = _without_links(uri)
    if path is None or not any(_is_below(path, folder) for folder in settings.web.folders):
        raise SourceError(
            f"{shown(uri)}: it may not be submitted over HTTP",
            fault=MediaFault.ACCESS_DENIED,
            hint="give s3://bucket/key, or the whole path of a file below one of web.folders",
        )
    return str(path)


def _without_links(uri: str) -> Path | None:
    """A file's path with its folders as they really are; `None` for what is no whole path.

    A link in the last place stays, and is refused when it is opened.
    """
    path = Path(uri)
    if "\0" in uri or not path.is_absolute() or ".." in path.parts:
        return None
    try:
        return Path(os.path.realpath(path.parent, strict=True), path.name)
    except OSError:  # what is not there yet may become a link
        return None


def _is_below(path: Path, folder: Path) -> bool:
    return path.parent.is_relative_to(os.path.realpath(folder))
