"""Which rules and detectors a decision speaks against, by the segments that it is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from moderation.decision import Judgement, Outcome

__all__ = ["blame"]

Values = Mapping[str, Any]
"""As the store keeps it: thousands are read at a time, and no objects made of them."""

_OF_ALL: Final = {Outcome.UPHOLD: 0.0, Outcome.OVERTURN: 1.0}
"""What an outcome says of every segment that is not named."""


def blame(
    outcome: Outcome, said: Sequence[Values], verdict: Values
) -> tuple[dict[str, float], dict[str, float]]:
    """For each rule that fired, and each detector on whose evidence, the share that was wrong.

    said     of single segments
    verdict  its reasons and segments

    0 where all of its segments are right, 1 where none is. What is said of a segment itself goes
    before what is said of the whole; one that is rejected, or corrected to another label, is wrong.
    Of a segment that a `partial` decision does not name nothing is known, and a rule or detector
    of which nothing is known is not there.
    """
    segments, wrong_else = verdict["segments"], _OF_ALL.get(outcome)
    judged = _judgements(segments, said) if said else {}
    if not judged and wrong_else is None:
        return {}, {}
    rules = _by_rule(segments, verdict["reasons"])
    detectors: defaultdict[str, set[int]] = defaultdict(set)
    for i in set(judged).union(*rules.values()):
        for name in segments[i]["detectors"]:
            detectors[name].add(i)
    if not judged and wrong_else is not None:
        return dict.fromkeys(rules, wrong_else), dict.fromkeys(detectors, wrong_else)
    return _shares(rules, judged, wrong_else), _shares(detectors, judged, wrong_else)


def _judgements(segments: Sequence[Values], said: Sequence[Values]) -> dict[int, float]:
    """By the number of the segment; whoever names no subject means all that are alike."""
    known = {_place(each): float(each["judgement"] != Judgement.CONFIRM) for each in said}
    places = [_place(each) for each in segments]
    found = {i: known.get(place, known.get((*place[:3], None))) for i, place in enumerate(places)}
    return {i: wrong for i, wrong in found.items() if wrong is not None}


def _place(values: Values) -> tuple[Any, ...]:
    """A verdict has a span as two numbers, a decision by name."""
    span = values["span"]
    start, end = (span["start"]["us"], span["end"]["us"]) if isinstance(span, Mapping) else span
    return values["label"], start, end, values["subject"]


def _by_rule(segments: Sequence[Values], reasons: Sequence[Values]) -> dict[str, set[int]]:
    """The numbers of the segments on which each rule fired."""
    by_evidence, by_label = dict[str, int](), defaultdict[str, list[int]](list)
    for i, each in enumerate(segments):
        by_label[each["label"]].append(i)
        for id in each["evidence_ids"]:
            by_evidence[id] = i
    fired: defaultdict[str, set[int]] = defaultdict(set)
    for reason in reasons:
        found, (start, end) = fired[reason["rule"]], reason["span"]
        found.update(by_evidence[id] for id in reason["evidence_ids"] if id in by_evidence)
        # A reason names the surest pieces alone: segments of the others lie within its span.
        for i in by_label.get(reason["label"], ()):
            first, last = segments[i]["span"]
            if first <= end and start <= last:
                found.add(i)
    return fired


def _shares(
    groups: Mapping[str, Iterable[int]], judged: Mapping[int, float], wrong_else: float | None
) -> dict[str, float]:
    shares = {}
    for name, members in groups.items():
        known = [each for i in members if (each := judged.get(i, wrong_else)) is not None]
        if known:
            shares[name] = sum(known) / len(known)
    return shares
