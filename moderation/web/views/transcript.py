"""Transcript: what is said and written, bounded, with what matters to a decision first."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from moderation.reports.lines import Line, lines
from moderation.reports.page import Cut
from moderation.scan import Scan
from moderation.verdict import Segment
from moderation.web.views.windows import Window

__all__ = ["LINES", "transcript"]

LINES: Final = 300
"""More than half an hour of talk, and all that is flagged of most days of it."""


def transcript(
    scan: Scan, label: str, found: Sequence[Segment], flagged: Sequence[Window]
) -> Cut[Line]:
    """Lines in time order. Of too many, those with labels are kept, then those in the windows,
    which do not overlap and stand in time order.
    """
    every = lines(scan, label, found)
    if len(every) <= LINES:
        return Cut(tuple(every), 0)
    order = sorted(range(len(every)), key=lambda index: _weight(every[index], flagged))
    kept = [every[index] for index in sorted(order[:LINES])]
    return Cut(tuple(kept), len(every) - LINES)


def _weight(line: Line, flagged: Sequence[Window]) -> int:
    """The least first."""
    if line.labels:
        return 0
    last_before = bisect_right(flagged, (line.span.end.us, sys.maxsize))
    is_near = last_before and flagged[last_before - 1][1] >= line.span.start.us
    return 1 if is_near else 2
