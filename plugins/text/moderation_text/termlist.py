"""Reads one `.terms` file: terms, word classes, patterns and allowed phrases of a language.

    language: en                                   two letters, or `any`

    [terms Language/Profanity severity=2]          optional: strength=0.6
    bloody hell: bloody 'ell, -bloodyhell          canonical form: variants; `-` begins or ends a
    rotter, scallywag                              part of a word; without a colon, each its own
    [class animal]
    dog, dogs, {bird}                              words and phrases; `{bird}` takes in a class

    [patterns Violence/Threat severity=3]
    (i will|i'll) ~2 kick your {animal}?           a phrase, alternatives, a class, `?` optional,
                                                   up to 2 words between (`~2.`: across a sentence)
    [allow]
    kick ~1 (ball|habit)                           in these, nothing is a hit

    [ordinary]
    kickoff kicker                                 words that are just what they look like

A `#` at the start of a line makes it a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from moderation.errors import ConfigurationError

__all__ = ["LABELS", "STRENGTH", "ClassRef", "PatternSource", "Step", "Term", "TermList", "parse"]

LABELS = (
    "Language/Profanity",
    "Hate/Hate speech",
    "Hate/Slur",
    "Violence/Threat",
    "Harassment/Insult",
    "Sexual/Sexual language",
    "Illegal goods/Drugs",
    "Illegal goods/Weapons",
    "Scam/Lure",
    "Self-harm/Text",
)
"""What a list may call its terms: paths of the taxonomy."""

STRENGTH = {1: 0.4, 2: 0.7, 3: 0.9}
"""Score of an exact match by severity, where the list says no other."""

MAX_GAP = 12
"""Words that a pattern may skip at one place: beyond that, two words no longer belong together."""

ClassRef = str | tuple[str, ...]
"""A named class, or the alternatives themselves."""

_SECTION = re.compile(r"\[(?P<kind>[a-z]+)(?: (?P<rest>[^\]]*))?\]")
_RATED = re.compile(
    r"(?P<label>[^=]+) severity=(?P<severity>[123])(?: strength=(?P<strength>[\d.]+))?"
)
_CLASS_NAME = re.compile(r"[a-z][a-z_]*")
_PATTERN_TOKEN = re.compile(
    r"~(?P<gap>\d+)(?P<cross>\.?)"
    r"|\{(?P<name>[a-z_]+)\}(?P<maybe_name>\??)"
    r"|\((?P<options>[^()?]+)\)(?P<maybe_options>\??)"
    r"|(?P<word>[^\s~{}()?]+)"
)


@dataclass(frozen=True, slots=True)
class Term:
    """What is looked for: a listed word or phrase, or a pattern."""

    text: str
    label: str
    severity: int
    strength: float
    language: str
    list: str


@dataclass(frozen=True, slots=True)
class Step:
    """One place of a pattern: a word of a class, at most `gap` words after the last one."""

    words: ClassRef
    gap: int = 0
    cross: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class PatternSource:
    """A pattern as written; `term` is None for an allowed phrase."""

    term: Term | None
    steps: tuple[Step, ...]
    line: int


@dataclass(slots=True)
class TermList:
    """The content of one file; every entry knows its line."""

    path: Path
    language: str = ""
    terms: list[tuple[Term, tuple[str, ...]]] = field(default_factory=list)
    classes: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    patterns: list[PatternSource] = field(default_factory=list)
    ordinary: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.path.stem

    def error(self, line: int, message: str, hint: str = "") -> ConfigurationError:
        """An error that names the file and the line."""
        return ConfigurationError(f"{self.path}:{line}: {message}", hint=hint)


def parse(path: Path, text: str) -> TermList:
    """Read the text of one list. Raises `ConfigurationError` with file and line."""
    parsed = TermList(path)
    reader: Callable[[str, int], None] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            reader = _section(parsed, line, number)
        elif reader is not None:
            reader(line, number)
        else:
            _header(parsed, line, number)
    return parsed


def _header(parsed: TermList, line: str, number: int) -> None:
    key, _, value = (part.strip() for part in line.partition(":"))
    if key != "language" or not re.fullmatch("[a-z]{2,3}", value):
        hint = "begin the file with a line such as `language: en`"
        raise parsed.error(number, f"{line!r} stands before any section", hint)
    parsed.language = value


def _section(parsed: TermList, line: str, number: int) -> Callable[[str, int], None]:
    if not parsed.language:
        raise parsed.error(
            number, "no language", "begin the file with a line such as `language: en`"
        )
    match = _SECTION.fullmatch(line)
    kind, rest = (match["kind"], match["rest"] or "") if match else ("", "")
    if kind in ("terms", "patterns"):
        rating = _rating(parsed, rest, number)
        read = _read_term if kind == "terms" else _read_pattern
        return lambda text, at: read(parsed, rating, text, at)
    if kind == "class" and _CLASS_NAME.fullmatch(rest):
        words = parsed.classes.setdefault(rest, [])
        return lambda text, at: words.extend((word, at) for word in _split(text))
    if kind == "allow" and not rest:
        return lambda text, at: _read_pattern(parsed, None, text, at)
    if kind == "ordinary" and not rest:
        return lambda text, _: parsed.ordinary.update(text.split())
    hint = (
        "[terms LABEL severity=N], [patterns LABEL severity=N], [class NAME], [allow], [ordinary]"
    )
    raise parsed.error(number, f"{line} is no section", f"sections are {hint}")


def _rating(parsed: TermList, text: str, number: int) -> Term:
    match = _RATED.fullmatch(text)
    if not match:
        raise parsed.error(number, f"{text!r} is no label with a severity", "LABEL severity=1..3")
    if match["label"] not in LABELS:
        hint = f"labels are {', '.join(LABELS)}"
        raise parsed.error(number, f"{match['label']!r} is no label of the term lists", hint)
    severity = int(match["severity"])
    strength = _strength(parsed, match["strength"], number) or STRENGTH[severity]
    return Term("", match["label"], severity, strength, parsed.language, parsed.name)


def _strength(parsed: TermList, text: str | None, number: int) -> float:
    if text is None:
        return 0.0
    if not re.fullmatch(r"0?\.\d+|1(?:\.0)?", text) or float(text) == 0:
        raise parsed.error(number, f"strength={text} does not lie between 0 and 1")
    return float(text)


def _read_term(parsed: TermList, rating: Term, line: str, number: int) -> None:
    canonical, colon, variants = line.partition(":")
    terms = [(canonical, *_split(variants))] if colon else [(term,) for term in line.split(",")]
    for forms in terms:
        if not all(form.strip("- ") for form in forms):
            raise parsed.error(number, f"{line!r} has an empty term", "TERM: VARIANT, VARIANT")
        parsed.terms.append((_rated(rating, forms[0].strip(" -")), tuple(map(str.strip, forms))))


def _read_pattern(parsed: TermList, rating: Term | None, line: str, number: int) -> None:
    steps = tuple(_steps(parsed, line, number))
    if not steps or all(step.optional for step in steps):
        raise parsed.error(number, f"{line!r} matches nothing in particular", "name a word")
    parsed.patterns.append(PatternSource(rating and _rated(rating, line), steps, number))


def _steps(parsed: TermList, line: str, number: int) -> Iterator[Step]:
    gap, cross = 0, False
    phrase: list[str] = []
    for match in _tokens(parsed, line, number):
        if match["word"]:
            phrase.append(match["word"])
            continue
        if phrase:
            yield Step((" ".join(phrase),), gap, cross)
            gap, cross, phrase = 0, False, []
        if match["gap"]:
            gap, cross = int(match["gap"]), bool(match["cross"])
            continue
        words = match["name"] or tuple(_split(match["options"], "|"))
        yield Step(words, gap, cross, bool(match["maybe_name"] or match["maybe_options"]))
        gap, cross = 0, False
    if phrase:
        yield Step((" ".join(phrase),), gap, cross)
    elif gap:
        raise parsed.error(number, f"~{gap} has nothing after it")


def _tokens(parsed: TermList, line: str, number: int) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(line):
        match = _PATTERN_TOKEN.match(line, at)
        if not match:
            raise parsed.error(number, f"{line[at:]!r} is no part of a pattern", "see termlist.py")
        if int(match["gap"] or 0) > MAX_GAP:
            raise parsed.error(number, f"~{match['gap']} skips more than {MAX_GAP} words")
        yield match
        at = match.end()
        at += len(line[at:]) - len(line[at:].lstrip())


def _rated(rating: Term, text: str) -> Term:
    return Term(text, rating.label, rating.severity, rating.strength, rating.language, rating.list)


def _split(text: str, separator: str = ",") -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]
