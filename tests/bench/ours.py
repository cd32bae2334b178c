"""Our side: the pipeline with all default detectors, and the inference of the same detectors alone.

The scan does all that `moderation scan` does: it hashes the file, keeps evidence and verdict in a
database, and a picture of what it found. The glue does none of that.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from cost import Cost, measured
from findings import Finding
from watch import FirstResult

from moderation.config import Settings
from moderation.detector import Text
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

__all__ = ["Ours", "Scanned"]


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
        self._kept: dict[Path, dict[str, list[Any]]] = {}

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

    def names(self) -> list[str]:
        """Of all detectors."""
        return [each.name for each in self._panel.detectors]

    def infer(self, video: Path, names: Sequence[str]) -> Cost:
        """`detect` of the named detectors, each in a thread of its own as in a scan, over the
        batches that a scan feeds them; those are decoded beforehand.
        """
        chosen = [each for each in self._panel.detectors if each.name in names]
        batches = self._fed(video)
        with measured() as cost, ThreadPoolExecutor(len(chosen)) as threads:
            for seen in threads.map(lambda each: list(each.detect(batches[each.name])), chosen):
                seen.clear()  # which also raises what the detector raised
        return cost

    def _fed(self, video: Path) -> dict[str, list[Any]]:
        """The batches of each detector, as new as they come out of the decoder: a batch keeps
        its letterboxed variants, and which detectors share one is kept as well.
        """
        if video not in self._kept:
            self._kept[video] = self._decoded(video)
        kept, new = self._kept[video], dict[int, Any]()
        for batch in chain.from_iterable(kept.values()):
            new[id(batch)] = FrameBatch(batch[:]) if isinstance(batch, FrameBatch) else batch
        return {name: [new[id(batch)] for batch in batches] for name, batches in kept.items()}

    def _decoded(self, video: Path) -> dict[str, list[Any]]:
        wants = {each.name: each.wants for each in self._panel.detectors}
        media = {name: want for name, want in wants.items() if not isinstance(want, Text)}
        shown = decoded(video, *media.values(), limits=self._settings.media).batches
        fed = dict(zip(media, shown, strict=True))
        evidence = self._pipeline.scan(str(video)).evidence
        for name, want in wants.items():
            if isinstance(want, Text):
                fed[name] = [[e for e in evidence if e.text and e.label in want.labels]]
        return fed


def _finding(seen: Evidence) -> Finding:
    start, end = seen.span.start.us / MICROSECONDS, seen.span.end.us / MICROSECONDS
    return Finding(seen.detector, seen.label, start, end, seen.text or "", seen.score)


def _check_complete(panel: Panel) -> None:
    if panel.absent:
        reasons = "; ".join(f"{each.detector}: {each.reason}" for each in panel.absent)
        raise DetectorUnavailable(f"not all detectors are there ({reasons})")
