"""What a report may be told besides its scans."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, TextIO, TypeAlias

from moderation.scan import Scan
from moderation.timeline import Instant

__all__ = ["Pictures", "ReportOptions", "Rows", "Writer"]

Pictures: TypeAlias = Callable[[Scan, Instant], bytes | None]
"""The JPEG of a video's frame at an instant, or None where none was kept."""


def _no_pictures(_: Scan, __: Instant) -> None:
    return None


Rows: TypeAlias = Literal["segments", "videos"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """Each format reads what concerns it.

    pictures  what HTML shows
    rows      one row of CSV for each segment or for each video
    bom       begin CSV with a byte order mark, by which Excel recognises UTF-8
    """

    pictures: Pictures = _no_pictures
    rows: Rows = "segments"
    bom: bool = False


class Writer(Protocol):
    """A report format: writes all scans to a text stream, holding few of them at a time."""

    def __call__(
        self, scans: Iterable[Scan], stream: TextIO, options: ReportOptions, /
    ) -> None: ...
