"""Exposure: how much of what harms people somebody has seen, and when it is enough for a day.

Only what the page shows is counted; a claim from a terminal plays no video. The ledger is personal
data: everybody sees their own, leads see the totals of a day alone, and retention removes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from moderation.errors import ReviewConflict
from moderation.person import Person, Right
from moderation.review_settings import ReviewSettings
from moderation.store import Store
from moderation.store.exposure import Seen, Sightings
from moderation.verdict import Severity

__all__ = ["DayTotal", "Exposure", "Today"]

SHOWN_DAYS: Final = 14
"""Days that are shown unless asked otherwise: this week and the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotal:
    """What one person saw on one day (UTC), in seconds.

    weighted_s  each second by the severity of its item
    unveiled_s  of the seconds, without blur
    """

    person: str
    day: date
    seconds: float
    unveiled_s: float
    weighted_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """What somebody has seen today, in seconds.

    by_severity  severities that they saw nothing of are not there
    cap_s        weighted seconds after which nothing more is given out; 0: no end
    pause        whether it is time for one
    """

    total: DayTotal
    by_severity: Mapping[Severity, float]
    cap_s: float
    pause: bool

    @property
    def is_enough(self) -> bool:
        return 0 < self.cap_s <= self.total.weighted_s


class Exposure:
    """The ledger of one store. Threads may share it."""

    def __init__(self, store: Store, settings: ReviewSettings | None = None) -> None:
        self._settings = settings or ReviewSettings()
        self._sightings = Sightings(
            store, most_s=self._settings.exposure_beat_s, pause_s=self._settings.pause_s
        )

    def add(self, by: Person, item_id: str, seconds: float, unveiled_seconds: float = 0) -> Today:
        """They have watched an item for so long since they last said so; what that makes today.

        No more is counted than has passed, nor than `exposure_beat_s`. Raises `NotFound` for an
        item that there is not.
        """
        by.require(Right.CLAIM)
        self._sightings.add(by.name, item_id, seconds, unveiled_seconds)
        return self.today(by)

    def check(self, by: Person, item_id: str | None = None) -> None:
        """Before somebody claims the next item, or the one of that id.

        Raises `ReviewConflict` where it is enough for today. What they have, they may finish.
        """
        today = self.today(by)
        if not today.is_enough:
            return
        held = self._sightings.held(by.name)
        if not (held if item_id is None else item_id in held):
            raise ReviewConflict(
                "you have seen enough for today: thank you",
                hint="rest; from midnight (UTC) on there is more to decide, and until then others "
                "do it",
            )

    def today(self, by: Person) -> Today:
        """Their own."""
        by.require(Right.CLAIM)
        day, seen = self._sightings.today(), self._sightings.totals(1, by.name)
        after_s = self._settings.pause_after_s
        return Today(
            total=self._total(by.name, day, seen),
            by_severity={each.severity: each.seconds for each in seen},
            cap_s=self._settings.exposure_cap_s,
            pause=0 < after_s <= self._sightings.since_pause(by.name),
        )

    def days(self, by: Person, days: int = SHOWN_DAYS) -> tuple[DayTotal, ...]:
        """Their own, of so many days with today, the last first; days without any are not there."""
        by.require(Right.CLAIM)
        return self._by_day(self._sightings.totals(days, by.name))

    def everybody(self, by: Person, days: int = SHOWN_DAYS) -> tuple[DayTotal, ...]:
        """Everybody's totals, for leads: nothing of what it was that they saw."""
        by.require(Right.ASSIGN)
        return self._by_day(self._sightings.totals(days))

    def _by_day(self, seen: Iterable[Seen]) -> tuple[DayTotal, ...]:
        grouped: defaultdict[tuple[date, str], list[Seen]] = defaultdict(list)
        for each in seen:
            grouped[each.day, each.person].append(each)
        return tuple(self._total(name, day, each) for (day, name), each in grouped.items())

    def _total(self, person: str, day: date, seen: Iterable[Seen]) -> DayTotal:
        seen, weights = list(seen), self._settings.exposure_weights
        return DayTotal(
            person=person,
            day=day,
            seconds=sum(each.seconds for each in seen),
            unveiled_s=sum(each.unveiled_seconds for each in seen),
            weighted_s=sum(each.seconds * weights[each.severity.value] for each in seen),
        )
