"""A transport: how a client reaches an installation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from moderation import wake
from moderation.config import Settings
from moderation.errors import ConfigurationError, MediaFault, SourceError
from moderation.job import Job, JobState, PartState, Pinned, Submission
from moderation.lanes import CONTROL
from moderation.policy import Policy
from moderation.s3 import SCHEME
from moderation.scan import Scan
from moderation.sources import check_allowed, open_source
from moderation.store import Jobs, Store
from moderation.store.deletions import Deletions
from moderation.store.lookup import Lookup, Outcome

__all__ = ["DatabaseTransport", "Transport", "check_priority", "side_by_side"]

_Given = TypeVar("_Given")
_Found = TypeVar("_Found")

_ASKED_AT_ONCE = 10
"""Objects whose versions are asked for side by side, since each answer takes as long as its way;
boto3 keeps as many connections."""


class Transport(Protocol):
    """How a client reaches an installation. Raises `TransientError` where it does not answer."""

    def submit(
        self,
        given: Sequence[str | Pinned],
        policy: str | None,
        *,
        priority: int,
        tag: str,
        key: str,
    ) -> list[Job]: ...
    def pin(self, uri: str) -> Pinned: ...
    def known(self, pinned: Sequence[Pinned], policy: str | None) -> list[bool]: ...
    def pins(self, uris: Collection[str]) -> Mapping[str, frozenset[str]]: ...
    def unfinished(self, uri: str) -> list[Job]: ...
    def outcomes(self, ids: Collection[str]) -> dict[str, Outcome]: ...
    def waiting(self) -> int: ...
    def get(self, job_id: str) -> Job: ...
    def find(
        self, state: Collection[JobState] | None, tag: str | None, limit: int | None
    ) -> list[Job]: ...
    def cancel(self, job_id: str) -> Job: ...
    def retry(self, job_id: str, detectors: Collection[str] = ()) -> Job: ...
    def deleted(self, uri: str) -> tuple[str, ...]: ...
    def scan(self, job: Job) -> Scan | None: ...
    def close(self) -> None: ...


class DatabaseTransport:
    """Straight to the database of the settings, and to its workers' broker."""

    def __init__(self, settings: Settings | None = None, store: Store | None = None) -> None:
        """`store` is that database as somebody else has opened it, who closes it, too."""
        self._settings = settings or Settings.read()
        self._is_ours = store is None
        self._store = store or Store.open(self._settings.database_url)
        self._jobs, self._lookup = Jobs(self._store), Lookup(self._store)
        self._waker = wake.installed(self._settings)

    def submit(
        self,
        given: Sequence[str | Pinned],
        policy: str | Policy | None,
        *,
        priority: int,
        tag: str,
        key: str,
    ) -> list[Job]:
        """What is not pinned is opened for it. Raises `SourceError` for what cannot be: nothing is
        submitted then.
        """
        check_priority(priority)
        digest = self._jobs.keep(self._policy(policy))
        pinned = self._all_pinned(given)
        jobs = self._jobs.submit(
            [
                Submission(uri=uri, pin=pin, policy=digest, priority=priority, tag=tag, key=key)
                for uri, pin in pinned
            ]
        )
        self._wake(len(jobs))
        return jobs

    def get(self, job_id: str) -> Job:
        return self._jobs.get(job_id)

    def find(
        self,
        state: Collection[JobState] | None,
        tag: str | None,
        limit: int | None,
        after: str | None = None,
    ) -> list[Job]:
        """`after` is the id of the last job of the page before. Raises `NotFound` for no job's."""
        return self._jobs.find(state=state, tag=tag, limit=limit, after=after)

    def cancel(self, job_id: str) -> Job:
        return self._jobs.cancel(job_id)

    def retry(self, job_id: str, detectors: Collection[str] = ()) -> Job:
        job = self._jobs.retry(job_id, detectors)
        for lane in {CONTROL, *(part.lane for part in job.parts)}:
            wake.try_to_wake(self._waker, lane, 1)
        return job

    def deleted(self, uri: str) -> tuple[str, ...]:
        deletions, now = Deletions(self._store), datetime.now(UTC)
        asked = deletions.asked_about(uri)
        if not asked or self._is_there(uri):
            return ()
        gone = {id: others for id, others in asked.items() if not any(map(self._is_there, others))}
        return deletions.close(uri, gone, now)

    def scan(self, job: Job) -> Scan | None:
        return self._store.judged(job.scan_id, job.policy) if job.scan_id else None

    def close(self) -> None:
        if self._is_ours:
            self._store.close()

    def unfinished(self, uri: str) -> list[Job]:
        return self._jobs.unfinished(uri)

    def pin(self, uri: str) -> Pinned:
        with open_source(uri, self._settings.s3) as source:
            return Pinned(source.pinned_uri, source.pin)

    def known(self, pinned: Sequence[Pinned], policy: str | Policy | None) -> list[bool]:
        digest = self._policy(policy).ref.digest
        keys = [Submission(uri=uri, pin=pin, policy=digest).dedupe_key for uri, pin in pinned]
        known = self._lookup.known(keys)
        return [key in known for key in keys]

    def pins(self, uris: Collection[str]) -> Mapping[str, frozenset[str]]:
        return self._lookup.pins(uris)

    def outcomes(self, ids: Collection[str]) -> dict[str, Outcome]:
        return self._lookup.outcomes(ids)

    def is_in_force(self, scan: Scan) -> bool:
        """Whether its verdict is the one that counts for its video."""
        return self._lookup.is_in_force(scan.id, scan.verdict.policy.digest)

    def waiting(self) -> int:
        parts = self._jobs.counts()
        return sum(count for (_, state), count in parts.items() if state is PartState.QUEUED)

    def _is_there(self, uri: str) -> bool:
        """Whether something may lie there: it does not where its bucket says so. A file may be one
        of another machine.
        """
        if not uri.startswith(SCHEME):
            return True
        try:
            return bool(self.pin(uri))
        except SourceError as error:
            return error.fault not in (MediaFault.NOT_FOUND, MediaFault.EMPTY)

    def _all_pinned(self, given: Sequence[str | Pinned]) -> list[Pinned]:
        if all(isinstance(each, Pinned) for each in given):  # nothing to wait for
            return [self._pinned(each) for each in given]
        return list(side_by_side(self._pinned, given))

    def _pinned(self, given: str | Pinned) -> Pinned:
        if not isinstance(given, Pinned):
            return self.pin(given)
        check_allowed(given.uri, self._settings.s3)
        return given

    def _policy(self, policy: str | Policy | None) -> Policy:
        if isinstance(policy, Policy):
            return policy
        return Policy.read(policy or self._settings.policy)

    def _wake(self, jobs: int) -> None:
        wake.try_to_wake(self._waker, CONTROL, min(jobs, self._settings.jobs.wakes))


def check_priority(priority: int) -> None:
    """Raise `ConfigurationError` for one that there is not."""
    if not 0 <= priority <= 9:
        raise ConfigurationError(f"the priority {priority} is not among 0 to 9", hint="give 5")


def side_by_side(asked: Callable[[_Given], _Found], given: Iterable[_Given]) -> Iterator[_Found]:
    """The answers, in their order; the questions that are left are not asked after an error."""
    pool = ThreadPoolExecutor(_ASKED_AT_ONCE)
    try:
        yield from pool.map(asked, given)
    finally:
        pool.shutdown(cancel_futures=True)
