"""Text folded to its plain form, with the way back to every original character."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from moderation_text.characters import fold_character, is_han, is_mark

__all__ = ["Piece", "View", "fold", "join_han", "respelled"]

_SEPARATORS = r"[ .\-_*~·•|/\\+=^'`@#&]"
# Up to three separators; more is layout, not a disguise.
_HAN_GAP = re.compile(f"(?<!{_SEPARATORS}){_SEPARATORS}{{1,3}}(?!{_SEPARATORS})")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a view that was read anew: `text`, with offsets per character, under `rule`."""

    start: int
    end: int
    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    rule: str


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a text.

    text    what is searched
    starts  per character of `text`: where it begins in the original
    ends    per character of `text`: where it ends in the original
    pieces  (start, end, rule) in `text`, sorted: what was read in another way than written
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    pieces: Sequence[tuple[int, int, str]] = field(default=())

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original offsets [start, end) of `text[start:end]`, which is not empty."""
        return self.starts[start], self.ends[end - 1]

    def rules(self, start: int, end: int) -> tuple[str, ...]:
        """The rules by which `text[start:end]` was read, in order, each once."""
        found: dict[str, None] = {}
        first = bisect_left(self.pieces, start, key=lambda piece: piece[1] - 1)
        for index in range(first, len(self.pieces)):
            begin, _, rule = self.pieces[index]
            if begin >= end:
                break
            found[rule] = None
        return tuple(found)


def fold(text: str) -> View:
    """NFKC, case, accents, invisible characters, Chinese variants; runs of space become one.

    Every character of the result knows the original characters it stands for. Works on any
    string, lone surrogates among it.
    """
    folded: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for index, character in enumerate(text):
        plain = " " if character.isspace() else fold_character(character)
        if not plain and ends and is_mark(character):
            ends[-1] = index + 1  # an accent belongs to the letter before it
        if plain == " " == "".join(folded[-1:]):
            continue
        folded.extend(plain)
        starts.extend([index] * len(plain))
        ends.extend([index + 1] * len(plain))
    return View("".join(folded), starts, ends)


def respelled(view: View, pieces: Iterable[Piece]) -> View:
    """The view with some stretches read anew; `pieces` are sorted and do not overlap."""
    text: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    marks: list[tuple[int, int, str]] = []
    done = length = 0
    for piece in pieces:
        text += (view.text[done : piece.start], piece.text)
        starts += [*view.starts[done : piece.start], *piece.starts]
        ends += [*view.ends[done : piece.start], *piece.ends]
        begin = length + piece.start - done
        length = begin + len(piece.text)
        marks.append((begin, length, piece.rule))
        done = piece.end
    text.append(view.text[done:])
    return View("".join(text), [*starts, *view.starts[done:]], [*ends, *view.ends[done:]], marks)


def join_han(view: View) -> list[Piece]:
    """Pieces that close the gaps which separators leave between two ideographs."""
    text = view.text
    return [
        Piece(gap.start(), gap.end(), "", (), (), "spaced")
        for gap in _HAN_GAP.finditer(text)
        if gap.start() > 0 and gap.end() < len(text)
        if is_han(text[gap.start() - 1]) and is_han(text[gap.end()])
    ]
