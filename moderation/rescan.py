"""Rescans: another look at what a review item is about, for what the last one did not see."""

from __future__ import annotations

from datetime import UTC, datetime

from moderation.client import Client, JobHandle
from moderation.errors import ConfigurationError, NotAllowed
from moderation.job import Job
from moderation.person import Person, Right
from moderation.review import ItemState, ReviewCase, ReviewItem, ReviewQueue
from moderation.scan import Scan
from moderation.store import Store
from moderation.store.audit import record
from moderation.store.lookup import Lookup
from moderation.verdict import Action, CoverageStatus

__all__ = ["Rescans", "is_worth_it"]

_AGAIN = (CoverageStatus.FAILED, CoverageStatus.PARTIAL, CoverageStatus.UNAVAILABLE)
"""Of which another look may see more; what is degraded had the best means of its detector."""


class Rescans:
    """For whoever may submit, and for whoever has the item: they were asked about a video of
    which a part was not looked at, and may have that looked at before they decide.
    """

    def __init__(self, store: Store, queue: ReviewQueue, client: Client) -> None:
        self._store, self._queue, self._client = store, queue, client
        self._lookup = Lookup(store)

    def under_way(self, item: ReviewItem) -> Job | None:
        """The job that looks at the upload now."""
        return next((each.job for each in self._client.unfinished(item.uri)), None)

    def ask(self, id: str, by: Person) -> Job:
        """Have it looked at again; asked twice, it is the same job. The item waits meanwhile, and
        a new verdict takes its place.

        Raises `NotAllowed`, `ConfigurationError` where there is nothing to gain, and `SourceError`
        where the upload is gone.
        """
        case = self._queue.show(id, by)
        _check(case, by)
        job = self.under_way(case.item) or self._again(case.scan).job
        self._note(case.item, by, job)
        return job

    def _again(self, scan: Scan) -> JobHandle:
        """The job that made the scan goes on where it can; else a new one looks."""
        missed = [each.detector for each in scan.coverage if each.status in _AGAIN]
        for job_id in self._lookup.of_scan(scan.id, scan.verdict.policy.digest):
            job = self._client.job(job_id).retry(missed)
            if not job.state.is_final:
                return job
        new = self._client.submit(scan.video.uri, idempotency_key=f"rescan of {scan.id}")
        return new.retry(missed if new.job.scan_id else ()) if new.state.is_final else new

    def _note(self, item: ReviewItem, by: Person, job: Job) -> None:
        with self._store.writing() as session:
            record(
                session,
                actor=by.name,
                action="item.rescanned",
                subject=f"item:{item.id}",
                content={"job": job.id},
                now=datetime.now(UTC),
            )


def is_worth_it(scan: Scan) -> bool:
    """Whether another look may see more."""
    missed = any(each.status in _AGAIN for each in scan.coverage)
    is_open = scan.verdict.action is Action.INCOMPLETE
    return missed or is_open or bool(scan.cut_short) or scan.failure is not None


def _check(case: ReviewCase, by: Person) -> None:
    item = case.item
    until = item.held_until
    has_it = item.holder == by.name and until is not None and until > datetime.now(UTC)
    if not (has_it or by.may(Right.SUBMIT)):
        raise NotAllowed(
            f"{by.name} does not have the review item {item.id}", hint="claim it, or ask a lead"
        )
    if item.state is not ItemState.OPEN or not is_worth_it(case.scan):
        raise ConfigurationError(
            f"another look at {item.id} would show nothing new", hint="decide what is there"
        )
