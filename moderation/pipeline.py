"""The way of a video: source -> media -> detectors -> evidence -> fusion -> verdict -> store.

`moderation scan` and the workers walk it alike: there is one pipeline.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeAlias

import structlog

from moderation import __version__
from moderation.config import Settings
from moderation.errors import (
    ConfigurationError,
    MediaError,
    MediaFault,
    ModerationError,
    SourceError,
)
from moderation.evidence import Evidence
from moderation.examination import Examination, examine, join
from moderation.fusion import fuse
from moderation.look import Watch
from moderation.media import MediaReader
from moderation.panel import Panel
from moderation.pictures import Pictures
from moderation.policy import Policy
from moderation.scan import Failure, Scan, Timing, Video
from moderation.section import Section
from moderation.source import Source
from moderation.sources import open_source
from moderation.store import Store
from moderation.verdict import Action, Coverage, CoverageStatus, Severity, Verdict

__all__ = ["Pipeline"]

log = structlog.get_logger(__name__)

_NOT_INSTALLED = "no installed plugin brings it"

_Announce: TypeAlias = Callable[[str], None]


class Pipeline:
    """Scans one video after another with one panel, under one policy, into one store."""

    def __init__(self, settings: Settings, panel: Panel, policy: Policy, store: Store) -> None:
        """Raises `ConfigurationError` for a policy that asks for what the settings drop."""
        _check_floor(settings, policy)
        self.settings, self.panel, self.policy, self.store = settings, panel, policy, store
        self.pictures = Pictures.of(settings)
        self.fingerprint = panel.fingerprint

    def scan(
        self,
        uri: str,
        *,
        force: bool = False,
        early_exit: bool = False,
        watch: Watch = lambda _: None,
        announce: _Announce = lambda _: None,
    ) -> Scan:
        """One video, from its bytes to its stored verdict.

        The same bytes seen by the same detectors are not looked at twice: the stored scan is
        returned, judged anew when the policy is another; `force` looks again. With `early_exit` the
        look ends as soon as nothing can change the verdict any more: what is in the rest is then
        not known, and the scan is not reused.

        A file that cannot be read, or on which we break, gives a `Scan` with a `failure`. Raises
        `StoreError` and `TransientError`s of the store, and `Interruption`s.
        """
        try:
            with (
                open_source(uri, self.settings.s3) as source,
                MediaReader(source, self.settings.media) as media,
            ):
                known = None if force else self.known(source)
                scan = known or self._look(media, watch, announce, early_exit)
                self._save(scan)
                if known is None:  # last, so that a full disk costs pictures and not the scan
                    self.pictures.keep(scan, media)
        except SourceError as error:
            scan = self._unreadable(Video(uri=uri), error)
            if error.fault is not MediaFault.NOT_FOUND:  # a slip of the pen is no video
                self._save(scan)
        except ModerationError:
            raise
        except Exception as error:  # the boundary: one video must not cost the rest of a batch
            log.exception("a scan broke", uri=uri)
            scan = self._unreadable(Video(uri=uri), _broken(error))
            self._save(scan)
        return scan

    def _save(self, scan: Scan) -> None:
        self.store.save(scan, self.policy, fingerprint=self.fingerprint)

    def known(self, source: Source) -> Scan | None:
        """The stored scan of these bytes by these detectors, under this policy."""
        if self._is_too_large(source):
            return None
        sha256, judge = source.sha256(), self.policy.ref.digest
        stored = self.store.find(sha256, self.fingerprint, judge)
        if stored is None:
            other = self.store.find_scan(sha256, self.fingerprint)
            stored = other and self._judged_anew(other)
        return stored and replace(stored, video=replace(stored.video, uri=source.uri))

    def _look(
        self, media: MediaReader, watch: Watch, announce: _Announce, early_exit: bool
    ) -> Scan:
        source = media.source
        try:
            return self._examined(media, media.probe(), watch, announce, early_exit)
        except MediaError as error:
            return self.unreadable(source, error)

    def unreadable(self, source: Source, error: MediaError) -> Scan:
        """The scan of bytes that nobody can look at."""
        sha256 = "" if self._is_too_large(source) else source.sha256()
        video = Video(uri=source.uri, sha256=sha256, bytes=source.size)
        return self._unreadable(video, error)

    def _is_too_large(self, source: Source) -> bool:
        """Only to read all of it would take minutes; an upload can claim terabytes of nothing."""
        return source.size > self.settings.media.max_bytes

    def _examined(
        self,
        media: MediaReader,
        video: Video,
        watch: Watch,
        announce: _Announce,
        early_exit: bool,
    ) -> Scan:
        settled = self._is_settled if early_exit else lambda _: False
        return self.decide(video, [self.look(media, video, watch, announce, settled)])

    def look(
        self,
        media: MediaReader,
        video: Video,
        watch: Watch = lambda _: None,
        announce: _Announce = lambda _: None,
        settled: Callable[[Sequence[Evidence]], bool] = lambda _: False,
        section: Section | None = None,
    ) -> Examination:
        """What the panel sees and hears in the video; raises as `examine` does."""
        self.panel.load(announce)
        return examine(
            media,
            video,
            self.panel.detectors,
            self.settings,
            watch,
            matters=lambda seen: self.policy.concerns(seen.label, seen.score),
            settled=settled,
            section=section,
        )

    def decide(self, video: Video, looks: Sequence[Examination]) -> Scan:
        """The scan that comes of one look or, where several workers shared the work, of more."""
        seen = join(looks, video, self.panel.detectors, self.settings)
        coverage = self._covered((*seen.coverage, *self.panel.absent))
        return self._scan(
            video,
            evidence=seen.evidence,
            coverage=coverage,
            verdict=self._judge(seen.evidence, coverage),
            timing=Timing(load_s=self.panel.load_s, scan_s=seen.scan_s, detectors=seen.seconds),
            sandbox=seen.sandbox,
            cut_short=seen.cut_short,
        )

    def _covered(self, coverage: Iterable[Coverage]) -> tuple[Coverage, ...]:
        """What looked and what could not, with what the policy asks for and nobody brought."""
        known = _once(each for each in coverage if each.reason != _NOT_INSTALLED)
        present = {each.detector for each in known}
        known += [_not_installed(name) for name in self.policy.required if name not in present]
        return tuple(sorted(known, key=lambda each: each.detector))

    def _judged_anew(self, scan: Scan) -> Scan:
        """The same evidence under this policy; what the policy asks for may be another."""
        coverage = self._covered(scan.coverage)
        return replace(scan, coverage=coverage, verdict=self._judge(scan.evidence, coverage))

    def _judge(self, evidence: Sequence[Evidence], coverage: Sequence[Coverage]) -> Verdict:
        judged = fuse(evidence, coverage, self.policy)
        if any(each.examined for each in coverage) or judged.action is not Action.APPROVE:
            return judged
        return _unseen(judged, "no detector looked at any of it")

    def _is_settled(self, evidence: Sequence[Evidence]) -> bool:
        """Nothing is stronger than a rejection."""
        return fuse(evidence, (), self.policy).action is Action.REJECT

    def _unreadable(self, video: Video, error: SourceError | MediaError) -> Scan:
        coverage = tuple(
            Coverage(detector=each.name, status=CoverageStatus.FAILED, reason=error.message)
            for each in self.panel.detectors
        )
        return self._scan(
            video,
            coverage=coverage,
            verdict=_unseen(fuse((), coverage, self.policy), error.message),
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
        sandbox: tuple[str, ...] = (),
        cut_short: str = "",
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
            sandbox=sandbox,
            cut_short=cut_short,
        )


def _once(coverage: Iterable[Coverage]) -> list[Coverage]:
    """Several lanes may know of one plugin that did not load."""
    return list({(each.detector, each.status, each.reason): each for each in coverage}.values())


def _unseen(judged: Verdict, reason: str) -> Verdict:
    """Whatever the policy requires: what nobody saw is not approved."""
    return replace(
        judged,
        action=Action.INCOMPLETE,
        severity=Severity.MEDIUM,
        missing=(reason, *judged.missing),
    )


def _check_floor(settings: Settings, policy: Policy) -> None:
    lowest, floor = policy.lowest_score, settings.evidence_floor
    if lowest < floor:
        raise ConfigurationError(
            f"the policy {policy.name} asks for scores from {lowest:g}, "
            f"and evidence below {floor:g} is dropped",
            hint="lower the setting evidence_floor, or raise the policy's min_score",
        )


def _broken(error: Exception) -> MediaError:
    return MediaError(
        f"the scan broke: {type(error).__name__}: {error}",
        fault=MediaFault.UNREADABLE,
        hint="run it again with --debug and report it",
    )


def _not_installed(name: str) -> Coverage:
    return Coverage(
        detector=name,
        status=CoverageStatus.UNAVAILABLE,
        reason=_NOT_INSTALLED,
    )
