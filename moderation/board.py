"""The board: what waits, who decides how much, and what turns out to be wrong; for leads."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from moderation.blame import blame
from moderation.decision import Outcome, Purpose
from moderation.person import Person, Right
from moderation.rates import Agreement, Rate
from moderation.store import Store
from moderation.store.tally import Count, Tally, Waits
from moderation.verdict import Severity

__all__ = ["DAYS", "Board", "Figures", "Held", "Pace", "Proved", "Waiting"]

DAYS: Final = 30
"""That are looked back unless asked otherwise."""

MOST_RULINGS: Final = 10_000
MOST_LETTERS: Final = 20_000_000
"""Decisions that the rates look at, the newest first, and how long their verdicts are in all: more
tell nothing new, and a page must open at once."""

_NONE: Final = Waits(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Items of one severity that nobody has decided, by how long they wait.

    overdue  of all of them
    """

    severity: Severity
    under_24_h: int
    under_48_h: int
    older: int
    overdue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An item in somebody's hands."""

    item_id: str
    person: str
    severity: Severity
    purpose: Purpose
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much somebody decided; everybody together has no name.

    decisions       final ones that were not taken back
    skipped         and handed up, which decides nothing
    a_day, an_hour  decisions for each day and each hour (UTC, by the clock) with at least one
    median_s        seconds from the claim to the decision
    """

    person: str
    decisions: int
    skipped: int
    escalated: int
    a_day: float
    an_hour: float
    median_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What verdicts were worth, by the decisions about them that stand.

    rules      how often what each fired on was not so, the worst first
    detectors  how often what each saw was not so, the worst first
    missed     of the approved videos that were drawn by lot, how often one was not good after all
    rulings    decisions that were counted, `is_cut` where there are older ones
    """

    rules: Mapping[str, Rate]
    detectors: Mapping[str, Rate]
    missed: Rate
    rulings: int
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All of the board.

    days       that are looked back, from `at`
    waiting    every severity, the highest first
    purposes   why those are asked for that wait
    held       the longest first
    by_day     decisions of each day (UTC), days without any among them
    agreement  between first and second looks
    """

    at: datetime
    days: int
    waiting: tuple[Waiting, ...]
    purposes: Mapping[Purpose, int]
    held: tuple[Held, ...]
    people: tuple[Pace, ...]
    everybody: Pace
    by_day: Mapping[date, int]
    proved: Proved
    agreement: Agreement


class Board:
    """Of one store. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self._tally = Tally(store)

    def figures(self, by: Person, *, days: int = DAYS, now: datetime | None = None) -> Figures:
        """What is there now, and what was decided in so many days. For leads."""
        by.require(Right.ASSIGN)
        at = now or datetime.now(UTC)
        since = at - timedelta(days=days)
        counts, medians = list(self._tally.counts(since)), self._tally.median_seconds(since)
        return Figures(
            at=at,
            days=days,
            waiting=self._waiting(at),
            purposes={Purpose(name): n for name, n in self._tally.purposes().items()},
            held=self._held(),
            people=_people(counts, medians),
            everybody=_pace("", counts, medians),
            by_day=_by_day(counts, since.date(), at.date()),
            proved=self._proved(since),
            agreement=Agreement.of(self._tally.pairs(since)),
        )

    def _waiting(self, now: datetime) -> tuple[Waiting, ...]:
        found = {each.severity_rank: each for each in self._tally.waiting(now)}
        counted = ((each, found.get(each.rank, _NONE)) for each in reversed(Severity))
        return tuple(
            Waiting(
                severity=severity,
                under_24_h=waits.under_24_h,
                under_48_h=waits.under_48_h,
                older=waits.older,
                overdue=waits.overdue,
            )
            for severity, waits in counted
        )

    def _held(self) -> tuple[Held, ...]:
        severities = tuple(Severity)
        return tuple(
            Held(
                item_id=each.item_id,
                person=each.person,
                severity=severities[each.severity_rank],
                purpose=Purpose(each.purpose),
                since=each.since,
                until=each.until,
            )
            for each in self._tally.held()
        )

    def _proved(self, since: datetime) -> Proved:
        rules, detectors = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        missed, read, letters, is_cut = list[float](), 0, 0, False
        with closing(self._tally.standing(since, MOST_RULINGS + 1)) as standing:
            for each in standing:
                if read == MOST_RULINGS or letters > MOST_LETTERS:
                    is_cut = True
                    break
                read, letters = read + 1, letters + each.length
                if each.purpose == Purpose.AUDIT:
                    missed.append(each.outcome != Outcome.UPHOLD)
                    continue
                shares = blame(Outcome(each.outcome), each.said, each.verdict)
                for found, given in zip((rules, detectors), shares, strict=True):
                    for name, share in given.items():
                        found[name].append(share)
        return Proved(
            rules=_rates(rules),
            detectors=_rates(detectors),
            missed=Rate.of(len(missed), sum(missed)),
            rulings=read,
            is_cut=is_cut,
        )


def _rates(found: Mapping[str, Sequence[float]]) -> Mapping[str, Rate]:
    rates = {name: Rate.of(len(shares), sum(shares)) for name, shares in found.items()}
    return dict(sorted(rates.items(), key=lambda each: (-each[1].low, -each[1].n, each[0])))


def _people(counts: Iterable[Count], medians: Mapping[str, float]) -> tuple[Pace, ...]:
    by_person: defaultdict[str, list[Count]] = defaultdict(list)
    for each in counts:
        by_person[each.person].append(each)
    paces = [_pace(name, counted, medians) for name, counted in by_person.items()]
    return tuple(sorted(paces, key=lambda pace: (-pace.decisions, pace.person)))


def _pace(person: str, counts: Sequence[Count], medians: Mapping[str, float]) -> Pace:
    said: Counter[Outcome] = Counter()
    for each in counts:
        said[Outcome(each.outcome)] += each.n
    decisions = sum(n for outcome, n in said.items() if outcome.is_final)
    hours = {each.hour for each in counts if Outcome(each.outcome).is_final}
    days = {hour.date() for hour in hours}
    return Pace(
        person=person,
        decisions=decisions,
        skipped=said[Outcome.SKIP],
        escalated=said[Outcome.ESCALATE],
        a_day=decisions / len(days) if days else 0,
        an_hour=decisions / len(hours) if hours else 0,
        median_s=medians.get(person, 0),
    )


def _by_day(counts: Iterable[Count], first: date, last: date) -> Mapping[date, int]:
    """Those of a day that has begun by the database's clock alone are of the last one here."""
    days = {first + timedelta(days=n): 0 for n in range((last - first).days + 1)}
    for each in counts:
        if Outcome(each.outcome).is_final:
            days[min(each.hour.date(), last)] += each.n
    return days
