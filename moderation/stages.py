"""Stages: what a worker does with a part of a job that it holds a lease on.

    ingest   read the object, see whether its bytes are known, cut the work into lanes and sections
    scan     the detectors of one lane look at one section
    decide   join what all lanes saw, judge, store
    publish  put the verdict where others look for it

They call the same functions as `moderation scan`: there is one pipeline.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

import structlog
from pydantic import TypeAdapter
from structlog.contextvars import bound_contextvars

from moderation.config import Settings
from moderation.errors import (
    Cancelled,
    ConfigurationError,
    DeadlineExceeded,
    DeviceError,
    LeaseLost,
    MediaError,
    SourceError,
    StoreError,
    TransientError,
)
from moderation.examination import Examination
from moderation.heart import Heart
from moderation.job import Kind, Lease, Pinned
from moderation.lanes import CONTROL, assign
from moderation.media import MediaReader
from moderation.media.process import DecoderLost
from moderation.panel import Panel
from moderation.pipeline import Pipeline
from moderation.plan import AGAIN, Plan
from moderation.policy import Policy
from moderation.publish import Publisher
from moderation.reading import Reading
from moderation.registry import Registry
from moderation.scan import Scan
from moderation.stitch import stitch, unseen, with_silent
from moderation.store import Failure, Leases, Place, Store, Work
from moderation.timeline import MICROSECONDS, Instant

__all__ = ["Stages"]

log = structlog.get_logger(__name__)

_LOOK: Final = TypeAdapter(Examination)

_GROWTH: Final = 4
"""How many times longer each try waits than the one before."""


class Stages:
    """The parts of jobs, worked on by one process with the detectors of its lanes.

    stopping  whether the process is to end: what it holds is given back
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        store: Store,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Raises `ConfigurationError` for options or lanes that do not hold."""
        self.settings, self._registry, self._store = settings, registry, store
        jobs = settings.jobs
        self.leases = Leases(store, lease_s=jobs.lease_s, attempts=jobs.attempts)
        self._stopping = stopping
        self._everyone = Panel(registry, settings)
        self._lanes = assign(settings.lanes, self._everyone.detectors)
        self._panels: dict[frozenset[str], Panel] = {}
        self._served: set[str] = set()
        self._reading = Reading(settings)
        self._publisher = Publisher(settings)

    @property
    def lanes(self) -> Mapping[str, list[str]]:
        """Names of detectors by lane."""
        return self._lanes

    def panel(self, names: Collection[str]) -> Panel:
        """Of these detectors; made once, for models are loaded once."""
        key = frozenset(names)
        if key not in self._panels:
            panel = Panel(self._registry, self.settings)
            panel.keep(key)
            self._panels[key] = panel
        return self._panels[key]

    def work(self, lane: str, owner: str) -> Iterator[str]:
        """Take the part of the lane whose turn it is, and end it.

        A job that was begun here goes on here, as far as this process serves its lanes: its file is
        open already, and its models are loaded. Gives the lanes that have work now, as soon as they
        have; none where there was no part. Raises `TransientError` when the database does not
        answer: the lease runs out then.
        """
        self._served.add(lane)
        lease = self.leases.claim(lane, owner)
        if lease is None:
            return
        with closing(self._reading):
            while lease is not None:
                lanes = self._held(lease)
                following = self._following(lease, lanes)
                yield from lanes if following is None else _without(lanes, following)
                lease = (
                    None if following is None else self.leases.claim(following, owner, lease.job_id)
                )
        yield lane

    def _held(self, lease: Lease) -> list[str]:
        jobs = self.settings.jobs
        told = {
            "job": lease.job_id,
            "part": lease.part_id,
            "kind": lease.kind.value,
            "lane": lease.lane,
            "section": lease.number,
            "attempt": lease.attempt,
        }
        with (
            bound_contextvars(**told),
            Heart(
                self.leases,
                lease,
                lease_s=jobs.lease_s,
                limit_s=jobs.time_limit_s,
                stopping=self._stopping,
            ) as heart,
        ):
            began = time.monotonic()
            lanes = self._attempt(lease, heart)
            log.info("a part has ended", seconds=round(time.monotonic() - began, 3))
            return lanes

    def _following(self, lease: Lease, lanes: Sequence[str]) -> str | None:
        """The lane in which the same job goes on here.

        Not after a section of a long video: who waits meanwhile may be more urgent.
        """
        if self._stopping() or len(lanes) > len(set(lanes)) or lease.number:
            return None
        return next((each for each in lanes if each in self._served), None)

    def _attempt(self, lease: Lease, heart: Heart) -> list[str]:
        """However it ends, the database knows it; the lanes that have work now."""
        try:
            return self._stage(lease, heart)
        except LeaseLost as lost:
            log.warning("a lease was lost", reason=lost.message)
        except Cancelled:
            self._stop(lease)
        except DecoderLost as error:  # the machine's memory, or its load
            return self._fail(lease, self._again(lease, str(error)))
        except (SourceError, MediaError, ConfigurationError) as error:  # it would happen again
            return self._fail(lease, Failure(error=str(error), traceback=_trace()))
        except (TransientError, DeadlineExceeded) as error:
            return self._fail(lease, self._again(lease, str(error)))
        except Exception as error:  # the boundary: one part must not cost a worker
            log.exception("a part broke")
            return self._fail(lease, self._again(lease, f"{type(error).__name__}: {error}"))
        return []

    def _stage(self, lease: Lease, heart: Heart) -> list[str]:
        work = self.leases.work(lease)
        policy = self._policy(work)
        match lease.kind:
            case Kind.INGEST:
                return self._ingest(lease, work, policy)
            case Kind.SCAN:
                return self._scan(lease, work, policy, heart)
            case Kind.DECIDE:
                return self._decide(lease, work, policy)
            case Kind.PUBLISH:
                return self._publish(lease, work)

    def _ingest(self, lease: Lease, work: Work, policy: Policy) -> list[str]:
        pipeline = self._pipeline(self._everyone, policy)
        media = self._reading.of(lease.job_id, work)
        scan = None if (work.plan or {}).get(AGAIN) else pipeline.known(media.source)
        if scan is None:
            try:
                video, cuts = media.probe(), self._cuts(media)
            except MediaError as error:
                if isinstance(error, DecoderLost) and lease.attempt < self.leases.attempts:
                    raise
                scan = pipeline.unreadable(media.source, error)
        if scan is not None:
            return self._decided(lease, scan, policy, pipeline.fingerprint)
        lanes = {lane: names for lane, names in self._lanes.items() if lane != CONTROL}
        plan = Plan(video=video, lanes=lanes, cuts=tuple(cuts), fingerprint=pipeline.fingerprint)
        return self.leases.plan(lease, plan.written, sorted(lanes), len(plan.sections), video)

    def _cuts(self, media: MediaReader) -> Sequence[Instant]:
        every_us = round(self.settings.jobs.section_s * MICROSECONDS)
        return media.cuts(every_us) if every_us else ()

    def _scan(self, lease: Lease, work: Work, policy: Policy, heart: Heart) -> list[str]:
        plan = Plan.read(work.plan)
        # As planned, and not as this worker's settings have it: nobody looks in two lanes.
        panel = self.panel(plan.lanes[lease.lane])
        pipeline = self._pipeline(panel, policy)
        media, section = self._read(lease, work), plan.section(lease.number)
        seen = pipeline.look(media, plan.video, heart.watch, section=section)
        self._check(heart, lease)
        fault = seen.device_fault or panel.device_fault
        if fault:  # another process may do what this one cannot any more
            raise DeviceError(fault)
        cut_short = seen.cut_short
        if self._everyone.fingerprint != plan.fingerprint:
            cut_short = cut_short or "workers with other detectors or weights shared the work"
        seen = replace(seen, coverage=(*seen.coverage, *panel.absent), cut_short=cut_short)
        return self.leases.seen(lease, _LOOK.dump_python(seen, mode="json"))

    def _check(self, heart: Heart, lease: Lease) -> None:
        """Whoever is late tries again; the last time, what was seen until then is what there is."""
        try:
            heart.check()
        except DeadlineExceeded:
            if lease.attempt < self.leases.attempts:
                raise

    def _decide(self, lease: Lease, work: Work, policy: Policy) -> list[str]:
        panel, plan = self.panel(self._lanes[CONTROL]), Plan.read(work.plan)
        panel.load()
        pipeline = self._pipeline(panel, policy)
        looks = [_stitched(plan, lane, work) for lane in plan.lanes]
        scan = pipeline.decide(plan.video, looks)
        return self._decided(lease, scan, policy, plan.fingerprint)

    def _decided(self, lease: Lease, scan: Scan, policy: Policy, fingerprint: str) -> list[str]:
        publish = self._publisher.is_needed(scan)
        return self.leases.decided(lease, scan, policy, fingerprint, publish=publish)

    def _publish(self, lease: Lease, work: Work) -> list[str]:
        scan = self._store.judged(work.scan_id, work.policy)
        if scan is not None:
            pinned = Pinned(work.uri, work.pin)
            try:
                self._publisher.publish(scan, pinned, lease.job_id, lambda: self._read(lease, work))
            finally:  # an erasure takes away what lies there before it, and not what comes after
                if self._store.is_erased(scan):
                    self._publisher.withdraw(scan.video.sha256, [(lease.job_id, pinned)])
        self.leases.published(lease)
        return []

    def _read(self, lease: Lease, work: Work) -> MediaReader:
        """The file, as its plan knows it."""
        media = self._reading.of(lease.job_id, work)
        media.plain = "cuts" in (work.plan or {}) and bool(Plan.read(work.plan).cuts)
        return media

    def _policy(self, work: Work) -> Policy:
        text = self._store.policy(work.policy)
        if text is None:
            raise StoreError(f"the policy {work.policy} is not in the database", hint="submit anew")
        return Policy.restore(text)

    def _pipeline(self, panel: Panel, policy: Policy) -> Pipeline:
        return Pipeline(self.settings, panel, policy, self._store)

    def _again(self, lease: Lease, error: str) -> Failure:
        """It may go better later, and later still."""
        wait_s = self.settings.jobs.retry_s * _GROWTH ** (min(lease.attempt, 5) - 1)
        return Failure(error=error, traceback=_trace(), retry_s=wait_s)

    def _fail(self, lease: Lease, failure: Failure) -> list[str]:
        try:
            return self.leases.fail(lease, failure)
        except LeaseLost as lost:
            log.warning("a lease was lost", reason=lost.message)
            return []

    def _stop(self, lease: Lease) -> None:
        """The process ends, or the part is not ours any more."""
        try:
            self.leases.release(lease)
        except LeaseLost as lost:
            log.info("a part was given up", reason=lost.message)


def _without(lanes: list[str], one: str) -> list[str]:
    """This process takes one of them itself."""
    first = lanes.index(one)
    return [*lanes[:first], *lanes[first + 1 :]]


def _stitched(plan: Plan, lane: str, work: Work) -> Examination:
    looks = []
    for section in plan.sections:
        place = Place(lane, section.number)
        seen = work.results.get(place)
        looks.append(
            unseen(plan.lanes[lane], work.dead.get(place, "nobody looked"))
            if seen is None
            else with_silent(_LOOK.validate_python(seen), plan.lanes[lane])
        )
    return stitch(list(zip(plan.sections, looks, strict=True)), plan.video)


def _trace() -> str:
    return traceback.format_exc()
