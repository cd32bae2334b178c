"""Stages: what a worker does with a part of a job that it holds a lease on.

    ingest   read the object, see whether its bytes are known, cut the work into lanes
    scan     the detectors of one lane look
    decide   join what all lanes saw, judge, store

They call the same functions as `moderation scan`: there is one pipeline.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import structlog
from pydantic import TypeAdapter

from moderation.config import Settings
from moderation.errors import (
    Cancelled,
    DeadlineExceeded,
    LeaseLost,
    MediaError,
    MediaFault,
    SourceError,
    StoreError,
    TransientError,
)
from moderation.examination import Examination
from moderation.heart import Heart
from moderation.job import Kind, Lease
from moderation.lanes import CONTROL, assign
from moderation.media import MediaReader
from moderation.panel import Panel
from moderation.pipeline import Pipeline
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.scan import Video
from moderation.source import Source
from moderation.sources import open_source
from moderation.store import Failure, Leases, Store, Work
from moderation.verdict import Coverage, CoverageStatus

__all__ = ["Stages"]

log = structlog.get_logger(__name__)

_VIDEO: Final = TypeAdapter(Video)
_LOOK: Final = TypeAdapter(Examination)

_GONE: Final = (MediaFault.NOT_FOUND, MediaFault.CHANGED)
"""Faults of what was submitted, not of what it shows: there is nothing to judge."""

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
        self._panels: dict[str, Panel] = {}

    @property
    def lanes(self) -> Mapping[str, list[str]]:
        """Names of detectors by lane."""
        return self._lanes

    def panel(self, lane: str) -> Panel:
        """Of a lane's detectors; made once, for models are loaded once."""
        if lane not in self._panels:
            panel = Panel(self._registry, self.settings)
            panel.keep(self._lanes.get(lane, []))
            self._panels[lane] = panel
        return self._panels[lane]

    def work(self, lane: str, owner: str) -> list[str]:
        """Take the part of the lane whose turn it is, and end it.

        Gives the lanes that may have work now; none where there was no part. Raises
        `TransientError` when the database does not answer: the lease runs out then.
        """
        lease = self.leases.claim(lane, owner)
        if lease is None:
            return []
        jobs = self.settings.jobs
        with Heart(
            self.leases,
            lease,
            lease_s=jobs.lease_s,
            limit_s=jobs.time_limit_s,
            stopping=self._stopping,
        ) as heart:
            return [lane, *self._attempt(lease, heart)]

    def _attempt(self, lease: Lease, heart: Heart) -> list[str]:
        """However it ends, the database knows it."""
        told = log.bind(job=lease.job_id, part=lease.part_id, kind=lease.kind.value)
        try:
            return self._stage(lease, heart)
        except LeaseLost as lost:
            told.warning("a lease was lost", reason=lost.message)
        except Cancelled:
            self._stop(lease)
        except (SourceError, MediaError) as error:  # the same would happen again
            self._fail(lease, Failure(error=str(error), traceback=_trace()))
        except (TransientError, DeadlineExceeded) as error:
            self._fail(lease, self._again(lease, str(error)))
        except Exception as error:  # the boundary: one part must not cost a worker
            told.exception("a part broke")
            self._fail(lease, self._again(lease, f"{type(error).__name__}: {error}"))
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

    def _ingest(self, lease: Lease, work: Work, policy: Policy) -> list[str]:
        pipeline = self._pipeline(self._everyone, policy)
        with self._opened(work) as source:
            scan = pipeline.known(source)
            if scan is None:
                try:
                    with MediaReader(source, self.settings.media) as media:
                        video = media.probe()
                except MediaError as error:
                    scan = pipeline.unreadable(source, error)
        if scan is not None:
            self.leases.decided(lease, scan, policy, pipeline.fingerprint)
            return []
        lanes = {lane: names for lane, names in self._lanes.items() if lane != CONTROL}
        plan = {"video": _VIDEO.dump_python(video, mode="json"), "lanes": lanes}
        return self.leases.plan(lease, plan, sorted(lanes))

    def _scan(self, lease: Lease, work: Work, policy: Policy, heart: Heart) -> list[str]:
        panel = self.panel(lease.lane)
        pipeline = self._pipeline(panel, policy)
        video = _VIDEO.validate_python(work.plan["video"])
        with self._opened(work) as source, MediaReader(source, self.settings.media) as media:
            seen = pipeline.look(media, video, heart.watch)
        heart.check()
        seen = replace(seen, coverage=(*seen.coverage, *panel.absent))
        return self.leases.seen(lease, _LOOK.dump_python(seen, mode="json"))

    def _decide(self, lease: Lease, work: Work, policy: Policy) -> list[str]:
        panel = self.panel(CONTROL)
        panel.load()
        pipeline = self._pipeline(panel, policy)
        video = _VIDEO.validate_python(work.plan["video"])
        looks = [_LOOK.validate_python(each) for each in work.results.values()]
        looks += [_unseen(work.plan["lanes"][lane], why) for lane, why in work.dead.items()]
        scan = pipeline.decide(video, looks)
        self.leases.decided(lease, scan, policy, self._everyone.fingerprint)
        try:  # last, so that pictures that fail do not cost the verdict
            with self._opened(work) as source, MediaReader(source, self.settings.media) as media:
                pipeline.pictures.keep(scan, media)
        except (SourceError, TransientError) as error:
            log.warning("no pictures were kept", job=lease.job_id, error=str(error))
        return []

    def _opened(self, work: Work) -> Source:
        """The very version that was submitted."""
        source = open_source(work.uri, self.settings.s3)
        if work.pin and source.pin != work.pin:
            source.close()
            raise SourceError(
                f"{work.uri}: it is not what was submitted any more (source_changed)",
                fault=MediaFault.CHANGED,
                hint="submit it again",
            )
        return source

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

    def _fail(self, lease: Lease, failure: Failure) -> None:
        try:
            self.leases.fail(lease, failure)
        except LeaseLost as lost:
            log.warning("a lease was lost", part=lease.part_id, reason=lost.message)

    def _stop(self, lease: Lease) -> None:
        """The process ends, or the part is not ours any more."""
        try:
            self.leases.release(lease)
        except LeaseLost as lost:
            log.info("a part was given up", part=lease.part_id, reason=lost.message)


def _unseen(detectors: list[str], why: str) -> Examination:
    return Examination(
        coverage=tuple(
            Coverage(detector=name, status=CoverageStatus.FAILED, reason=why) for name in detectors
        )
    )


def _trace() -> str:
    return traceback.format_exc()
