"""Lines of text followed over time: what is read in many frames is one line with one span."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from moderation import Box, Instant, Span
from moderation.trail import Trail
from moderation_text.reading import Reading

__all__ = ["Line", "Lines", "same_line"]

_ALIKE = 0.85
"""Share of matching characters, 0..1, from which two readings may be of one line: one letter
in seven. Where it is in doubt there are two lines, and none is lost."""

_CUT = 2
"""Characters more or fewer at one end, from which a reading is of another part of a text that
moves through the picture or is being typed: merging would lose them."""

_MOVES = 6
"""Characters from which the same text elsewhere in the picture is the same line on the move; two
shorter ones are more often two."""


@dataclass(slots=True, eq=False)
class Line:
    """One line on the screen.

    best   the reading with the most characters read for certain, seen at `at`
    span   from the first to the last frame it was seen in
    count  in how many frames
    trail  where it stood in each
    """

    best: Reading
    at: Instant
    span: Span
    count: int = 1
    place: Box = field(init=False)
    """Where it was seen last."""
    trail: Trail = field(default_factory=Trail)

    def __post_init__(self) -> None:
        self.place = self.best.region.box
        self.trail.add(self.at, self.place)

    def seen(self, reading: Reading, at: Instant) -> None:
        """It was read again."""
        self.place = reading.region.box
        self.last(at)
        if _certainty(reading) > _certainty(self.best):
            self.best, self.at = reading, at

    def last(self, at: Instant) -> None:
        """It is still there."""
        self.span = Span(self.span.start, at)
        self.trail.add(at, self.place)
        self.count += 1


class Lines:
    """The lines on one screen; those that ended are handed out and forgotten.

    gap_us  a line that is missed for no longer is still the same line
    """

    def __init__(self, gap_us: int) -> None:
        self._gap_us = gap_us
        self._open: list[Line] = []
        self._shown: list[Line] = []

    def see(self, readings: Sequence[Reading], at: Instant) -> Iterator[Line]:
        """Take what was read in a frame; yields the lines that have ended."""
        self._shown = []
        for line, reading in _pairs(self._open, readings):
            if line is None:
                line = Line(reading, at, Span.at(at))
                self._open.append(line)
            else:
                line.seen(reading, at)
            self._shown.append(line)
        yield from self._ended(at)

    def hold(self, at: Instant) -> Iterator[Line]:
        """The picture is the one before: its lines are still there."""
        for line in self._shown:
            line.last(at)
        yield from self._ended(at)

    def close(self) -> Iterator[Line]:
        """The video ended, and every line with it."""
        ended, self._open, self._shown = self._open, [], []
        yield from ended

    def _ended(self, at: Instant) -> Iterator[Line]:
        ended = [line for line in self._open if at - line.span.end > self._gap_us]
        self._open = [line for line in self._open if at - line.span.end <= self._gap_us]
        yield from ended


def same_line(a: str, b: str) -> bool:
    """Whether two readings differ by no more than a recogniser's mistakes.

    A digit that became another is no mistake but a counter, and text that was cut or grew at an
    end is another part of it.
    """
    a, b = _folded(a), _folded(b)
    if a == b:
        return True
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if matcher.real_quick_ratio() < _ALIKE or matcher.ratio() < _ALIKE:
        return False
    return not any(
        _counts(a[i:j], b[k:m]) or _cuts(a[i:j], b[k:m], at_end=i == 0 or j == len(a))
        for tag, i, j, k, m in matcher.get_opcodes()
        if tag != "equal"
    )


def _counts(a: str, b: str) -> bool:
    """Whether digits changed; a letter O that was read as 0 is a mistake."""
    digits_a, digits_b = _digits(a), _digits(b)
    return digits_a != digits_b and (not a or not b or bool(digits_a and digits_b))


def _cuts(a: str, b: str, *, at_end: bool) -> bool:
    return at_end and abs(len(a) - len(b)) >= _CUT


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _folded(text: str) -> str:
    """Letters and digits alone: spaces and points are what recognisers disagree on."""
    return "".join(
        each for each in unicodedata.normalize("NFKC", text).casefold() if each.isalnum()
    )


def _pairs(
    lines: Sequence[Line], readings: Sequence[Reading]
) -> Iterator[tuple[Line | None, Reading]]:
    """Each reading with the line it continues, the nearest first; None for a new one."""
    candidates = sorted(
        (_distance(line.place, reading.region.box), i, k)
        for i, line in enumerate(lines)
        for k, reading in enumerate(readings)
        if _continues(line, reading)
    )
    partner: dict[int, Line] = {}
    taken: set[int] = set()
    for _, i, k in candidates:
        if i not in taken and k not in partner:
            taken.add(i)
            partner[k] = lines[i]
    for k, reading in enumerate(readings):
        yield partner.get(k), reading


def _continues(line: Line, reading: Reading) -> bool:
    text = reading.text
    in_place = line.place.iou(reading.region.box) > 0
    return (in_place or len(_folded(text)) >= _MOVES) and same_line(line.best.text, text)


def _distance(a: Box, b: Box) -> float:
    """Between the centres of two boxes, in fractions of the frame."""
    return math.hypot(
        a.left + a.width / 2 - b.left - b.width / 2, a.top + a.height / 2 - b.top - b.height / 2
    )


def _certainty(reading: Reading) -> float:
    """The expected number of characters read right: what was cut off counts against a reading."""
    return reading.score * len(reading.text)
