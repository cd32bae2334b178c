"""What was found, in the words of our taxonomy, and how much of one list is in another."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

__all__ = ["Finding", "Recall", "recall"]

WITHIN_S: Final = 1.0
"""Seconds that two sightings of one thing may lie apart: one sample."""

SIMILAR: Final = 0.8
"""Share of characters from which two readings are of one line."""


LEAST_PART: Final = 4
"""Letters of a line that may be a part of one of ours: shorter ones are in many words."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something seen, read or heard.

    detector  whose work it is: objects, nudity, faces, screen_text or speech
    label     a path of the taxonomy
    """

    detector: str
    label: str
    start_s: float
    end_s: float
    text: str = ""
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Recall:
    """How many of the findings of one kind were found again, and which were not."""

    detector: str
    total: int
    missed: tuple[Finding, ...]

    @property
    def found(self) -> int:
        return self.total - len(self.missed)


def recall(wanted: Sequence[Finding], ours: Iterable[Finding]) -> list[Recall]:
    """How much of `wanted` we found too, not further away than one sample.

    Of things that are seen in one frame, as many of one label must be in one frame of ours; a line
    of text must read alike; of speech only the time is compared.
    """
    pool = defaultdict[tuple[str, str], list[Finding]](list)
    for each in ours:
        pool[each.detector, each.label].append(each)
    missed = [each for group in _together(wanted) for each in _missed(group, pool)]
    totals = Counter(each.detector for each in wanted)
    return [
        Recall(name, total, tuple(each for each in missed if each.detector == name))
        for name, total in sorted(totals.items())
    ]


def _together(findings: Iterable[Finding]) -> Iterable[list[Finding]]:
    """Findings of one label in one frame."""
    groups = defaultdict[tuple[str, str, float], list[Finding]](list)
    for each in findings:
        groups[each.detector, each.label, each.start_s].append(each)
    return groups.values()


def _missed(group: list[Finding], pool: dict[tuple[str, str], list[Finding]]) -> list[Finding]:
    first = group[0]
    near = [each for each in pool.get((first.detector, first.label), ()) if _near(first, each)]
    if first.detector == "speech":
        return [] if near else group
    if first.text:
        texts = {_letters(each.text) for each in near}
        return [each for each in group if not _is_among(_letters(each.text), texts)]
    return group[_most_at_once(near) :]


def _near(one: Finding, other: Finding) -> bool:
    return other.start_s - WITHIN_S <= one.end_s and one.start_s <= other.end_s + WITHIN_S


def _most_at_once(near: Iterable[Finding]) -> int:
    """Sightings in the fullest frame, and whatever was followed through several."""
    instants = Counter(each.start_s for each in near if each.start_s == each.end_s)
    followed = sum(each.start_s < each.end_s for each in near)
    return max(instants.values(), default=0) + followed


def _letters(text: str) -> str:
    """Spaces and punctuation are read differently by everybody."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def _is_among(line: str, texts: Iterable[str]) -> bool:
    return any(_reads_alike(line, each) for each in texts)


def _reads_alike(line: str, ours: str) -> bool:
    """Neighbouring lines are one line to one reader and two to another: a part counts as well."""
    both = SequenceMatcher(None, line, ours, autojunk=False)
    if both.ratio() >= SIMILAR:
        return True
    return len(line) >= LEAST_PART and both.find_longest_match().size >= SIMILAR * len(line)
