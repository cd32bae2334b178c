"""Rules that fired: where, with which values against which thresholds, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moderation.policy import Policy
from moderation.reports.highlights import weightiest
from moderation.reports.page import Cut
from moderation.reports.wording import value, words
from moderation.rule import UNKNOWN_LABEL, Clause, Rule
from moderation.scan import Scan
from moderation.timeline import MICROSECONDS
from moderation.verdict import Reason

__all__ = ["Fired", "Measure", "Place", "fired"]

PLACES: Final = 8
"""Of one rule that are shown: more are in the timeline, and all in the JSON report."""

_AGAINST: Final = {
    "score": "min_score",
    "samples": "min_samples",
    "duration_s": "min_duration_s",
    "count": "min_count",
    "gap_s": "within_s",
}
"""What was measured, and the threshold that it was measured against."""


@dataclass(frozen=True, slots=True)
class Measure:
    """`threshold` is empty where the rule asks for nothing."""

    name: str
    value: str
    threshold: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule fired, and how clearly."""

    reason: Reason
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule: `conditions` are what the policy asks for, in words."""

    first: Reason
    description: str
    conditions: tuple[str, ...]
    places: Cut[Place]

    @property
    def rule(self) -> str:
        return self.first.rule


def fired(scan: Scan, policy: Policy) -> list[Fired]:
    """Each rule once, the weightiest first."""
    known = {rule.id: rule for rule in policy.rules}
    by_rule: dict[str, list[Reason]] = {}
    for reason in weightiest(scan):
        by_rule.setdefault(reason.rule, []).append(reason)
    return [_fired(reasons, known.get(name), policy) for name, reasons in by_rule.items()]


def _fired(reasons: Sequence[Reason], rule: Rule | None, policy: Policy) -> Fired:
    shown = [Place(each, tuple(_measures(each))) for each in reasons[:PLACES]]
    description = (rule.description if rule else "") or reasons[0].description
    conditions = tuple(_conditions(rule) if rule else _undecided(reasons[0], policy))
    return Fired(reasons[0], description, conditions, Cut(tuple(shown), len(reasons) - len(shown)))


def _measures(reason: Reason) -> Iterator[Measure]:
    values, asked = dict(reason.values), dict(reason.thresholds)
    parts, asked_parts = values.pop("all", ()), asked.pop("all", ())
    yield from _against(values, asked)
    for part, threshold in zip(_tables(parts), _tables(asked_parts), strict=False):
        for each in _against(part, threshold):
            yield Measure(f"{part.get('label', '')}: {each.name}", each.value, each.threshold)


def _tables(found: object) -> list[Mapping[str, Any]]:
    """What a verdict of another version keeps under a name may be anything."""
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _against(values: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[Measure]:
    left = {name: each for name, each in asked.items() if name != "label"}
    for name, each in values.items():
        if name in ("label", "start_s", "end_s"):
            continue
        threshold = left.pop(_AGAINST.get(name, ""), None)
        yield _measure(name, each, threshold)
    for name, each in left.items():
        yield _measure(name, None, each)


def _measure(name: str, measured: object, threshold: object) -> Measure:
    unit = " s" if name.endswith("_s") else ""
    written = ["" if each is None else f"{value(each)}{unit}" for each in (measured, threshold)]
    return Measure(words(name.removesuffix("_s")), *written)


def _conditions(rule: Rule) -> Iterator[str]:
    if rule.min_count:
        (clause,) = rule.clauses
        often = f"at {rule.min_count} instants or more within {_seconds(rule.within)}"
        yield f"{_what(clause)}, {often}"
        return
    if rule.all:
        yield f"All of these within {_seconds(rule.within)}:"
    elif len(rule.clauses) > 1:
        yield "Any of these:"
    yield from map(_clause, rule.clauses)


def _clause(clause: Clause) -> str:
    enough = []
    if clause.min_samples:
        enough.append(f"at {clause.min_samples} instants or more")
    if clause.min_duration:
        enough.append(f"for {_seconds(clause.min_duration)} or longer")
    return ", ".join([_what(clause), " or ".join(enough)] if enough else [_what(clause)])


def _what(clause: Clause) -> str:
    said = [f"{clause.label} with a score of {clause.min_score:.2f} or more"]
    if clause.except_:
        said.append(f"but for {_listed(clause.except_)}")
    if clause.detectors:
        said.append(f"seen by {_listed(clause.detectors)}")
    return ", ".join(said)


def _undecided(reason: Reason, policy: Policy) -> Iterator[str]:
    if reason.rule == UNKNOWN_LABEL:
        score = policy.unknown_labels.min_score
        yield f"A label that no rule decides, with a score of {score:.2f} or more"


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _seconds(us: int | None) -> str:
    return f"{(us or 0) / MICROSECONDS:g} s"
