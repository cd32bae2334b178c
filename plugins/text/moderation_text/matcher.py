"""Finds the terms of a lexicon in a text: Aho-Corasick over its readings, then patterns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod

import ahocorasick

from moderation_text.characters import is_word
from moderation_text.lexicon import Lexicon, Variant
from moderation_text.normalise import View, fold
from moderation_text.patterns import Atom, Atoms, Guard, PatternTrie, Tokens
from moderation_text.respell import CERTAINTY, Respeller
from moderation_text.termlist import ClassRef, Term

__all__ = ["Hit", "Matcher"]

FOLDED = 0.98
"""Certainty of a match in other characters than the list's: full width, accents."""

GUARDED = 0.5
"""What is left of a score where the term is negated or only reported: less than a review needs."""

_GUARD_CLASSES = ("negation", "rhetorical", "clause", "report", "mention")
_GUARDED_LABELS = ("Hate/", "Violence/", "Harassment/", "Self-harm/")


@dataclass(frozen=True, slots=True)
class Hit:
    """One term found.

    term   with its list, language, label and severity
    start  offsets in the original text, [start, end)
    text   the original text there
    rules  how it had to be read: `exact`, or some of `folded`, `leet`, `spaced`, `negated`, ...
    score  0..1: the term's strength times the certainty of the reading
    """

    term: Term
    start: int
    end: int
    text: str
    rules: tuple[str, ...]
    score: float


@dataclass(slots=True)
class _Entry:
    """What one string in the automaton stands for."""

    key: str
    variants: list[Variant] = field(default_factory=list)
    classes: list[ClassRef] = field(default_factory=list)


class Matcher:
    """Searches texts for the terms of a lexicon, in time linear in the text."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._respeller = Respeller(lexicon)
        self._automaton = _automaton(_entries(lexicon))
        self._allowed = PatternTrie(p for p in lexicon.patterns if p.term is None)
        self._patterns = PatternTrie(p for p in lexicon.patterns if p.term is not None)

    def find(self, text: str) -> list[Hit]:
        """Every term in the text, in its order. Of two hits of one label, one inside the other,
        the better one is kept."""
        folded = fold(text)
        hits = list(self._scan(text, folded))
        if respelled := self._respeller.view(folded):
            # A hit in no respelled word has been found before.
            hits += (hit for hit in self._scan(text, respelled) if CERTAINTY.keys() & hit.rules)
        return _without_inner(hits)

    def _scan(self, text: str, view: View) -> Iterator[Hit]:
        tokens = Tokens(view.text)
        found = list(self._found(view.text, tokens))
        allowed = _Spans(
            (match.atoms[0].start, match.atoms[-1].end)
            for match in self._allowed.matches(Atoms((a, e.classes) for a, e in found))
        )
        found = [(atom, entry) for atom, entry in found if not allowed.hold(atom)]
        atoms = Atoms((atom, entry.classes) for atom, entry in found)
        guard = Guard(tokens, atoms)
        for atom, entry in found:
            for variant in entry.variants:
                if _bounded(view.text, atom, variant.inner_start, variant.inner_end):
                    yield _hit(text, view, variant.term, (atom,), guard)
        for match in self._patterns.matches(atoms):
            if match.pattern.term:
                yield _hit(text, view, match.pattern.term, match.atoms, guard)

    def _found(self, text: str, tokens: Tokens) -> Iterator[tuple[Atom, _Entry]]:
        for last, entry in self._automaton.iter(text):
            start, end = last + 1 - len(entry.key), last + 1
            whole = _whole(text, start, end)
            if whole or any(v.inner_start or v.inner_end for v in entry.variants):
                atom = tokens.atom(start, end, entry.key)
                yield atom, entry if whole else _Entry(entry.key, entry.variants)


class _Spans:
    """Stretches of text, asked whether a word is part of one, and not all of it."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        for start, end in sorted(spans):
            if not self.ends or end > self.ends[-1]:
                self.starts.append(start)
                self.ends.append(end)

    def hold(self, atom: Atom) -> bool:
        index = bisect_right(self.starts, atom.start) - 1
        if index < 0 or atom.end > self.ends[index]:
            return False
        return (atom.start, atom.end) != (self.starts[index], self.ends[index])


def _entries(lexicon: Lexicon) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}

    def entry(key: str) -> _Entry:
        return entries.setdefault(key, _Entry(key))

    for variant in lexicon.variants:
        entry(variant.text).variants.append(variant)
    used = {words for pattern in lexicon.patterns for words, _, _ in pattern.steps}
    used.update(name for name in _GUARD_CLASSES if name in lexicon.classes)
    for words in sorted(used, key=str):
        for key in lexicon.words_of(words):
            entry(key).classes.append(words)
    return entries


def _automaton(entries: dict[str, _Entry]) -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for key, entry in entries.items():
        automaton.add_word(key, entry)
    automaton.make_automaton()
    return automaton


def _hit(text: str, view: View, term: Term, atoms: Sequence[Atom], guard: Guard) -> Hit:
    first, last = atoms[0].start, atoms[-1].end
    start, end = view.span(first, last)
    rules = list(view.rules(first, last))
    certainty = prod(CERTAINTY[rule] for rule in rules)
    if not rules and " ".join(text[start:end].casefold().split()) != view.text[first:last]:
        rules.append("folded")
        certainty = FOLDED
    if term.label.startswith(_GUARDED_LABELS) and (guarded := guard.rule(atoms)):
        rules.append(guarded)
        certainty *= GUARDED
    score = round(term.strength * certainty, 4)
    return Hit(term, start, end, text[start:end], tuple(rules) or ("exact",), score)


def _whole(text: str, start: int, end: int) -> bool:
    """Whether a match begins and ends where words do; ideographs always do."""
    return _bounded_start(text, start) and _bounded_end(text, end)


def _bounded(text: str, atom: Atom, inner_start: bool, inner_end: bool) -> bool:
    return (inner_start or _bounded_start(text, atom.start)) and (
        inner_end or _bounded_end(text, atom.end)
    )


def _bounded_start(text: str, start: int) -> bool:
    return start == 0 or not (is_word(text[start]) and is_word(text[start - 1]))


def _bounded_end(text: str, end: int) -> bool:
    return end == len(text) or not (is_word(text[end - 1]) and is_word(text[end]))


def _without_inner(hits: Iterable[Hit]) -> list[Hit]:
    kept: list[Hit] = []
    open_hits: dict[str, list[Hit]] = {}
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end, -hit.score)):
        label = hit.term.label
        outer = [other for other in open_hits.get(label, ()) if other.end > hit.start]
        if not any(hit.end <= other.end and hit.score <= other.score for other in outer):
            outer.append(hit)
            kept.append(hit)
        open_hits[label] = outer
    return kept
