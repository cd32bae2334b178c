"""Where a rule's condition is met: the runs of evidence that meet it, and how well."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from moderation.rule import Clause, Rule
from moderation.runs import Piece, Run, merge
from moderation.timeline import MICROSECONDS

__all__ = ["Match", "combinations", "matches", "windows"]


@dataclass(frozen=True, slots=True)
class Match:
    """One place in the video where a rule's condition is met.

    runs    the evidence: one run, or one for each clause of `all`
    values  what was measured, as JSON values
    asked   the thresholds that it was measured against, as JSON values
    """

    runs: tuple[Run, ...]
    values: Mapping[str, Any]
    asked: Mapping[str, Any]

    @property
    def score(self) -> float:
        """A combination is as sure as its weakest part."""
        return min([run.score for run in self.runs])

    @property
    def start(self) -> int:
        """Microseconds."""
        return min([run.start for run in self.runs])

    @property
    def end(self) -> int:
        """Microseconds."""
        return max([run.end for run in self.runs])

    @classmethod
    def of_run(cls, clause: Clause, run: Run) -> Match:
        return cls((run,), _measured(run), _asked(clause))

    @classmethod
    def of_window(cls, rule: Rule, run: Run, count: int) -> Match:
        """`count` instants in the fullest window of the run."""
        asked = {"min_score": rule.min_score, "min_count": rule.min_count}
        within_s = (rule.within or 0) / MICROSECONDS
        return cls((run,), {"score": run.score, "count": count}, {**asked, "within_s": within_s})

    @classmethod
    def of_combination(cls, rule: Rule, runs: tuple[Run, ...]) -> Match:
        parts = [
            {"label": run.label, "start_s": run.start / MICROSECONDS,
             "end_s": run.end / MICROSECONDS, **_measured(run)}
            for run in runs
        ]  # fmt: skip
        asked = [{"label": clause.label, **_asked(clause)} for clause in rule.clauses]
        within_s = (rule.within or 0) / MICROSECONDS
        gap_s = max(0, _gap_us(runs)) / MICROSECONDS
        return cls(runs, {"gap_s": gap_s, "all": parts}, {"within_s": within_s, "all": asked})


def matches(
    rule: Rule, found: Sequence[Sequence[Sequence[Piece]]], max_gap: int
) -> Iterator[Match]:
    """Where `rule` is met. `found` holds, for each clause, groups of pieces that it may count.

    A group is of one label and one subject, in the order of time: runs do not mix them.
    """
    if rule.min_count is not None:
        pieces = chain.from_iterable(found[0])
        for run, count in windows(pieces, rule.min_count, rule.within or 0):
            yield Match.of_window(rule, run, count)
        return
    runs = [list(_corroborated(*each, max_gap)) for each in zip(rule.clauses, found, strict=True)]
    if rule.all:
        for combination in combinations(runs, rule.within or 0):
            yield Match.of_combination(rule, combination)
        return
    for clause, each in zip(rule.clauses, runs, strict=True):
        for run in each:
            yield Match.of_run(clause, run)


def _corroborated(clause: Clause, groups: Iterable[Sequence[Piece]], max_gap: int) -> Iterator[Run]:
    for pieces in groups:
        for run in merge(pieces, max_gap):
            if clause.is_corroborated_by(run.samples, run.duration_us):
                yield run


def windows(pieces: Iterable[Piece], min_count: int, within: int) -> Iterator[tuple[Run, int]]:
    """Stretches whose every instant lies in a window that holds `min_count` different ones.

    Yields each with the instants in its fullest window. `pieces` may come in any order.
    """
    ordered = sorted(pieces)
    starts = [piece.start for piece in ordered]
    for first, last, count in _stretches(sorted(set(starts)), min_count, within):
        inside = ordered[bisect_left(starts, first) : bisect_right(starts, last)]
        yield Run.of(inside), count


def _stretches(
    starts: Sequence[int], min_count: int, within: int
) -> Iterator[tuple[int, int, int]]:
    """First and last instant of each stretch, overlapping full windows being one."""
    first = last = fullest = -1
    for index, start in enumerate(starts):
        beyond = bisect_right(starts, start + within)
        if beyond - index < min_count:
            continue
        if fullest > 0 and index > last:
            yield starts[first], starts[last], fullest
            fullest = -1
        if fullest < 0:
            first = index
        last, fullest = beyond - 1, max(fullest, beyond - index)
    if fullest > 0:
        yield starts[first], starts[last], fullest


def combinations(found: Sequence[Sequence[Run]], within: int) -> Iterator[tuple[Run, ...]]:
    """One run of each clause, all of them touched by one window: the surest of each stretch.

    A run can be combined from its start until `within` after its end, so one sweep over the
    starts, with a heap for each clause, sees every combination: n log n for n runs.
    """
    open_runs: list[list[tuple[float, int, int, Run]]] = [[] for _ in found]
    surest: tuple[Run, ...] = ()
    order = sorted(
        (run.start, number, at) for number, runs in enumerate(found) for at, run in enumerate(runs)
    )
    for start, number, at in order:
        for runs in open_runs:
            while runs and runs[0][-1].end + within < start:
                heapq.heappop(runs)
        if surest and not all(open_runs):
            yield surest
            surest = ()
        run = found[number][at]
        heapq.heappush(open_runs[number], (-run.score, run.start, at, run))
        if all(open_runs):
            candidate = tuple(runs[0][-1] for runs in open_runs)
            surest = max(surest, candidate, key=_sureness) if surest else candidate
    if surest:
        yield surest


def _sureness(runs: tuple[Run, ...]) -> tuple[float, float]:
    return min(run.score for run in runs), sum(run.score for run in runs)


def _gap_us(runs: Sequence[Run]) -> int:
    """From the first end to the last start: the window that touches all of them."""
    return max(run.start for run in runs) - min(run.end for run in runs)


def _measured(run: Run) -> dict[str, Any]:
    measured: dict[str, Any] = {
        "score": run.score,
        "samples": run.samples,
        "duration_s": run.duration_us / MICROSECONDS,
    }
    return measured if run.subject is None else {**measured, "subject": run.subject}


def _asked(clause: Clause) -> dict[str, Any]:
    asked: dict[str, Any] = {"min_score": clause.min_score}
    if clause.min_samples is not None:
        asked["min_samples"] = clause.min_samples
    if clause.min_duration is not None:
        asked["min_duration_s"] = clause.min_duration / MICROSECONDS
    return asked
