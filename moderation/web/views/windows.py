"""Windows: the stretches of a video that play unless somebody asks for more."""

from __future__ import annotations

from collections.abc import Iterable

from moderation.timeline import Span

__all__ = ["Window", "windows"]

Window = tuple[int, int]
"""Start and end, in microseconds."""


def windows(spans: Iterable[Span], context_us: int, duration_us: int) -> list[Window]:
    """The spans with their context, within the video; those that touch are one."""
    found: list[Window] = []
    for start, end in sorted((each.start.us, each.end.us) for each in spans):
        first = max(0, min(start - context_us, duration_us))
        last = max(first, min(end + context_us, duration_us))
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
