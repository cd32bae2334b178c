"""Formats that have room for one video: a file of each, and never two in one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TextIO, TypeAlias

from moderation.decision import Decision
from moderation.errors import ConfigurationError
from moderation.reports.options import ReportOptions, Writer
from moderation.scan import Scan

__all__ = ["Render", "file_name", "one_video"]

Render: TypeAlias = Callable[[Scan, Sequence[Decision]], str]


def one_video(render: Render) -> Writer:
    """A writer of what `render` makes of the only scan.

    It raises `ConfigurationError` where there is none, or a second one.
    """

    def write(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
        first = list(islice(scans, 2))
        if len(first) != 1:
            found = "several videos" if first else "no video"
            raise ConfigurationError(
                f"this format is about one video, and the report is about {found}",
                hint="give a folder as --output for a file of each video",
            )
        stream.write(render(first[0], options.decisions(first[0])))

    return write


def file_name(scan: Scan, suffix: str) -> str:
    """As the digest of the video, so that no name of a stranger's names a file of ours."""
    name = scan.video.sha256 or re.sub(r"[^\w-]", "_", scan.id, flags=re.ASCII)
    return f"{name}.{suffix}"
