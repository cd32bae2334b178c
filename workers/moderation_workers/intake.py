"""Intake: what events make of jobs, whichever way they come.

Events come late, twice and out of order. Where one names a version, it speaks of that version for
good. Where it does not, what lies in the bucket decides in all doubtful cases: the newest upload
is never dropped, and what it replaced is not waited for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import structlog

from moderation.client import Client, JobHandle
from moderation.errors import MediaFault, SourceError
from moderation.job import JobState, Pinned
from moderation.s3 import uri_of
from moderation_workers.events import ObjectEvent, newer
from moderation_workers.filter import Filter

__all__ = ["Intake"]

log = structlog.get_logger(__name__)

_NOTHING: Final = (MediaFault.NOT_FOUND, MediaFault.EMPTY)
"""What `Client.pin` says of a key where there is nothing to judge."""

_ENDED: Final = (JobState.CANCELLED, JobState.FAILED)

_Group: TypeAlias = tuple[str | None, str]
"""Policy and tag of a submission."""


class Intake:
    """Where the events of any number of buckets end. Threads and processes may each have one.

    tag  of the jobs; empty: the bucket's name
    """

    def __init__(self, client: Client, accept: Filter, tag: str = "") -> None:
        self._client, self._filter, self._tag = client, accept, tag

    def take(self, events: Sequence[ObjectEvent]) -> None:
        """Have judged what was created, and what was removed not: all is in the database then.

        To take the same again changes nothing, so whatever is raised, all may be taken again.
        Raises `TransientError`, and `SourceError` for an object that may not be read.
        """
        accepted = [event for event in events if self._accepts(event)]
        wanted: defaultdict[_Group, list[Pinned]] = defaultdict(list)
        for event, pinned in self._wanted([each for each in accepted if each.kind == "created"]):
            wanted[self._filter.policy_of(event), self._tag or event.bucket].append(pinned)
        for (policy, tag), pins in wanted.items():
            jobs = self._client.submit_many(pins, policy, tag=tag)
            self._try_again(job for job in jobs if job.state in _ENDED)
        for event in accepted:
            if event.kind == "removed":
                self._forget(event)

    def _accepts(self, event: ObjectEvent) -> bool:
        refusal = self._filter.refusal(event)
        if refusal:
            log.info("an object is not scanned", uri=event.uri, reason=refusal)
        return not refusal

    def _wanted(self, created: Sequence[ObjectEvent]) -> Iterator[tuple[ObjectEvent, Pinned]]:
        """One for each version, and for each key without one its newest."""
        unnamed: defaultdict[str, list[ObjectEvent]] = defaultdict(list)
        for event in created:
            if event.version:
                yield event, _version(event)
            else:
                unnamed[event.uri].append(event)
        known = self._client.pins(unnamed) if unnamed else {}
        for uri, events in unnamed.items():
            newest = _newest(events)
            if newest is not None and known.get(uri, set()) <= {_etag(newest).pin}:
                yield newest, _etag(newest)
            elif (current := self._settle(uri)) is not None:
                yield events[0], current

    def _settle(self, uri: str) -> Pinned | None:
        """What lies there now; of unfinished jobs, those of what it replaced are cancelled."""
        current = self._current(uri)
        for job in self._client.unfinished(uri):
            if _is_stale(job, current):
                log.info("an upload was replaced or removed", uri=uri, job=job.id)
                job.cancel()
        return current

    def _current(self, uri: str) -> Pinned | None:
        try:
            return self._client.pin(uri)
        except SourceError as error:
            if error.fault in _NOTHING:
                return None
            raise

    def _forget(self, event: ObjectEvent) -> None:
        """Nobody asks the bucket of an upload that nobody works on, nor looks at."""
        uri = uri_of(event.bucket, event.key, event.version)
        unfinished = self._client.unfinished(uri)
        if unfinished and not event.version:
            self._settle(uri)
        else:
            for job in unfinished:
                job.cancel()
        for item in self._client.deleted(uri):
            log.info("a review item of a deleted upload is closed", uri=uri, item=item)

    def _try_again(self, ended: Iterable[JobHandle]) -> None:
        """The same bytes were uploaded again, after their job ended for they were gone."""
        for job in ended:
            if self._current(job.job.uri) == Pinned(job.job.uri, job.job.pin):
                job.retry()


def _version(event: ObjectEvent) -> Pinned:
    """As `S3Object` pins it."""
    return Pinned(uri_of(event.bucket, event.key, event.version), f"version:{event.version}")


def _etag(event: ObjectEvent) -> Pinned:
    """As `S3Object` pins it."""
    return Pinned(event.uri, f"etag:{event.etag}")


def _newest(events: Sequence[ObjectEvent]) -> ObjectEvent | None:
    """`None` where the events of a key do not tell."""
    newest = events[0]
    for event in events:
        if event.etag == newest.etag:
            continue
        is_newer = newer(event.sequencer, newest.sequencer)
        if is_newer is None:
            return None
        newest = event if is_newer else newest
    return newest if newest.etag else None


def _is_stale(job: JobHandle, current: Pinned | None) -> bool:
    """A version stays what it is, and may be read, when another one is the newest."""
    pin = job.job.pin
    return current is None or (pin.startswith("etag:") and pin != current.pin)
