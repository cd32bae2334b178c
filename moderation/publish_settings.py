"""What a verdict leaves behind for others to find: `[publish]` among the settings."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["Place", "PublishSettings", "ignored_prefixes", "s3_folder"]

_S3: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]+)/(.+)", re.IGNORECASE | re.DOTALL)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

_LONGEST_PREFIX: Final = 128
"""Bytes: a key has 1,024 at most, and the upload's own name is to fit behind."""


def _checked(place: str) -> str:
    """With a slash at the end of a prefix. Raises `ValueError`."""
    if not place or not _SCHEME.match(place):
        return place
    found = _S3.fullmatch(place)
    if not found or not place.isprintable():
        # Of a whole bucket a trigger could not tell what is ours: results would be scanned again.
        raise ValueError("write s3://bucket/folder/ or the path of a folder")
    bucket, prefix = found.groups()
    prefix = f"{prefix.rstrip('/')}/"
    if len(prefix.encode()) > _LONGEST_PREFIX:
        raise ValueError(f"a prefix has {_LONGEST_PREFIX} bytes at most")
    return f"s3://{bucket}/{prefix}"


Place = Annotated[str, AfterValidator(_checked)]
"""`s3://bucket/folder/`, or the path of a folder."""


class PublishSettings(BaseModel):
    """Verdicts, evidence and review items are in the database, whatever is published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    results: Place = Field(
        "",
        description="where a document of each verdict is put, as `moderation report` writes it: "
        "s3://bucket/folder/ or a folder; empty: nowhere, for it is in the database",
    )
    pictures: Place = Field(
        "",
        description="where evidence pictures are kept: s3://bucket/folder/ where workers share no "
        "disk, or a folder; empty: `pictures` in `home`",
    )
    tags: bool = Field(
        False,
        description="tag scanned objects with their verdict, by which a bucket's policy can hold "
        "back what is not approved; off, for it needs a right that reading does not",
    )


def s3_folder(place: str) -> tuple[str, str] | None:
    """Bucket and prefix of a place in S3; `None` for a folder on a disk."""
    found = _S3.fullmatch(place)
    return (found.group(1), found.group(2)) if found else None


def ignored_prefixes(settings: PublishSettings, bucket: str) -> tuple[str, ...]:
    """Prefixes of this bucket under which nothing is an upload: what lies there is ours.

    A trigger that announced results as uploads would never end. Nobody else may write there: what
    they put under these prefixes is not scanned.
    """
    places = map(s3_folder, (settings.results, settings.pictures))
    return tuple(place[1] for place in places if place and place[0] == bucket)
