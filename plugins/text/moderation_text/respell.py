"""Reads disguised words: f u c k, fuuuck, f*ck, sh1t, fцck, fukc, ihateyou.

Works on words, not on letters: a reading counts only if it gives words that the lists know, so
that "420" stays a number and "as" does not become "ass".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise, product

from moderation_text.characters import is_han, look_alike
from moderation_text.lexicon import Lexicon
from moderation_text.normalise import Piece, View, join_han, respelled

__all__ = ["CERTAINTY", "Respeller"]

CERTAINTY = {
    "homoglyph": 0.95,
    "leet": 0.95,
    "repeated": 0.95,
    "spaced": 0.9,
    "masked": 0.9,
    "typo": 0.8,
    "joined": 0.8,
}
"""How a word was read -> how certain that reading is, 0..1."""

MAX_WORD = 48
"""Letters of a word that is read anew; longer ones are addresses and noise."""

MIN_JOINED = 4
"""Letters of a listed word that may hide in a longer one: shorter ones stand in good words."""

MIN_TYPO = 5
"""Letters of a word that may lack one; one less for two that are swapped."""

MIN_SPELLED = 3
"""Letters of a word that is spelled out."""

MIN_LEET = 3
"""Characters of a word that may be written with digits: shorter ones are units and names."""

MIN_MASKED = 2
"""Letters of a masked word that must be left to see."""

MEAN_PART = 2.5
"""Letters of a word, on average, where several are written as one: less is chance."""

_CACHED = 1 << 14
"""Words remembered: natural text repeats itself."""

_LEET = {
    "4": "a", "@": "a", "8": "b", "(": "c", "€": "e", "3": "e", "6": "g", "9": "g", "1": "il",
    "!": "il", "|": "il", "0": "o", "5": "s", "$": "s", "7": "t", "+": "t", "2": "z",
}  # fmt: skip

_MAX_CHOICES = 3
"""Places of one word with two readings: 8 readings at most are tried."""

_CHUNK = re.compile(r"[^\s,;:/\"\[\]{}<>?…。，！？、；：]+")
_LETTER_RUN = re.compile(r"(?<![^\W_])[^\W_](?:[\s.\-_*~·'|/]{1,3}[^\W_](?![^\W_])){2,}")
_FIRST = "$@(|+!€"
_LAST = "$@(|+€"
"""Signs that may stand for the first and the last letter of a word."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a chunk of text says: `spans` are offsets in the chunk, one for each letter."""

    text: str
    spans: tuple[tuple[int, int], ...]
    rule: str = ""


class Respeller:
    """Finds the words of a lexicon in disguise."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.ordinary = lexicon.ordinary
        self.maskable = lexicon.maskable
        self.words = lexicon.words
        self.known = self.words | self.ordinary | lexicon.allowed_words
        self.joinable = self.ordinary.union(w for w in self.words if len(w) >= MIN_JOINED)
        self.typos = _typos(self.words, self.known)
        self.by_shape = {
            shape: list(words)
            for shape, words in groupby(sorted(filter(str.isalpha, self.words), key=_shape), _shape)
        }
        self._read = lru_cache(_CACHED)(self._reading)

    def view(self, folded: View) -> View | None:
        """The text with its disguised words read; None where nothing is disguised."""
        pieces = [*self._letter_runs(folded), *self._chunks(folded), *join_han(folded)]
        pieces.sort(key=lambda piece: (piece.start, -piece.end))
        apart: list[Piece] = []
        for piece in pieces:
            if not apart or piece.start >= apart[-1].end:
                apart.append(piece)
        return respelled(folded, apart) if apart else None

    def _letter_runs(self, view: View) -> Iterator[Piece]:
        """Single letters with separators between: s p a c e d, s.p.a.c.e.d."""
        for match in _LETTER_RUN.finditer(view.text):
            places = [i for i in range(*match.span()) if view.text[i].isalnum()]
            if whole := self._spelled(view, places):
                yield whole
                continue
            for part in _alike(view.text, places):
                if piece := self._spelled(view, part):
                    yield piece

    def _spelled(self, view: View, places: list[int]) -> Piece | None:
        """The words that the letters at some places spell."""
        letters = "".join(view.text[i] for i in places[: MAX_WORD + 1])
        if not MIN_SPELLED <= len(letters) <= MAX_WORD or any(map(is_han, letters)):
            return None
        start, end = places[0], places[-1] + 1
        for form in self._letters(
            Reading(letters, tuple((i - start, i - start + 1) for i in places))
        ):
            if read := self._parts(form, self.known, "spaced"):
                return _piece(view, start, end, read)
        return None

    def _chunks(self, view: View) -> Iterator[Piece]:
        previous = (0, 0)
        for match in _CHUNK.finditer(view.text):
            for start, end in _without_han(view.text, *match.span()):
                chunk = view.text[start:end]
                if chunk not in self.known and (reading := self._cached(chunk)):
                    yield _piece(view, start, end, reading)
                elif halves := self._halves(view.text, previous, (start, end)):
                    yield _piece(view, previous[0], end, halves)
                previous = (start, end)

    def _cached(self, chunk: str) -> Reading | None:
        return self._read(chunk) if len(chunk) <= MAX_WORD else self._reading(chunk)

    def _halves(self, text: str, first: tuple[int, int], second: tuple[int, int]) -> Reading | None:
        """A listed word cut in two by a space: "fu ck"; neither half is a word of its own."""
        left, right = text[slice(*first)], text[slice(*second)]
        cut = second[0] - first[1]
        if cut != 1 or not left or {left, right} & self.known or left + right not in self.maskable:
            return None
        places = [*range(len(left)), *range(len(left) + cut, len(left) + cut + len(right))]
        return Reading(left + right, tuple((i, i + 1) for i in places), "spaced")

    def _reading(self, chunk: str) -> Reading | None:
        """The first way to read a chunk that gives words of the lists."""
        for edge in (_is_edge, _is_far_edge):
            core = _trimmed(chunk, edge)
            for reading in self._candidates(core):
                if reading.text in self.known:
                    return reading if reading.rule and reading.text in self.words else None
        return self._joined(_trimmed(chunk, _is_edge))

    def _candidates(self, core: Reading) -> Iterator[Reading]:
        """Readings as one word, from the plainest to the boldest."""
        for form in self._letters(core):
            yield form
            yield from self._unmasked(form)
            yield from self._unseparated(form)
            if word := self.typos.get(form.text):
                whole = (form.spans[0][0], form.spans[-1][1])
                yield Reading(word, (whole,) * len(word), "typo")

    def _letters(self, core: Reading) -> Iterator[Reading]:
        """The same letters as they may be meant: look-alikes, digits, repetitions."""
        drawn = "".join(look_alike(c) or c for c in core.text)
        rule = core.rule if drawn == core.text else "homoglyph"
        for word in _decoded(drawn):
            if word != drawn and len(word) < MIN_LEET:
                continue
            form = Reading(word, core.spans, rule if word == drawn else "leet")
            if len(word) <= MAX_WORD:
                yield form
            yield from _squeezed(form)

    def _unmasked(self, form: Reading) -> Iterator[Reading]:
        """Words with some letters covered: f*ck."""
        letters = sum(map(str.isalpha, form.text))
        if MIN_MASKED <= letters < len(form.text) <= MAX_WORD:
            for word in self.by_shape.get(_shape(form.text), ()):
                if self._fits(form.text, word):
                    yield Reading(word, form.spans, "masked")

    def _fits(self, masked: str, word: str) -> bool:
        """Whether a masked text may be a word; only strong words are masked with plain signs."""
        return all(
            drawn == meant or (_is_mask(drawn) and (word in self.maskable or not drawn.isascii()))
            for drawn, meant in zip(masked, word, strict=True)
        )

    def _unseparated(self, form: Reading) -> Iterator[Reading]:
        """Words with marks between some letters: fu.ck."""
        kept = [i for i, c in enumerate(form.text) if not _is_mask(c)]
        word = "".join(form.text[i] for i in kept)
        if len(kept) < len(form.text) and word in self.maskable:
            yield Reading(word, tuple(form.spans[i] for i in kept), "spaced")

    def _joined(self, core: Reading) -> Reading | None:
        """Several words written as one: ihateyou."""
        for form in self._letters(core):
            if form.text.isalpha() and (read := self._parts(form, self.joinable, "joined")):
                return read
        return None

    def _parts(self, form: Reading, words: Collection[str], rule: str) -> Reading | None:
        """The form cut into the fewest `words`, one of which the lists must know."""
        ends = _cut(form.text, words)
        parts = [form.text[a:b] for a, b in pairwise(ends)]
        likely = parts and len(form.text) >= MEAN_PART * len(parts) and len(parts[-1]) > 1
        if not likely or not any(part in self.words for part in parts):
            return None
        spans: list[tuple[int, int]] = []
        for start, end in pairwise(ends):
            if spans:
                spans.append((spans[-1][1], spans[-1][1]))
            spans += form.spans[start:end]
        return Reading(" ".join(parts), tuple(spans), rule)


def _alike(text: str, places: list[int]) -> Iterator[list[int]]:
    """Letters with the same separator between them: in "n o. a" the last stands apart."""
    part = places[:1]
    separator = None
    for before, place in pairwise(places):
        between = text[before + 1 : place]
        if separator not in (None, between):
            yield part
            part, separator = [place], None
            continue
        part.append(place)
        separator = between
    yield part


def _cut(text: str, words: Collection[str]) -> list[int]:
    """Where to cut a text into the fewest words; empty if it cannot be. Longest first at a tie."""
    best: list[list[int] | None] = [[0]] + [None] * len(text)
    for end in range(1, len(text) + 1):
        for start in range(max(0, end - MAX_WORD), end):
            before = best[start]
            shorter = before and (best[end] is None or len(before) + 1 < len(best[end] or ()))
            if before and shorter and text[start:end] in words:
                best[end] = [*before, end]
    return best[-1] or []


def _typos(words: Collection[str], known: Collection[str]) -> dict[str, str]:
    """Misspellings that can mean one word only: two inner letters swapped, or one left out."""
    typos: dict[str, str] = {}
    for word in sorted(words):
        if not (word.isascii() and word.isalpha()):
            continue
        swapped = (_swap(word, i) for i in range(1, len(word) - 1) if len(word) >= MIN_TYPO - 1)
        lacking = (
            word[:i] + word[i + 1 :] for i in range(1, len(word) - 1) if len(word) >= MIN_TYPO
        )
        for typo in (*swapped, *lacking):
            if typo not in known:
                typos.setdefault(typo, word)
    return typos


def _swap(word: str, i: int) -> str:
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _decoded(word: str) -> Iterator[str]:
    """The word itself, then with its digits and signs read as letters."""
    yield word
    places = [i for i, c in enumerate(word) if c in _LEET]
    if not places or len(word) > MAX_WORD or not any(map(str.isalpha, word)):
        return
    twofold = [i for i in places if len(_LEET[word[i]]) > 1]
    options = [_LEET.get(c, c) for c in word]
    if len(twofold) > _MAX_CHOICES:
        options = [option[0] for option in options]
    yield from map("".join, product(*options))


def _squeezed(form: Reading) -> Iterator[Reading]:
    """Repeated letters as one and as two."""
    runs = [(letter, len(list(run))) for letter, run in groupby(form.text)]
    long = [i for i, (letter, length) in enumerate(runs) if length > 1 and letter.isalpha()]
    if not long or len(runs) > MAX_WORD:
        return
    choices = product((2, 1), repeat=len(long)) if len(long) <= _MAX_CHOICES else [(1,) * len(long)]
    for lengths in choices:
        kept = [length for _, length in runs]
        for i, length in zip(long, lengths, strict=True):
            kept[i] = length
        if kept != [length for _, length in runs]:
            yield _shortened(form, runs, kept)


def _shortened(form: Reading, runs: list[tuple[str, int]], kept: list[int]) -> Reading:
    spans: list[tuple[int, int]] = []
    at = 0
    for (_, length), count in zip(runs, kept, strict=True):
        spans += form.spans[at : at + count - 1]
        spans.append((form.spans[at + count - 1][0], form.spans[at + length - 1][1]))
        at += length
    text = "".join(letter * count for (letter, _), count in zip(runs, kept, strict=True))
    return Reading(text, tuple(spans), "repeated")


def _is_mask(character: str) -> bool:
    """Whether a sign may cover or part letters; an apostrophe has a meaning of its own."""
    return not character.isalnum() and character != "'"


def _shape(word: str) -> tuple[int, str]:
    return len(word), word[:1]


def _is_edge(character: str, signs: str) -> bool:
    """Whether a character at the end of a chunk is punctuation and no part of the word."""
    return not (character.isalnum() or character in signs)


def _is_far_edge(character: str, signs: str) -> bool:
    """The same, where a word may end in letters drawn as signs, or covered ones."""
    return _is_edge(character, signs + "*#-") and not look_alike(character)


def _trimmed(chunk: str, edge: Callable[[str, str], bool]) -> Reading:
    """A chunk without the punctuation around it."""
    start, end = 0, len(chunk)
    while start < end and edge(chunk[start], _FIRST):
        start += 1
    while start < end and edge(chunk[end - 1], _LAST):
        end -= 1
    return Reading(chunk[start:end], tuple((i, i + 1) for i in range(start, end)))


def _without_han(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretches between ideographs: "你个s.b" holds "s.b"."""
    chunk = text[start:end]
    if chunk.isascii():
        yield start, end
        return
    for han, places in groupby(range(start, end), key=lambda i: is_han(text[i])):
        if not han:
            stretch = list(places)
            yield stretch[0], stretch[-1] + 1


def _piece(view: View, start: int, end: int, reading: Reading) -> Piece:
    """A reading of `view.text[start:end]`, its offsets taken back to the original."""
    original = [
        view.span(start + a, start + b) if a < b else (view.ends[start + a - 1],) * 2
        for a, b in reading.spans
    ]
    starts, ends = zip(*original, strict=True)
    first, last = start + reading.spans[0][0], start + reading.spans[-1][1]
    return Piece(first, min(last, end), reading.text, starts, ends, reading.rule)
