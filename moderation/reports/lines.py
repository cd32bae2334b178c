"""What is said and what is written in a video, line by line, with what was found in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from moderation.evidence import Evidence
from moderation.scan import Scan
from moderation.timeline import Instant, Span
from moderation.verdict import Segment

__all__ = ["SCREEN_TEXT", "SPEECH", "Line", "lines"]

SPEECH: Final = "Context/Speech"
SCREEN_TEXT: Final = "Context/Screen text"


@dataclass(frozen=True, slots=True)
class Line:
    """Something said or shown, with the labels that its words were given."""

    text: str
    subject: str | None
    span: Span
    labels: tuple[str, ...]


def lines(scan: Scan, label: str, findings: Iterable[Segment]) -> list[Line]:
    """All that has the label, in time order; the same words again and again are one line."""
    with_text = (each for each in scan.evidence if each.label == label and each.text)
    in_order = sorted(with_text, key=_times)
    flagged = _Flagged([each for each in findings if each.text])
    repeated = groupby(in_order, key=lambda each: (each.text or "", each.subject))
    return [_line(*key, _hull(list(group)), flagged) for key, group in repeated]


class _Flagged:
    """Findings with words, asked for by spans that begin one after the other."""

    def __init__(self, findings: Sequence[Segment]) -> None:
        self._coming = sorted(findings, key=_times, reverse=True)
        self._near: list[Segment] = []

    def during(self, span: Span) -> list[Segment]:
        """Those that touch it."""
        start_us, end_us = span.start.us, span.end.us
        while self._coming and self._coming[-1].span.start.us <= end_us:
            self._near.append(self._coming.pop())
        self._near = [each for each in self._near if each.span.end.us >= start_us]
        return [each for each in self._near if each.span.start.us <= end_us]


def _line(text: str, subject: str | None, span: Span, flagged: _Flagged) -> Line:
    words = text.casefold()
    found = (each.label for each in flagged.during(span) if _shares(words, each.text or ""))
    return Line(text, subject, span, tuple(dict.fromkeys(found)))


def _shares(line: str, found: str) -> bool:
    words = found.casefold()
    return words in line or line in words


def _hull(evidence: Sequence[Evidence]) -> Span:
    """Of evidence in time order."""
    return Span(evidence[0].span.start, Instant(max(each.span.end.us for each in evidence)))


def _times(seen: Evidence | Segment) -> tuple[int, int]:
    """As numbers: comparing spans takes many times as long."""
    return seen.span.start.us, seen.span.end.us
