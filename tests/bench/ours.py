"""Our side: the pipeline with all default detectors, and the inference of the same detectors alone.

The scan does all that `moderation scan` does: it hashes the file, keeps evidence and verdict in a
database, and a picture of what it found. The glue does none of that.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from cost import Cost, measured
from findings import Finding
from watch import FirstResult

from moderation.config import Settings
from moderation.detector import Detector, Text
from moderation.errors import DetectorUnavailable, MediaError
from moderation.evidence import Evidence
from moderation.media import FrameBatch
from moderation.panel import Panel
from moderation.pipeline import Pipeline
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.store import Store
from moderation.testing.decoding import decoded
from moderation.timeline import MICROSECONDS
from moderation.verdict import Coverage

__all__ = ["Inference", "Ours", "Scanned"]


@dataclass(frozen=True, slots=True)
class Scanned:
    """One scan.

    busy_s      seconds that each detector did not wait for the decoder, side by side with others
    first_s     from the start of the scan to the first result: evidence, or a batch without any
    evidence_s  from the start of the scan to the first evidence; a line of text or a face is told
                when it is over
    batch_s     what its first batch took the detector that gave the first result
    """

    cost: Cost
    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...]
    busy_s: dict[str, float]
    first_s: float
    evidence_s: float
    batch_s: float


@dataclass(frozen=True, slots=True)
class Inference:
    """All detectors over what is in memory: side by side as in a scan, and one after another."""

    together: Cost
    each: dict[str, Cost]

    @property
    def in_turn(self) -> Cost:
        return sum(self.each.values(), Cost())


class Ours:
    """A panel that is loaded once, with a home that is gone afterwards."""

    def __init__(self, models: Path) -> None:
        self._folder = tempfile.TemporaryDirectory()
        home = Path(self._folder.name)
        os.chdir(home)  # where no moderation.toml is
        self._settings = Settings.read(home=home, models=(models,), offline=True)
        self._panel = Panel(Registry.installed(), self._settings)
        self._panel.load()
        _check_complete(self._panel)
        self._watched = [FirstResult(each) for each in self._panel.detectors]
        store = Store.open(self._settings.database_url)
        self._pipeline = Pipeline(self._settings, self._panel, Policy.read("default"), store)
        self._kept: dict[Path, tuple[list[Any], ...]] = {}

    def scan(self, video: Path) -> Scanned:
        """From the file to the stored verdict and its pictures."""
        for each in self._watched:
            each.reset()
        started = time.perf_counter()
        with measured() as cost:
            scan = self._pipeline.scan(str(video), force=True)
        if scan.failure:
            raise MediaError(scan.failure.message, fault=scan.failure.fault)
        first = min(self._watched, key=lambda each: each.at)
        return Scanned(
            cost,
            tuple(map(_finding, scan.evidence)),
            scan.coverage,
            dict(scan.timing.detectors),
            first_s=first.at - started,
            evidence_s=min(each.evidence_at for each in self._watched) - started,
            batch_s=first.batch_s,
        )

    def infer(self, video: Path) -> Inference:
        """Each `detect` over the batches that a scan feeds it, decoded beforehand."""
        detectors, fed = self._lookers, self._fed(video)
        with measured() as together, ThreadPoolExecutor(len(detectors)) as threads:
            seen = [*chain.from_iterable(threads.map(_look, detectors, fed))]
            self._read(seen)
        costs = dict[str, Cost]()
        for each, batches in zip(detectors, self._fed(video), strict=True):
            with measured() as costs[each.name]:
                _look(each, batches)
        with measured() as costs["terms"]:
            self._read(seen)
        return Inference(together, costs)

    def _read(self, seen: Iterable[Evidence]) -> None:
        """The second stage: who reads the text that others found."""
        texts = sorted((each for each in seen if each.text), key=lambda each: each.span)
        for each in self._panel.detectors:
            if isinstance(each.wants, Text):
                _look(each, [[text for text in texts if text.label in each.wants.labels]])

    @property
    def _lookers(self) -> list[Detector[Any]]:
        return [each for each in self._panel.detectors if not isinstance(each.wants, Text)]

    def _fed(self, video: Path) -> list[list[Any]]:
        """The batches of each detector, as new as they come out of the decoder: a batch keeps
        its letterboxed variants, and which detectors share one is kept as well.
        """
        if video not in self._kept:
            wants = [each.wants for each in self._lookers if not isinstance(each.wants, Text)]
            self._kept[video] = decoded(video, *wants, limits=self._settings.media).batches
        new = dict[int, Any]()
        for batch in chain.from_iterable(self._kept[video]):
            new[id(batch)] = FrameBatch(batch[:]) if isinstance(batch, FrameBatch) else batch
        return [[new[id(batch)] for batch in batches] for batches in self._kept[video]]


def _look(detector: Detector[Any], batches: Iterable[Any]) -> list[Evidence]:
    return [each for each in detector.detect(batches) if isinstance(each, Evidence)]


def _finding(seen: Evidence) -> Finding:
    start, end = seen.span.start.us / MICROSECONDS, seen.span.end.us / MICROSECONDS
    return Finding(seen.detector, seen.label, start, end, seen.text or "", seen.score)


def _check_complete(panel: Panel) -> None:
    if panel.absent:
        reasons = "; ".join(f"{each.detector}: {each.reason}" for each in panel.absent)
        raise DetectorUnavailable(f"not all detectors are there ({reasons})")
