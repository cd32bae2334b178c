"""What a report may be told besides its scans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TextIO, TypeAlias

from moderation.decision import Decision
from moderation.scan import Scan
from moderation.timeline import Instant

__all__ = [
    "DEFAULTS",
    "Aggregation",
    "DecisionsOf",
    "Pictures",
    "ReportOptions",
    "Rows",
    "Writer",
]

Pictures: TypeAlias = Callable[[Scan, Instant], bytes | None]
"""The JPEG of a video's frame at an instant, or None where none was kept."""


DecisionsOf: TypeAlias = Callable[[Scan], Sequence[Decision]]
"""What people said about a scan, oldest first. Asked scan by scan: a report may be of millions."""


def _no_pictures(_: Scan, __: Instant) -> None:
    return None


def _no_decisions(_: Scan) -> tuple[Decision, ...]:
    return ()


Rows: TypeAlias = Literal["segments", "videos"]

Aggregation: TypeAlias = Literal["TIMESTAMPS", "SEGMENTS"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """Each format reads what concerns it.

    pictures      what HTML shows
    decisions     what people said, which every format shows in its way
    rows          one row of CSV for each segment or for each video
    bom           begin CSV with a byte order mark, by which Excel recognises UTF-8
    aggregate_by  whether Rekognition's labels are of single frames or of segments
    """

    pictures: Pictures = _no_pictures
    decisions: DecisionsOf = _no_decisions
    rows: Rows = "segments"
    bom: bool = False
    aggregate_by: Aggregation = "TIMESTAMPS"


DEFAULTS: Final = ReportOptions()


class Writer(Protocol):
    """A report format: writes all scans to a text stream, holding few of them at a time."""

    def __call__(
        self, scans: Iterable[Scan], stream: TextIO, options: ReportOptions, /
    ) -> None: ...
