"""Patterns of several words, matched over the words that Aho-Corasick found."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from moderation_text.lexicon import Pattern
from moderation_text.termlist import ClassRef

__all__ = ["Atom", "Atoms", "Guard", "Match", "PatternTrie", "Tokens"]

NEGATION_REACH = 4
"""Words between "not" and what it denies."""

REPORT_REACH = 6
"""Words between "calling", "saying that" and what is reported."""

FRAME = 4
"""Words around a quotation that make it one, and not a title or a nickname in quotation marks."""

# A word, one ideograph, or one sign that is no punctuation (an emoji).
_TOKEN = re.compile(
    r"[\u3007\u3400-\u4dbf\u4e00-\u9fff]"
    r"|[^\W_\u3007\u3400-\u4dbf\u4e00-\u9fff]+(?:'[^\W_\u3007\u3400-\u4dbf\u4e00-\u9fff]+)*"
    r"|[^\w\s!-/:-@\[-`{-~…、，。！？；：]"
)
_SENTENCE_END = re.compile(r"[.!?]+(?: [.!?]+)*(?=[\s\"')]|$)|[。！？…]")
_QUOTED = re.compile(r"\"[^\"]{3,400}\"")


class Tokens:
    """Where the words and the sentences of a text begin."""

    def __init__(self, text: str) -> None:
        self.starts = [match.start() for match in _TOKEN.finditer(text)]
        self.sentence_ends = [match.start() for match in _SENTENCE_END.finditer(text)]
        self.questions = {i for i, end in enumerate(self.sentence_ends) if text[end] in "?？"}
        self.quotes = [match.span() for match in _QUOTED.finditer(text)]

    def atom(self, start: int, end: int, key: str) -> Atom:
        """The stretch of text that `key` was found at, in words."""
        first = bisect_right(self.starts, start) - 1
        sentence = bisect_left(self.sentence_ends, start)
        return Atom(start, end, key, first, bisect_left(self.starts, end), sentence)

    def quote(self, start: int) -> tuple[int, int] | None:
        """The quotation that the character at `start` stands in."""
        index = bisect_right(self.quotes, (start, len(self.quotes) + start)) - 1
        inside = index >= 0 and start < self.quotes[index][1]
        return self.quotes[index] if inside else None


@dataclass(frozen=True, slots=True)
class Atom:
    """A listed word or phrase at one place: characters [start, end), words [first, last)."""

    start: int
    end: int
    key: str
    first: int
    last: int
    sentence: int


@dataclass(frozen=True, slots=True)
class Match:
    """A pattern and the words it matched, in order."""

    pattern: Pattern
    atoms: tuple[Atom, ...]


class Atoms:
    """The found words by class, in the order of the text."""

    def __init__(self, found: Iterable[tuple[Atom, Sequence[ClassRef]]]) -> None:
        self._by_class: dict[ClassRef, list[Atom]] = {}
        for atom, classes in found:
            for name in classes:
                self._by_class.setdefault(name, []).append(atom)
        for atoms in self._by_class.values():
            atoms.sort(key=_position)

    def of(self, words: ClassRef) -> Sequence[Atom]:
        return self._by_class.get(words, ())

    def between(self, words: ClassRef, first: int, last: int) -> Iterator[Atom]:
        """Words of a class that begin at word `first` or later and before word `last`."""
        atoms = self._by_class.get(words, ())
        for index in range(bisect_left(atoms, first, key=_position), len(atoms)):
            if atoms[index].first >= last:
                return
            yield atoms[index]


def _position(atom: Atom) -> int:
    return atom.first


@dataclass(slots=True)
class _Node:
    edges: dict[tuple[ClassRef, int, bool], _Node] = field(default_factory=dict)
    patterns: list[Pattern] = field(default_factory=list)


class PatternTrie:
    """Patterns that begin alike are walked together."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self.root = _Node()
        for pattern in patterns:
            node = self.root
            for edge in pattern.steps:
                node = node.edges.setdefault(edge, _Node())
            node.patterns.append(pattern)

    def matches(self, atoms: Atoms) -> Iterator[Match]:
        """The shortest match of each pattern that ends at each place."""
        for (words, _, _), node in self.root.edges.items():
            seen: set[tuple[int, int]] = set()
            # From the end, so that the first match to reach a place is the shortest one: what
            # begins earlier and meets a place again is not followed, and time stays linear.
            for atom in reversed(atoms.of(words)):
                yield from self._walk(node, (atom,), atoms, seen)

    def _walk(
        self, node: _Node, path: tuple[Atom, ...], atoms: Atoms, seen: set[tuple[int, int]]
    ) -> Iterator[Match]:
        here = path[-1]
        if (id(node), here.end) in seen:
            return
        seen.add((id(node), here.end))
        for pattern in node.patterns:
            yield Match(pattern, path)
        for (words, gap, cross), child in node.edges.items():
            for atom in atoms.between(words, here.last, here.last + gap + 1):
                if atom.sentence == here.sentence or (cross and atom.sentence == here.sentence + 1):
                    yield from self._walk(child, (*path, atom), atoms, seen)


class Guard:
    """Says whether what was matched is denied, or only reported to be said by others.

    Reads the classes `negation`, `rhetorical` (negations that deny nothing: "why don't we"),
    `clause` (words that end the reach of a negation: "but"), `report` ("saying that") and
    `mention` ("the word").
    """

    def __init__(self, tokens: Tokens, atoms: Atoms) -> None:
        self.tokens = tokens
        self.atoms = atoms

    def rule(self, matched: Sequence[Atom]) -> str:
        """`negated`, `reported` or nothing. A single word is not denied, and is reported only
        where it is spoken of as a word: a slur told is still heard."""
        if len(matched) == 1:
            return "reported" if self._reported(matched, "mention") else ""
        if self._negated(matched):
            return "negated"
        return "reported" if self._reported(matched, "report") else ""

    def _negated(self, matched: Sequence[Atom]) -> bool:
        first, last = matched[0], matched[-1]
        return any(
            not self._harmless(atom, matched)
            for atom in self.atoms.between("negation", first.first - NEGATION_REACH, last.last)
        )

    def _harmless(self, negation: Atom, matched: Sequence[Atom]) -> bool:
        near = self.atoms.between("rhetorical", negation.first - NEGATION_REACH, negation.last)
        return (
            negation.sentence != matched[-1].sentence
            or negation.sentence in self.tokens.questions  # "Isn't it clear that ...?"
            or any(_overlap(negation, atom) for atom in matched)
            or any(_overlap(negation, atom) for atom in near)
            or any(self.atoms.between("clause", negation.last, matched[-1].first))
        )

    def _reported(self, matched: Sequence[Atom], words: str) -> bool:
        first, last = matched[0], matched[-1]
        for report in self.atoms.between(words, first.first - REPORT_REACH, last.last):
            apart = not any(_overlap(report, atom) for atom in matched)
            if apart and report.first <= last.first and report.sentence == first.sentence:
                return True
        quote = self.tokens.quote(first.start)
        if quote is None:
            return False
        apart = any(not quote[0] <= r.start < quote[1] for r in self.atoms.of("report"))
        return apart or (len(matched) > 1 and self._framed(quote))

    def _framed(self, quote: tuple[int, int]) -> bool:
        """Whether a quotation is spoken of: enough words stand around it."""
        starts = self.tokens.starts
        inside = bisect_left(starts, quote[1]) - bisect_left(starts, quote[0])
        return len(starts) - inside >= FRAME


def _overlap(one: Atom, other: Atom) -> bool:
    return one.start < other.end and other.start < one.end
