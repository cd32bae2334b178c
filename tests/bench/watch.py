"""When a detector gives its first result, and how long it takes over a batch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

from moderation.detector import Degraded, Detector
from moderation.evidence import Evidence

__all__ = ["FirstResult"]


class FirstResult:
    """Looks on while a detector works: stands in for its `detect`.

    A result is evidence, or a batch in which nothing was seen. Times are of `time.perf_counter`,
    since the last `reset`, and infinite for what has not come.
    """

    def __init__(self, detector: Detector[Any]) -> None:
        self._detect = detector.detect
        self.reset()
        setattr(detector, "detect", self)  # noqa: B010  # mypy knows methods as not assignable

    def reset(self) -> None:
        self._handed = self._done = self.evidence_at = math.inf

    @property
    def at(self) -> float:
        """The first result."""
        return min(self.evidence_at, self._done)

    @property
    def batch_s(self) -> float:
        """What the first batch took: from when it was handed over until the next was asked for."""
        return self._done - self._handed

    def __call__(self, batches: Iterable[Any]) -> Iterator[Evidence | Degraded]:
        for seen in self._detect(self._timed(batches)):
            if isinstance(seen, Evidence):
                self.evidence_at = min(self.evidence_at, time.perf_counter())
            yield seen

    def _timed(self, batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            self._handed = min(self._handed, time.perf_counter())
            yield batch
            self._done = min(self._done, time.perf_counter())
