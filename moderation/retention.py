"""Retention: what is kept no longer goes by itself, in small steps that may end anywhere.

Files go before the rows that know their names: killed in between, the rows are still there, and the
next sweep finds them and does it again. What waits for a person stays, however old it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from moderation.config import Settings
from moderation.errors import ModerationError
from moderation.pictures import Pictures
from moderation.publish import Publisher
from moderation.store import Store
from moderation.store.expire import BATCH, Expiry, OldScan

__all__ = ["Retention", "sweep"]

_HALF_WAY = timedelta(days=1)
"""Nobody takes that long to write a file: who began it was killed."""


def sweep(store: Store, settings: Settings, now: datetime) -> Counter[str]:
    """Take away all that is kept too long at that moment; how much of what. See `Retention`."""
    return Retention(store, settings).sweep(now)


class Retention:
    """Of one installation: its database, and the places that its settings name.

    stopping  whether to end after the step at hand
    """

    def __init__(
        self, store: Store, settings: Settings, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._expiry, self._days = Expiry(store), settings.retention
        self._publisher, self._shelves = Publisher(settings), Pictures.all_of(settings)
        self._stopping = stopping

    def sweep(self, now: datetime) -> Counter[str]:
        """Once: each kind of data is tried, whatever became of the others. Raises the first of what
        the database and the places of files raise: what is left then is for the next sweep.
        """
        removed: Counter[str] = Counter()
        failures = []
        for step in (
            self._pictured,
            self._unfinished,
            self._evidence,
            self._verdicts,
            self._work,
            self._events,
            self._exposure,
            self._visits,
        ):
            try:
                for batch in step(now):
                    removed.update(batch)
                    if self._stopping():
                        return removed
            except ModerationError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return removed

    def _pictured(self, now: datetime) -> Iterator[Counter[str]]:
        """By what lies there, for only that says what is left to do; also what a worker put there
        of a video that was erased meanwhile.
        """
        before = _before(now, self._days.pictures)
        for shelf in self._shelves:
            pictured = shelf.videos()
            while videos := list(islice(pictured, BATCH)):
                for sha256 in self._expiry.unpictured(videos, before):
                    yield Counter(pictures=shelf.remove(sha256))

    def _unfinished(self, now: datetime) -> Iterator[Counter[str]]:
        """Files that whoever was killed left half-way; whatever the days that the rest is kept."""
        before = now - _HALF_WAY
        yield Counter(unfinished_files=self._publisher.sweep(before))
        for shelf in self._shelves:
            yield Counter(unfinished_files=shelf.sweep(before))

    def _evidence(self, now: datetime) -> Iterator[Counter[str]]:
        if before := _before(now, self._days.evidence):
            yield from self._scans(before, now, whole=True)

    def _verdicts(self, now: datetime) -> Iterator[Counter[str]]:
        if before := _before(now, self._days.verdicts):
            yield from self._scans(before, now, whole=False)
            yield from _until_none(lambda: self._expiry.forget_marks(before, now))

    def _scans(self, before: datetime, now: datetime, *, whole: bool) -> Iterator[Counter[str]]:
        """Each batch is looked at once, whatever becomes of it: others may be at it as well.

        What cannot be removed stays with its record, and holds up nobody else's.
        """
        after, failures = 0, list[ModerationError]()
        while found := self._expiry.scans(before, after=after, whole=whole):
            after = found[-1].id
            ready = []
            for each in found:
                try:
                    removed = self._withdrawn(each, whole=whole)
                except ModerationError as error:
                    failures.append(error)
                else:
                    ready.append(each.id)
                    yield removed
            step = self._expiry.strip if whole else self._expiry.drop
            yield step(ready, before, now)
        if failures:
            raise failures[0]

    def _withdrawn(self, scan: OldScan, *, whole: bool) -> Counter[str]:
        removed = self._publisher.withdraw("", scan.jobs.items())
        if not whole and scan.sha256:
            removed["pictures"] += sum(each.remove(scan.sha256) for each in self._shelves)
        return removed

    def _work(self, now: datetime) -> Iterator[Counter[str]]:
        if before := _before(now, self._days.work):
            yield from _until_none(lambda: self._expiry.forget_jobs(before, now))

    def _events(self, now: datetime) -> Iterator[Counter[str]]:
        if before := _before(now, self._days.webhooks):
            yield from _until_none(
                lambda: Counter(webhook_events=self._expiry.forget_events(before))
            )

    def _exposure(self, now: datetime) -> Iterator[Counter[str]]:
        if before := _before(now, self._days.exposure):
            yield Counter(exposure=self._expiry.forget_exposure(before))

    def _visits(self, now: datetime) -> Iterator[Counter[str]]:
        """Over when they say so, whatever the days that the rest is kept."""
        yield self._expiry.forget_visits(now)


def _before(now: datetime, days: int) -> datetime | None:
    return now - timedelta(days=days) if days else None


def _until_none(step: Callable[[], Counter[str]]) -> Iterator[Counter[str]]:
    while (removed := step()).total():
        yield removed
