"""Metrics for Prometheus: every worker tells the same of the whole installation.

The database is asked when somebody scrapes. Gauges are as of now. Counters begin when the worker
does, as Prometheus expects; each counts all that ended anywhere, so never add up those of two.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from moderation.config import Settings
from moderation.errors import TransientError
from moderation.lanes import CONTROL
from moderation.store import Store
from moderation.store.figures import Figures, Sums, Within
from moderation.store.workers import Workers

__all__ = ["Endpoint", "Metrics", "Tally"]

log = structlog.get_logger(__name__)

_BOUNDS: Final = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 12 * 3600)
"""Seconds; short videos take some, and who waits in a backlog waits for hours."""

_LATE: Final = timedelta(minutes=2)
"""By how much clocks may differ, and a transaction end after the moment that it notes."""


class Endpoint:
    """Answers `GET /metrics` until it is closed."""

    def __init__(self, server: WSGIServer, thread: threading.Thread) -> None:
        self._server, self._thread = server, thread

    @classmethod
    def open(cls, settings: Settings, store: Store) -> Self | None:
        """Where `[metrics]` says; `None` where it says nothing, and where the port is taken, as
        by another worker of the same machine, which tells the same.
        """
        place = settings.metrics
        if not place.port:
            return None
        registry = CollectorRegistry()
        registry.register(Metrics(store, lanes=(CONTROL, *settings.lanes)))
        try:
            opened = cls(*start_http_server(place.port, place.address, registry))
        except OSError as error:
            log.warning("no metrics are told here", port=place.port, reason=error.strerror)
            return None
        log.info("metrics are told", address=place.address, port=place.port)
        return opened

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Metrics(Collector):
    """What an operator and an autoscaler want to know, asked of the database.

    lanes  those of the settings: a lane without work is told as well, with 0
    """

    def __init__(self, store: Store, lanes: tuple[str, ...]) -> None:
        self._workers, self._figures, self._lanes = Workers(store), Figures(store), lanes
        self._latencies = Tally(lambda within: self._figures.latencies(within, _BOUNDS))
        self._attempts = Tally(self._figures.attempts)
        self._detectors = Tally(self._figures.detectors)

    def describe(self) -> list[Metric]:
        """None beforehand: nobody asks the database only to be registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("moderation_database_up", "Whether the database answers.")
        try:
            told = [*self._load(), *self._gpus(), self._jobs(), self._failures(), self._seconds()]
        except TransientError as error:
            log.warning("no metrics could be read", reason=error.message)
            told = []
        up.add_metric([], bool(told))
        yield from (up, *told)

    def _load(self) -> list[Metric]:
        parts = GaugeMetricFamily(
            "moderation_parts", "Parts of jobs that wait and run.", labels=["lane", "state"]
        )
        workers = GaugeMetricFamily("moderation_workers", "Workers alive.", labels=["lane"])
        dead = GaugeMetricFamily(
            "moderation_dead_letters", "Parts that failed for good.", labels=["lane"]
        )
        loads, failed = self._workers.loads(self._lanes), self._figures.dead()
        for each in loads:
            parts.add_metric([each.lane, "queued"], each.waiting)
            parts.add_metric([each.lane, "running"], each.running)
            workers.add_metric([each.lane], each.workers)
        for lane in sorted({*failed, *(each.lane for each in loads)}):
            dead.add_metric([lane], failed.get(lane, 0))
        return [parts, workers, dead]

    def _gpus(self) -> list[Metric]:
        memory = GaugeMetricFamily(
            "moderation_gpu_memory_bytes",
            "Memory of the GPU that a worker uses, whoever took it.",
            labels=["worker", "kind"],
        )
        for worker in self._workers.alive():
            if worker.gpu_total:
                memory.add_metric([worker.name, "used"], worker.gpu_used)
                memory.add_metric([worker.name, "total"], worker.gpu_total)
        return [memory]

    def _jobs(self) -> Metric:
        seconds = HistogramMetricFamily(
            "moderation_job_seconds", "From submission to the end.", labels=["state"]
        )
        for state, (total, *counts) in self._latencies.read().items():
            bounds = [*map(str, map(float, _BOUNDS)), "+Inf"]
            seconds.add_metric([*state], list(zip(bounds, counts, strict=True)), total)
        return seconds

    def _failures(self) -> Metric:
        attempts = CounterMetricFamily(
            "moderation_attempts",
            "Attempts at parts that failed, or were lost with their worker.",
            labels=["lane", "outcome"],
        )
        for labels, (count,) in self._attempts.read().items():
            attempts.add_metric([*labels], count)
        return attempts

    def _seconds(self) -> Metric:
        detectors = SummaryMetricFamily(
            "moderation_detector_seconds", "Computed by a detector per scan.", labels=["detector"]
        )
        for detector, (seconds, scans) in self._detectors.read().items():
            detectors.add_metric([*detector], round(scans), seconds)
        return detectors


class Tally:
    """Sums since it was made, that never go back; what is past is counted once."""

    def __init__(
        self,
        count: Callable[[Within], Sums],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._count, self._clock, self._until = count, clock, clock()
        self._settled, self._told, self._lock = Sums(), Sums(), threading.Lock()

    def read(self) -> Sums:
        """As of now; raises what the count raises."""
        with self._lock:
            past = self._clock() - _LATE
            if past > self._until:
                ended = self._count(Within(self._until, past))
                self._settled, self._until = _merged(operator.add, self._settled, ended), past
            now = _merged(operator.add, self._settled, self._count(Within(self._until)))
            # What is tried again has not failed any more: a counter must not know that.
            self._told = _merged(max, self._told, now)
            return self._told


def _merged(join: Callable[[float, float], float], one: Sums, other: Sums) -> Sums:
    both = {key: tuple(map(join, one[key], other[key])) for key in one.keys() & other.keys()}
    return {**one, **other, **both}
