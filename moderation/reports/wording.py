"""Wording: how pages write times, labels, sizes and values; filters of their templates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from markupsafe import Markup

from moderation.reports.text import visible
from moderation.timeline import Instant, Span

__all__ = ["FILTERS", "clock", "counted", "shown", "words"]


def shown(value: Any) -> Any:
    """For `Environment(finalize=...)`: text without what turns or hides letters."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(value)


def clock(time: Instant | Span) -> str:
    """To a tenth of a second: `1:02.5`, and `1:02.5 – 1:04.0` for a span."""
    if isinstance(time, Instant):
        return _short(str(Instant(round(time.us, -5)))[:-2])
    start, end = clock(time.start), clock(time.end)
    return start if start == end else f"{start} – {end}"


def length_of(duration_us: int) -> str:
    """To the second: `1:02`."""
    return _short(str(Instant(round(duration_us, -6))).partition(".")[0])


def _short(clock: str) -> str:
    """Without hours where there are none, and without a leading zero."""
    return clock.removeprefix("0:").removeprefix("0")


def colour(family: str) -> str:
    """The class that colours a family; one that the style sheet does not name is slate."""
    return "family-" + re.sub("[^a-z0-9]+", "-", family.casefold())


def counted(count: int, noun: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def file_size(size: int) -> str:
    """Of bytes."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def path(label: str) -> str:
    """A label as a way down the taxonomy."""
    return " › ".join(label.split("/"))


def value(value: object) -> str:
    """A value or threshold of a rule."""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def words(name: str) -> str:
    """`min_score` as a person writes it."""
    return name.replace("_", " ")


FILTERS: Final[Mapping[str, Callable[..., str]]] = {
    "clock": clock,
    "colour": colour,
    "counted": counted,
    "file_size": file_size,
    "length_of": length_of,
    "path": path,
    "value": value,
    "words": words,
}
