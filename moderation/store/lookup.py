"""Many jobs at once: which submissions have one, and what became of a crowd of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import select

from moderation.job import JobState
from moderation.store.models import JobRow, ScanRow, VerdictRow
from moderation.store.store import Store
from moderation.verdict import Action

__all__ = ["Lookup", "Outcome"]

_AT_ONCE = 1_000
"""Values in one statement: SQLite takes some ten thousands."""


class Outcome(NamedTuple):
    """How far a job is."""

    state: JobState
    action: Action | None


class Lookup:
    """Reads only, a thousand jobs with each statement. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def known(self, keys: Collection[str]) -> frozenset[str]:
        """Those of `Submission.dedupe_key` that have a job."""
        found: set[str] = set()
        for some in _chunks(list(keys)):
            asked = select(JobRow.dedupe_key).where(JobRow.dedupe_key.in_(some))
            with self._store.reading() as session:
                found.update(session.scalars(asked))
        return frozenset(found)

    def outcomes(self, ids: Collection[str]) -> dict[str, Outcome]:
        """By the jobs' ids; an id that there is not is left out."""
        found: dict[str, Outcome] = {}
        for some in _chunks(list(ids)):
            asked = select(JobRow.id, JobRow.state, JobRow.action).where(JobRow.id.in_(some))
            with self._store.reading() as session:
                for row in session.execute(asked):
                    action = Action(row.action) if row.action else None
                    found[row.id] = Outcome(JobState(row.state), action)
        return found

    def pins(self, uris: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Of which versions of each URI there are jobs, whatever became of them."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for some in _chunks(list(uris)):
            asked = select(JobRow.uri, JobRow.pin).where(JobRow.uri.in_(some))
            with self._store.reading() as session:
                for row in session.execute(asked):
                    found[row.uri].add(row.pin)
        return {uri: frozenset(pins) for uri, pins in found.items()}

    def of_scan(self, scan_id: str, policy: str) -> Sequence[str]:
        """The ids of the jobs that it answers under the policy of that digest, the newest first."""
        asked = (
            select(JobRow.id)
            .where(JobRow.scan_id == scan_id, JobRow.policy_digest == policy)
            .order_by(JobRow.submitted_at.desc(), JobRow.id)
        )
        with self._store.reading() as session:
            return session.scalars(asked).all()

    def is_in_force(self, scan_id: str, policy: str) -> bool:
        """Whether the verdict of a scan under the policy of that digest is the video's."""
        asked = (
            select(VerdictRow.id)
            .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
            .where(ScanRow.scan_id == scan_id, VerdictRow.policy_digest == policy)
            .where(VerdictRow.current)
        )
        with self._store.reading() as session:
            return session.scalar(asked) is not None


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(values), _AT_ONCE):
        yield values[first : first + _AT_ONCE]
