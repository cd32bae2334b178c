"""An examination: every detector reads the same decode, each in a thread of its own.

One thread decodes and blocks on the slowest detector, so memory stays bounded. A detector that
raises, ends or hangs costs its own coverage and nobody else's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from moderation.config import Settings
from moderation.detector import Audio, Degraded, Detector, Frames, Text, TextBatch
from moderation.errors import Cancelled, Interruption
from moderation.evidence import Evidence
from moderation.media import Outcome, broadcast
from moderation.scan import Video
from moderation.source import Source
from moderation.timeline import Instant
from moderation.verdict import Coverage, CoverageStatus

__all__ = ["Examination", "Step", "Watch", "examine"]

log = structlog.get_logger(__name__)

_SLACK_US = 1_000_000
"""How far evidence may end behind the last frame: an audio track is often a little longer."""

_GRACE_S = 5.0
"""How long an interrupted scan waits for a detector to come to the end of its batch."""

_TICK_S = 0.5
"""How often the watchdog looks for a detector that hangs."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far into the video a detector has come: `at`, of `end`."""

    detector: str
    at: Instant
    end: Instant


Watch = Callable[[Step], None]
"""Called from the detectors' threads at every batch, and by the decoder as "decode"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What the detectors saw in one video, what they did not look at, and the time each took."""

    evidence: tuple[Evidence, ...]
    coverage: tuple[Coverage, ...]
    seconds: Mapping[str, float]


def examine(
    source: Source,
    video: Video,
    detectors: Sequence[Detector[Any]],
    settings: Settings,
    watch: Watch = lambda _: None,
) -> Examination:
    """Show the video to loaded detectors: frames and sound first, then the text they found.

    Raises `MediaError` when nothing of the video can be decoded, and `Interruption`s.
    """
    shown = [each for each in detectors if _applies(each, video)]
    readers = [(each, each.wants) for each in detectors if isinstance(each.wants, Text)]
    looks, outcome = _first_stage(source, video, shown, settings, watch)
    found = [seen for look in looks for seen in look.evidence]
    looks += [_second_stage(each, wants, found, video, settings) for each, wants in readers]
    evidence = [seen for look in looks for seen in look.evidence]
    coverage = [look.coverage(outcome) for look in looks]
    looked = {look.detector.name for look in looks}
    coverage += [_not_applicable(each) for each in detectors if each.name not in looked]
    return Examination(
        evidence=tuple(sorted(evidence, key=lambda seen: (seen.span, seen.label, seen.id))),
        coverage=tuple(sorted(coverage, key=lambda each: each.detector)),
        seconds={look.detector.name: look.seconds for look in looks},
    )


def _applies(detector: Detector[Any], video: Video) -> bool:
    match detector.wants:
        case Frames():
            return video.has_video
        case Audio():
            return video.has_audio
        case _:
            return False


def _not_applicable(detector: Detector[Any]) -> Coverage:
    lacks = "picture" if isinstance(detector.wants, Frames) else "sound"
    return Coverage(
        detector=detector.name,
        status=CoverageStatus.NOT_APPLICABLE,
        reason=f"the file has no {lacks}",
    )


def _first_stage(
    source: Source,
    video: Video,
    detectors: Sequence[Detector[Any]],
    settings: Settings,
    watch: Watch,
) -> tuple[list[Look], Outcome]:
    wants = [each.wants for each in detectors if not isinstance(each.wants, Text)]
    decode = broadcast(source, video, wants, settings.media)
    looks = [
        Look(each, feed, video, settings, watch)
        for each, feed in zip(detectors, decode.feeds, strict=True)
    ]
    with _Watchdog(looks, settings.detector_stall):
        for look in looks:
            look.start()
        try:
            outcome = decode.run(lambda at: watch(Step("decode", at, Instant(video.duration_us))))
            for look in looks:
                look.wait()
        except BaseException:
            decode.stop(Cancelled())
            for look in looks:
                look.join(_GRACE_S)
            raise
    return looks, outcome


def _second_stage(
    detector: Detector[Any],
    wants: Text,
    evidence: Sequence[Evidence],
    video: Video,
    settings: Settings,
) -> Look:
    texts = [seen for seen in evidence if seen.text and seen.label in wants.labels]
    look = Look(detector, _Texts(sorted(texts, key=lambda seen: seen.span)), video, settings)
    with _Watchdog([look], settings.detector_stall):
        look.start()
        look.wait()
    return look


class Feed(Protocol):
    """What a detector reads from: `moderation.media.Feed`, or texts."""

    unit: str

    @property
    def examined(self) -> float: ...
    @property
    def planned(self) -> float: ...
    @property
    def waited_s(self) -> float: ...
    def __iter__(self) -> Iterator[Any]: ...
    def close(self) -> None: ...


class _Texts:
    """A feed of one batch: all texts of a video."""

    unit = "texts"
    waited_s = 0.0

    def __init__(self, texts: Sequence[Evidence]) -> None:
        self._texts, self.planned, self.examined = texts, float(len(texts)), 0.0

    def __iter__(self) -> Iterator[TextBatch]:
        if self._texts:
            yield self._texts
            self.examined = self.planned

    def close(self) -> None:
        """Nothing waits for it."""


class Look(threading.Thread):
    """One detector looking at one video, in its own thread: the isolation boundary."""

    def __init__(
        self,
        detector: Detector[Any],
        feed: Feed,
        video: Video,
        settings: Settings,
        watch: Watch = lambda _: None,
    ) -> None:
        super().__init__(name=f"look-{detector.name}", daemon=True)
        self.detector, self.evidence, self.seconds = detector, list[Evidence](), 0.0
        self.busy_since: float | None = None
        self._feed, self._settings, self._watch = feed, settings, watch
        self._end = Instant(video.duration_us)
        self._last = self._end + _SLACK_US
        self._failure, self._shortfalls = "did not finish", dict[str, None]()
        self._refused, self._degraded, self._done = 0, False, threading.Event()

    def run(self) -> None:
        started = time.perf_counter()
        try:
            for seen in self.detector.detect(self._batches()):
                self._keep(seen)
            self._failure = ""
        except Interruption as interruption:
            self._failure = f"was stopped: {type(interruption).__name__}"
        except (Exception, SystemExit) as error:  # a detector that raises costs its own coverage
            log.warning("a detector failed", detector=self.detector.name, exc_info=True)
            self._failure = f"{type(error).__name__}: {error}"
        finally:
            self.seconds = max(0.0, time.perf_counter() - started - self._feed.waited_s)
            self._feed.close()
            self._done.set()

    def wait(self) -> None:
        """Until it has finished or was abandoned."""
        self._done.wait()

    def abandon(self, stall: float) -> None:
        """Go on without it: Python cannot end a thread, but nobody need wait for one."""
        self._failure = f"did not answer for {stall:g} s"
        self._feed.close()
        self._done.set()

    @property
    def finished(self) -> bool:
        return self._done.is_set()

    def coverage(self, outcome: Outcome) -> Coverage:
        """What it planned and what it examined, with all reasons why the two differ."""
        partial = outcome.message if self._feed.examined < self._feed.planned else ""
        reasons = [self._failure, partial, *self._shortfalls, self._refusals()]
        return Coverage(
            detector=self.detector.name,
            status=self._status(partial),
            planned=self._feed.planned,
            examined=self._feed.examined,
            unit=self._feed.unit,
            reason="; ".join(reason for reason in reasons if reason),
        )

    def _status(self, partial: str) -> CoverageStatus:
        if self._failure:
            return CoverageStatus.FAILED
        if partial or self._refused or self._feed.examined < self._feed.planned:
            return CoverageStatus.PARTIAL
        return CoverageStatus.DEGRADED if self._degraded else CoverageStatus.COMPLETE

    def _refusals(self) -> str:
        if not self._refused:
            return ""
        kept = "pieces of evidence were not kept: outside the video, not JSON, or too many"
        return f"{self._refused} {kept}"

    def _batches(self) -> Iterator[Any]:
        for batch in self._feed:
            self.busy_since = time.monotonic()
            self._watch(Step(self.detector.name, _time_of(batch), self._end))
            yield batch
            self.busy_since = None
        self.busy_since = time.monotonic()

    def _keep(self, seen: Evidence | Degraded) -> None:
        if isinstance(seen, Degraded):
            self._degraded = True
            self._shortfalls[seen.reason] = None
        elif seen.score < self._settings.evidence_floor:
            return
        elif len(self.evidence) >= self._settings.max_evidence or not self._is_sound(seen):
            self._refused += 1
        else:
            self.evidence.append(seen)

    def _is_sound(self, seen: Evidence) -> bool:
        """Whether it lies inside the video and can be stored: its id is made of strict JSON."""
        try:
            return bool(seen.id) and seen.span.start.us >= 0 and seen.span.end <= self._last
        except (TypeError, ValueError):
            return False


class _Watchdog(threading.Thread):
    """Abandons a detector that neither asks for its next batch nor ends for `stall` seconds."""

    def __init__(self, looks: Iterable[Look], stall: float) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._looks, self._stall, self._over = list(looks), stall, threading.Event()

    def run(self) -> None:
        while not self._over.wait(min(_TICK_S, self._stall)):
            for look in self._looks:
                since = look.busy_since
                if not look.finished and since and time.monotonic() - since > self._stall:
                    look.abandon(self._stall)

    def __enter__(self) -> _Watchdog:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()


def _time_of(batch: Any) -> Instant:
    first = batch if hasattr(batch, "at") else batch[0]
    return first.at if hasattr(first, "at") else first.span.start  # type: ignore[no-any-return]
