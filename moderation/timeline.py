"""Exact media time: integer microseconds from the start of the video.

>>> Instant.parse("1:02.5")
Instant(us=62500000)
>>> str(Span(Instant(0), Instant(62_500_000)))
'0:00:00.000-0:01:02.500'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["MICROSECONDS", "Instant", "Span", "parse_duration"]

MICROSECONDS = 1_000_000
"""Microseconds in a second."""

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d{1,6})?)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_UNITS = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A moment of the video, in integer microseconds; negative before its first frame."""

    us: int

    @classmethod
    def from_seconds(cls, seconds: float | Fraction) -> Instant:
        """The nearest microsecond to a time in seconds."""
        return cls(round(Fraction(seconds) * MICROSECONDS))

    @classmethod
    def parse(cls, text: str) -> Instant:
        """Read `[[h:]m:]s[.ffffff]`; raises `ValueError` for anything else."""
        match = _CLOCK.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"not a time: {text!r}; write [[h:]m:]s[.ffffff]")
        hours, minutes, seconds = match.groups()
        return cls.from_seconds(int(hours or 0) * 3600 + int(minutes or 0) * 60 + Fraction(seconds))

    @property
    def seconds(self) -> float:
        """For display and JSON; never for comparing."""
        return self.us / MICROSECONDS

    def __add__(self, us: int) -> Instant:
        return Instant(self.us + us)

    def __sub__(self, other: Instant) -> int:
        """Microseconds between two instants."""
        return self.us - other.us

    def __str__(self) -> str:
        sign, us = ("-" if self.us < 0 else ""), abs(self.us)
        minutes, us = divmod(us, 60 * MICROSECONDS)
        hours, minutes = divmod(minutes, 60)
        seconds, us = divmod(us, MICROSECONDS)
        return f"{sign}{hours}:{minutes:02}:{seconds:02}.{us // 1000:03}"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `start` to `end`, both seen; one instant when they are equal."""

    start: Instant
    end: Instant

    def __post_init__(self) -> None:
        if self.end.us < self.start.us:  # as numbers: comparing instants takes five times as long
            raise ValueError(f"a span cannot end before it starts: {self.start} > {self.end}")

    @classmethod
    def at(cls, instant: Instant) -> Span:
        """The span of a single frame."""
        return cls(instant, instant)

    @classmethod
    def from_seconds(cls, start: float | Fraction, end: float | Fraction) -> Span:
        return cls(Instant.from_seconds(start), Instant.from_seconds(end))

    @classmethod
    def hull(cls, spans: Iterable[Span]) -> Span:
        """The smallest span that holds all of `spans`; raises `ValueError` for none."""
        spans = list(spans)
        return cls(min(span.start for span in spans), max(span.end for span in spans))

    @property
    def duration_us(self) -> int:
        return self.end - self.start

    def gap_us(self, other: Span) -> int:
        """Microseconds between the two; 0 when they touch or overlap."""
        return max(0, other.start - self.end, self.start - other.end)

    def __iter__(self) -> Iterator[Instant]:
        return iter((self.start, self.end))

    def __str__(self) -> str:
        return f"{self.start}-{self.end}"


def parse_duration(text: str) -> int:
    """Read `10s`, `500ms`, `1.5m`, `2h` or plain seconds into microseconds.

    Raises `ValueError` for anything else.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a duration: {text!r}; write 10s, 500ms, 1.5m or 2h")
    number, unit = match.groups()
    return round(Fraction(number) * _UNITS[unit or "s"] * MICROSECONDS)
