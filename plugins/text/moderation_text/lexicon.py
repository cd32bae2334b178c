"""All lists together: what the matcher looks for, and what it must leave alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import product
from pathlib import Path

from moderation.errors import ConfigurationError
from moderation_text.normalise import fold
from moderation_text.termlist import ClassRef, PatternSource, Term, TermList, parse

__all__ = ["OWN_LISTS", "Lexicon", "Pattern", "Variant"]

OWN_LISTS = Path(__file__).parent / "lists"
"""The lists that come with this package."""

SUFFIX = ".terms"

_MASKABLE = ("Language/Profanity", "Hate/Slur", "Sexual/Sexual language", "Harassment/Insult")
"""Labels whose words people write with a letter covered: f*ck."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One spelling of a term, folded; `inner_*` says that the word may go on there."""

    text: str
    term: Term
    inner_start: bool
    inner_end: bool


@dataclass(frozen=True, slots=True)
class Pattern:
    """Word classes in a row; `term` is None for an allowed phrase."""

    term: Term | None
    steps: tuple[tuple[ClassRef, int, bool], ...]
    """(class, words that may stand before it, whether a sentence may end there)"""


class Lexicon:
    """The joined lists. Classes of one name are one class, whichever list they stand in."""

    def __init__(self, lists: Sequence[TermList]) -> None:
        self.lists = lists
        self._names = sorted({name for each in lists for name in each.classes})
        self.classes = {name: self._class(name) for name in self._names}
        self.variants = [v for each in lists for v in _variants(each)]
        self.patterns = [p for each in lists for p in self._patterns(each)]
        self.ordinary = frozenset(word for each in lists for word in each.ordinary)

    @classmethod
    def load(cls, languages: Iterable[str] = (), extra: Iterable[Path] = ()) -> Lexicon:
        """Our lists, and the operator's own from the folders `extra`.

        languages  two-letter codes to keep; none given keeps all. Lists for `any` are always in.

        Raises `ConfigurationError` naming the file and line that does not hold.
        """
        wanted = set(languages)
        paths = [path for folder in (OWN_LISTS, *extra) for path in _files(folder)]
        lists = [parse(path, _read(path)) for path in paths]
        known = {each.language for each in lists}
        if missing := wanted - known:
            hint = f"languages are {', '.join(sorted(known - {'any'}))}"
            raise ConfigurationError(f"no term list for {', '.join(sorted(missing))}", hint=hint)
        return cls([each for each in lists if not wanted or each.language in {*wanted, "any"}])

    def words_of(self, words: ClassRef) -> frozenset[str]:
        """The folded words and phrases of a class, or of the alternatives themselves."""
        if isinstance(words, str):
            return self.classes[words]
        return frozenset(fold(word).text for word in words)

    @cached_property
    def words(self) -> frozenset[str]:
        """Every single word of a term or of a pattern that can be a hit."""
        phrases = {variant.text for variant in self.variants}
        return _words(phrases) | self._pattern_words(allowed=False)

    @cached_property
    def allowed_words(self) -> frozenset[str]:
        """Every single word of an allowed phrase."""
        return self._pattern_words(allowed=True)

    @cached_property
    def maskable(self) -> frozenset[str]:
        """Single words that people write with a letter covered."""
        return frozenset(
            variant.text
            for variant in self.variants
            if variant.term.label in _MASKABLE and variant.text.isalpha()
        )

    def _pattern_words(self, *, allowed: bool) -> frozenset[str]:
        chosen = (p for p in self.patterns if (p.term is None) == allowed)
        return _words(set().union(*(self.words_of(s[0]) for p in chosen for s in p.steps)))

    def _class(self, name: str, outer: tuple[str, ...] = ()) -> frozenset[str]:
        words: set[str] = set()
        for each in self.lists:
            for word, line in each.classes.get(name, ()):
                if not word.startswith("{"):
                    words.add(fold(word).text)
                    continue
                inner = word.strip("{}")
                self._require(each, line, inner)
                if inner in (*outer, name):
                    raise each.error(line, f"the class {inner} contains itself")
                words |= self._class(inner, (*outer, name))
        return frozenset(words)

    def _require(self, where: TermList, line: int, name: str) -> None:
        if name not in self._names:
            close = get_close_matches(name, self._names, 1)
            known = ", ".join(self._names) or "none"
            hint = f"did you mean {{{close[0]}}}?" if close else f"classes are {known}"
            raise where.error(line, f"no class is called {name!r}", hint)

    def _patterns(self, each: TermList) -> Iterator[Pattern]:
        for source in each.patterns:
            for step in source.steps:
                if isinstance(step.words, str):
                    self._require(each, source.line, step.words)
            yield from _expanded(source)


def _expanded(source: PatternSource) -> Iterator[Pattern]:
    """The pattern once for each choice of its optional steps."""
    for chosen in product(*((True, False) if step.optional else (True,) for step in source.steps)):
        steps: list[tuple[ClassRef, int, bool]] = []
        gap, cross = 0, False
        for step, present in zip(source.steps, chosen, strict=True):
            gap, cross = gap + step.gap, cross or step.cross
            if present:
                steps.append((step.words, gap if steps else 0, cross and bool(steps)))
                gap, cross = 0, False
        yield Pattern(source.term, tuple(steps))


def _variants(each: TermList) -> Iterator[Variant]:
    for term, forms in each.terms:
        for form in forms:
            text = fold(form.strip("-")).text
            yield Variant(text, term, form.startswith("-"), form.endswith("-"))


def _words(phrases: Iterable[str]) -> frozenset[str]:
    return frozenset(word for phrase in phrases for word in phrase.split())


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        hint = f"give a folder with *{SUFFIX} files"
        raise ConfigurationError(f"{folder} is no folder of term lists", hint=hint)
    return sorted(folder.glob(f"*{SUFFIX}"))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "a term list is UTF-8 text"
        raise ConfigurationError(f"{path} cannot be read ({error})", hint=hint) from None
