"""From what was seen to what is to be done: `fuse`, a pure function.

No clock, no I/O, and no memory of other videos: the same evidence and coverage, in whatever
order, under the same policy give the same verdict, byte for byte.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from moderation.evidence import Evidence
from moderation.matching import Match, matches
from moderation.policy import Policy, Requirement
from moderation.rule import UNKNOWN_LABEL, Clause, Rule
from moderation.runs import Piece, merge, pieces_of, segments
from moderation.taxonomy import CONTEXT, Taxonomy, is_within, parents
from moderation.timeline import Instant, Span
from moderation.verdict import (
    Action,
    Coverage,
    CoverageStatus,
    Reason,
    Segment,
    Severity,
    Verdict,
)

_Groups: TypeAlias = dict[tuple[str, str | None], list[Piece]]
"""Pieces of one label and subject, in the order of time."""

_Address: TypeAlias = tuple[int, int]
"""A clause: the index of its rule, and its own in that rule."""

_FOREVER = 1 << 62
"""A gap in microseconds that no video has."""

__all__ = ["MAX_REASONS", "MAX_REASON_EVIDENCE", "fuse"]

MAX_REASONS = 20
"""Reasons that one rule gives for one video, the surest; `occurrences` counts all of them."""

MAX_REASON_EVIDENCE = 50
"""Evidence ids that one reason names, the surest; its value `evidence` counts all of them."""

_UNSEEN = Severity.MEDIUM
"""Severity of a video that was not seen whole: nobody knows what is in it."""

_FOREIGN = Severity.HIGH
"""Severity of a label in a family that the taxonomy does not know."""


def fuse(
    evidence: Iterable[Evidence],
    coverage: Iterable[Coverage],
    policy: Policy,
    taxonomy: Taxonomy | None = None,
) -> Verdict:
    """What `policy` says of a video in which `evidence` was seen by detectors that did `coverage`.

    The strongest wins: reject, then review, then incomplete, then approve. What a rule found is
    worth a person's look however little was seen, and `missing` names the rest in any case.
    """
    return _judge(policy, taxonomy or Taxonomy.default()).verdict(evidence, coverage)


@lru_cache(maxsize=32)
def _judge(policy: Policy, taxonomy: Taxonomy) -> _Judge:
    return _Judge(policy, taxonomy)


class _Judge:
    """A policy, compiled: which of its clauses each label of the taxonomy concerns."""

    def __init__(self, policy: Policy, taxonomy: Taxonomy) -> None:
        self._policy, self._taxonomy = policy, taxonomy
        self._max_gap = policy.segments.max_gap
        self._concerned = {label.path: self._clauses_on(label.path) for label in taxonomy}
        self._severities = {label.path: label.severity for label in taxonomy}
        self._undecided = {label.path: self._is_undecided(label.path) for label in taxonomy}
        # Most evidence is context, of which no rule makes anything.
        self._decides = {
            path: bool(clauses) or self._undecided[path]
            for path, clauses in self._concerned.items()
        }

    def verdict(self, evidence: Iterable[Evidence], coverage: Iterable[Coverage]) -> Verdict:
        pieces = pieces_of(evidence)
        reasons = sorted(self._reasons(pieces), key=_by_harm)
        missing = tuple(_missing(self._policy, coverage))
        action = _strongest(reasons, missing)
        severities = [_UNSEEN] if action is Action.INCOMPLETE else [Severity.NONE]
        severities += [reason.severity for reason in reasons]
        return Verdict(
            action=action,
            severity=max(severities, key=_rank),
            reasons=tuple(reasons),
            segments=tuple(self._segments(pieces)),
            missing=missing,
            policy=self._policy.ref,
        )

    def _segments(self, pieces: Iterable[Piece]) -> list[Segment]:
        """All evidence, for people to look at: different texts stay apart."""
        groups: dict[tuple[str, str | None, str], list[Piece]] = defaultdict(list)
        for piece in pieces:
            seen = piece.evidence
            text = " ".join(seen.text.split()).casefold() if seen.text else ""
            groups[seen.label, seen.subject, text].append(piece)
        return segments(groups.values(), self._max_gap)

    def _reasons(self, pieces: Iterable[Piece]) -> Iterator[Reason]:
        groups: _Groups = defaultdict(list)
        decides = self._decides.get
        for piece in [each for each in pieces if decides(each.evidence.label, True)]:
            groups[piece.evidence.label, piece.evidence.subject].append(piece)
        found = self._found(groups)
        for index in sorted({rule for rule, _ in found}):
            rule = self._policy.rules[index]
            counted = [found.get((index, number), []) for number in range(len(rule.clauses))]
            yield from self._reasons_of(rule, matches(rule, counted, self._max_gap))
        yield from self._unknown(groups)

    def _found(self, groups: _Groups) -> dict[_Address, list[list[Piece]]]:
        """For each clause, by its address, the groups of pieces that it may count."""
        found: dict[_Address, list[list[Piece]]] = defaultdict(list)
        for (label, _), pieces in groups.items():
            concerned = self._concerned.get(label)
            for address, clause in self._clauses_on(label) if concerned is None else concerned:
                counted = [piece for piece in pieces if _counts(clause, piece)]
                if counted:
                    found[address].append(counted)
        return found

    def _reasons_of(self, rule: Rule, found: Iterable[Match]) -> Iterator[Reason]:
        ranked = sorted(found, key=_by_score)
        for match in ranked[:MAX_REASONS]:
            yield self._reason(match, rule, rule.description, occurrences=len(ranked))

    def _unknown(self, groups: _Groups) -> Iterator[Reason]:
        """One reason for each label that the policy should decide and does not."""
        asked = {"min_score": self._policy.unknown_labels.min_score}
        undecided: dict[str, list[Piece]] = defaultdict(list)
        for (label, _), pieces in groups.items():
            if self._undecided[label] if label in self._undecided else self._is_undecided(label):
                undecided[label] += [each for each in pieces if each.score >= asked["min_score"]]
        runs = [run for pieces in undecided.values() for run in merge(sorted(pieces), _FOREVER)]
        for run in sorted(runs, key=lambda run: (-run.score, run.label))[:MAX_REASONS]:
            fault = "no rule decides" if run.label in self._taxonomy else "unknown label"
            match = Match((run,), {"score": run.score, "samples": run.samples}, asked)
            yield self._reason(match, None, f"{fault} {run.label}", occurrences=len(runs))

    def _reason(
        self, match: Match, rule: Rule | None, description: str, occurrences: int
    ) -> Reason:
        label = max([run.label for run in match.runs], key=self._harm)
        evidence = len({piece.id for run in match.runs for piece in run.pieces})
        return Reason(
            rule=rule.id if rule else UNKNOWN_LABEL,
            action=rule.action if rule else Action.REVIEW,
            severity=(rule and rule.severity) or self._severity(label),
            label=label,
            score=match.score,
            span=Span(Instant(match.start), Instant(match.end)),
            evidence_ids=tuple(_named(match)),
            values={**match.values, "evidence": evidence, "occurrences": occurrences},
            thresholds=match.asked,
            description=description,
        )

    def _clauses_on(self, label: str) -> list[tuple[_Address, Clause]]:
        return [
            ((index, number), clause)
            for index, rule in enumerate(self._policy.rules)
            for number, clause in enumerate(rule.clauses)
            if clause.covers(label)
        ]

    def _is_undecided(self, label: str) -> bool:
        mode = self._policy.unknown_labels.mode
        if mode == "ignore" or is_within(label, CONTEXT):
            return False
        is_foreign = mode == "review" and label not in self._taxonomy
        return is_foreign or not self._policy.decides(label)

    def _harm(self, label: str) -> int:
        return self._severity(label).rank

    def _severity(self, label: str) -> Severity:
        """The label's own, or that of the nearest label above that the taxonomy knows."""
        known = self._severities.get(label)
        if known is not None:
            return known
        above = (self._severities.get(path) for path in parents(label))
        return next(filter(None, above), _FOREIGN)


def _counts(clause: Clause, piece: Piece) -> bool:
    return piece.score >= clause.min_score and (
        not clause.detectors or piece.evidence.producer.detector in clause.detectors
    )


def _named(match: Match) -> list[str]:
    """The ids of the surest pieces of each run, in the order of time."""
    share = MAX_REASON_EVIDENCE // len(match.runs)
    named = {piece.id: piece for run in match.runs for piece in _surest(run.pieces, share)}
    return [piece.id for piece in sorted(named.values())]


def _surest(pieces: Sequence[Piece], count: int) -> Sequence[Piece]:
    if len(pieces) <= count:
        return pieces
    return sorted(pieces, key=lambda piece: (-piece.score, piece.start, piece.id))[:count]


def _strongest(reasons: Iterable[Reason], missing: Sequence[str]) -> Action:
    actions = {reason.action for reason in reasons}
    for action in (Action.REJECT, Action.REVIEW):
        if action in actions:
            return action
    return Action.INCOMPLETE if missing else Action.APPROVE


def _missing(policy: Policy, coverage: Iterable[Coverage]) -> Iterator[str]:
    """One sentence for each detector that must have looked, and did not see enough."""
    found: dict[str, list[Coverage]] = defaultdict(list)
    for each in coverage:
        found[each.detector].append(each)
    for name in policy.required:
        if name not in found:
            yield f"{name} is required and did not take part"
        faults = {_shortfall(each, policy.coverage[name]) for each in found[name]}
        yield from sorted(fault for fault in faults if fault)


def _shortfall(coverage: Coverage, required: Requirement) -> str:
    name, reason = coverage.detector, f": {coverage.reason}" if coverage.reason else ""
    if coverage.share < required.share:
        if not coverage.examined:
            return f"{name} is required and examined nothing{reason}"
        # Cut, not rounded: 94.96 % must not read as the 95 % that it misses.
        seen = int(coverage.share * 1000) / 10
        of_plan = f"{seen:g} % of {coverage.planned:g} {coverage.unit}"
        return f"{name} examined {of_plan}, and {required.share * 100:g} % is required{reason}"
    if coverage.status is CoverageStatus.FAILED:
        # It may have read everything and died over what it made of it.
        of_plan = f"{coverage.examined:g} of {coverage.planned:g} {coverage.unit}"
        return f"{name} failed after {of_plan}{reason}"
    if coverage.status is CoverageStatus.DEGRADED and not required.allow_degraded:
        return f"{name} looked with less than its best means{reason}"
    return ""


def _rank(severity: Severity) -> int:
    return severity.rank


def _by_score(match: Match) -> tuple[float, int, int]:
    return -match.score, match.start, match.end


def _by_harm(reason: Reason) -> tuple[object, ...]:
    span = reason.span
    return -reason.severity.rank, span.start.us, span.end.us, reason.rule, reason.evidence_ids
