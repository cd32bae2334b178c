"""The way of a video: source -> media -> detectors -> evidence -> fusion -> verdict -> store.

`moderation scan` and the workers walk it alike: there is one pipeline.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeAlias

from moderation import __version__
from moderation.config import Settings
from moderation.errors import MediaError, SourceError
from moderation.evidence import Evidence
from moderation.examination import examine
from moderation.fusion import fuse
from moderation.look import Watch
from moderation.media import probe
from moderation.panel import Panel
from moderation.pictures import Pictures
from moderation.policy import Policy
from moderation.scan import Failure, Scan, Timing, Video
from moderation.source import Source
from moderation.store import Store
from moderation.verdict import Action, Coverage, CoverageStatus, Severity, Verdict

__all__ = ["Pipeline"]

_NOT_INSTALLED = "no installed plugin brings it"

_Announce: TypeAlias = Callable[[str], None]


class Pipeline:
    """Scans one video after another with one panel, under one policy, into one store."""

    def __init__(self, settings: Settings, panel: Panel, policy: Policy, store: Store) -> None:
        self.settings, self.panel, self.policy, self.store = settings, panel, policy, store
        self.pictures = Pictures(settings.pictures, settings.media)
        self._fingerprint = panel.fingerprint

    def scan(
        self,
        uri: str,
        *,
        force: bool = False,
        watch: Watch = lambda _: None,
        announce: _Announce = lambda _: None,
    ) -> Scan:
        """One video, from its bytes to its stored verdict.

        The same bytes seen by the same detectors are not looked at twice: the stored scan is
        returned, judged anew when the policy is another; `force` looks again.

        A file that cannot be read gives a `Scan` with a `failure`. Raises `StoreError` and
        `TransientError`s of the store, and `Interruption`s.
        """
        try:
            with Source.open(uri) as source:
                known = None if force else self._known(source)
                scan = known or self._look(source, watch, announce)
        except SourceError as error:
            scan = self._unreadable(Video(uri=uri), error)
        self.store.save(scan, self.policy, fingerprint=self._fingerprint)
        return scan

    def _known(self, source: Source) -> Scan | None:
        """The stored scan of these bytes by these detectors, under this policy."""
        sha256, judge = source.sha256(), self.policy.ref.digest
        stored = self.store.find(sha256, self._fingerprint, judge)
        if stored is None:
            other = self.store.find_scan(sha256, self._fingerprint)
            stored = other and self._judged_anew(other)
        return stored and replace(stored, video=replace(stored.video, uri=source.uri))

    def _look(self, source: Source, watch: Watch, announce: _Announce) -> Scan:
        try:
            video = probe(source, self.settings.media)
            return self._examined(source, video, watch, announce)
        except MediaError as error:
            video = Video(uri=source.uri, sha256=source.sha256(), bytes=source.size)
            return self._unreadable(video, error)

    def _examined(self, source: Source, video: Video, watch: Watch, announce: _Announce) -> Scan:
        self.panel.load(announce)
        started = time.perf_counter()
        seen = examine(source, video, self.panel.detectors, self.settings, watch)
        scan_s = time.perf_counter() - started
        coverage = self._covered((*seen.coverage, *self.panel.absent))
        scan = self._scan(
            video,
            evidence=seen.evidence,
            coverage=coverage,
            verdict=self._judge(seen.evidence, coverage),
            timing=Timing(load_s=self.panel.load_s, scan_s=scan_s, detectors=seen.seconds),
        )
        self.pictures.keep(scan, source)
        return scan

    def _covered(self, coverage: Iterable[Coverage]) -> tuple[Coverage, ...]:
        """What looked and what could not, with what the policy asks for and nobody brought."""
        known = [each for each in coverage if each.reason != _NOT_INSTALLED]
        present = {each.detector for each in known}
        known += [_not_installed(name) for name in self.policy.required if name not in present]
        return tuple(sorted(known, key=lambda each: each.detector))

    def _judged_anew(self, scan: Scan) -> Scan:
        """The same evidence under this policy; what the policy asks for may be another."""
        coverage = self._covered(scan.coverage)
        return replace(scan, coverage=coverage, verdict=self._judge(scan.evidence, coverage))

    def _judge(self, evidence: Sequence[Evidence], coverage: Sequence[Coverage]) -> Verdict:
        return fuse(evidence, coverage, self.policy)

    def _unreadable(self, video: Video, error: SourceError | MediaError) -> Scan:
        coverage = tuple(
            Coverage(detector=each.name, status=CoverageStatus.FAILED, reason=error.message)
            for each in self.panel.detectors
        )
        judged = self._judge((), coverage)
        return self._scan(
            video,
            coverage=coverage,
            verdict=replace(
                judged,
                action=Action.INCOMPLETE,
                severity=Severity.MEDIUM,
                missing=(error.message, *judged.missing),
            ),
            failure=Failure(fault=error.fault, message=str(error)),
        )

    def _scan(
        self,
        video: Video,
        *,
        coverage: tuple[Coverage, ...],
        verdict: Verdict,
        evidence: tuple[Evidence, ...] = (),
        timing: Timing | None = None,
        failure: Failure | None = None,
    ) -> Scan:
        return Scan(
            id=uuid.uuid4().hex,
            video=video,
            evidence=evidence,
            coverage=coverage,
            verdict=verdict,
            timing=timing or Timing(),
            engine_version=__version__,
            scanned_at=datetime.now(UTC),
            failure=failure,
        )


def _not_installed(name: str) -> Coverage:
    return Coverage(
        detector=name,
        status=CoverageStatus.UNAVAILABLE,
        reason=_NOT_INSTALLED,
    )
