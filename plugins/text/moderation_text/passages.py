"""Texts that belong together, read as one, with the way back to each text's time and place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from moderation import Box, Evidence
from moderation.evidence import Word
from moderation.timeline import Span

__all__ = ["Passage", "Place", "passages"]

MAX_TEXTS = 1000
"""Texts of one passage: bounds what is held at once; a phrase is lost at most at each cut."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a stretch of a passage was said or shown.

    source      the text it begins in; `start` and `end` are offsets there, `end` cut at its end
    words       the spoken words it consists of
    """

    source: Evidence
    start: int
    end: int
    span: Span
    box: Box | None
    words: tuple[Word, ...]
    subject: str | None


@dataclass(frozen=True)
class Passage:
    """Consecutive texts of one source."""

    sources: Sequence[Evidence]

    @cached_property
    def text(self) -> str:
        """The texts, a line each."""
        return "\n".join(source.text or "" for source in self.sources)

    @cached_property
    def _offsets(self) -> list[int]:
        offsets = [0]
        for source in self.sources[:-1]:
            offsets.append(offsets[-1] + len(source.text or "") + 1)
        return offsets

    def place(self, start: int, end: int) -> Place:
        """Of `text[start:end]`, which is not empty."""
        first = bisect_right(self._offsets, start) - 1
        last = bisect_right(self._offsets, end - 1) - 1
        spans: list[Span] = []
        words: list[Word] = []
        for index in range(first, last + 1):
            source, offset = self.sources[index], self._offsets[index]
            spoken = _words(source, start - offset, end - offset)
            words += spoken
            spans += [word.span for word in spoken] or [source.span]
        source, offset = self.sources[first], self._offsets[first]
        return Place(
            source,
            start - offset,
            min(end - offset, len(source.text or "")),
            Span.hull(spans),
            source.box,
            tuple(words),
            next((word.speaker for word in words if word.speaker), source.subject),
        )


def passages(texts: Iterable[Evidence], gap_us: int) -> Iterator[Passage]:
    """Texts of one detector in time order, cut where more than `gap_us` microseconds lie between.

    Lines that are on the screen together are read from top to bottom.
    """
    by_source: dict[tuple[str, str], list[Evidence]] = {}
    for text in texts:
        by_source.setdefault((text.detector, text.label), []).append(text)
    for source in sorted(by_source):
        run: list[Evidence] = []
        for text in sorted(by_source[source], key=_reading_order):
            if run and (run[-1].span.gap_us(text.span) > gap_us or len(run) == MAX_TEXTS):
                yield Passage(run)
                run = []
            run.append(text)
        if run:
            yield Passage(run)


def _reading_order(text: Evidence) -> tuple[int, float, float, int, str]:
    top, left = (text.box.top, text.box.left) if text.box else (0.0, 0.0)
    return text.span.start.us, top, left, text.span.end.us, text.text or ""


def _words(source: Evidence, start: int, end: int) -> list[Word]:
    """The spoken words that reach into [start, end) of the text; none where they do not fit it."""
    found: list[Word] = []
    at = 0
    for word in source.words:
        spelled = word.text.strip()
        begin = (source.text or "").find(spelled, at)
        if begin < 0:
            return []
        at = begin + len(spelled)
        if begin < end and start < at:
            found.append(word)
    return found
