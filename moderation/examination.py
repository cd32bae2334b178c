"""An examination: every detector reads the same decode, each in a thread of its own.

One thread decodes and blocks on the slowest detector, so memory stays bounded. A detector that
raises, ends or hangs costs its own coverage and nobody else's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from moderation.config import Settings
from moderation.detector import Audio, Detector, Frames, Text, TextBatch
from moderation.device_faults import is_spent
from moderation.errors import Cancelled, DeadlineExceeded, MediaFault
from moderation.evidence import Evidence
from moderation.look import Look, Step, Watch, Watchdog
from moderation.media import Broadcast, MediaReader, Outcome, broadcast
from moderation.scan import Video
from moderation.second_look import Matters, both, look_again
from moderation.section import Section
from moderation.timeline import Instant
from moderation.verdict import Coverage, CoverageStatus

__all__ = ["Examination", "examine", "join"]

_PASSING = (MediaFault.DECODER_CRASHED, MediaFault.TIMEOUT)
"""Faults that may be of the machine and not of the file."""

_START = Instant(0)

_GRACE_S = 5.0
"""How long an interrupted scan waits for a detector to come to the end of its batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What detectors saw in one video, what they did not look at, and the time each took.

    decoded  up to where the video was decoded
    """

    evidence: tuple[Evidence, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    scan_s: float = 0.0
    """By the clock; of several looks, the longest."""
    decoded: Instant = _START
    cut_short: str = ""
    """Why another look may see more; empty for a whole one."""
    sandbox: tuple[str, ...] = ()
    """What held the decoder."""
    device_fault: str = ""
    """Why some looks failed that another process may do; a worker gives the part back."""


def examine(
    media: MediaReader,
    video: Video,
    detectors: Sequence[Detector[Any]],
    settings: Settings,
    watch: Watch = lambda _: None,
    *,
    matters: Matters = lambda _: False,
    settled: Callable[[Sequence[Evidence]], bool] = lambda _: False,
    section: Section | None = None,
) -> Examination:
    """Show frames and sound to loaded detectors; who reads text has his turn in `join`.

    matters  whether a rule reads evidence: its surroundings get a second look
    settled  whether nothing more can change what is made of this evidence: the look ends then;
             asked for everything that matters
    section  the part of the video to look at; `None`: all of it

    The look also ends, and what was seen stands, when `watch` raises `DeadlineExceeded`. Raises
    `MediaError` when nothing of the video can be decoded, and other `Interruption`s.
    """
    started, was_spent = time.perf_counter(), is_spent()
    lookers = [each for each in detectors if not isinstance(each.wants, Text)]
    shown = [each for each in lookers if _applies(each, video)]
    ending = _Ending(matters, settled)
    looks, outcome = _first_stage(media, video, shown, settings, watch, ending, section)
    again = [] if ending.reason else looks
    seconds = _seconds(media, video, again, settings, matters, watch)
    evidence = [seen for look in looks for seen in look.evidence]
    evidence += [seen for new, _ in seconds.values() for seen in new]
    coverage = [look.coverage(outcome) for look in looks]
    coverage = [
        both(each, seconds[each.detector][1]) if each.detector in seconds else each
        for each in coverage
    ]
    coverage += [_not_applicable(each) for each in lookers if each not in shown]
    device_fault = "; ".join(look.device_fault for look in looks if look.device_fault)
    if not device_fault and is_spent() and not was_spent:
        device_fault = "the device gave out in a second look"
    passing = outcome.message if outcome.fault in _PASSING else ending.reason
    return Examination(
        evidence=tuple(evidence),
        coverage=tuple(coverage),
        seconds={look.detector.name: look.seconds for look in looks},
        scan_s=time.perf_counter() - started,
        decoded=outcome.decoded,
        cut_short=passing or device_fault,
        sandbox=media.sandbox,
        device_fault=device_fault,
    )


def join(
    seen: Sequence[Examination],
    video: Video,
    detectors: Sequence[Detector[Any]],
    settings: Settings,
) -> Examination:
    """One examination of all that several lanes saw, read by those who want text."""
    evidence = [each for part in seen for each in part.evidence]
    decoded = max((part.decoded for part in seen), default=_START)
    readers = [(each, each.wants) for each in detectors if isinstance(each.wants, Text)]
    texts = [_second_stage(each, wants, evidence, video, settings) for each, wants in readers]
    outcome = Outcome(decoded=decoded)
    for text in texts:
        text.settle(outcome)
    evidence += [each for text in texts for each in text.evidence]
    coverage = [each for part in seen for each in part.coverage]
    coverage += [text.coverage(outcome) for text in texts]
    seconds = {name: took for part in seen for name, took in part.seconds.items()}
    return Examination(
        evidence=tuple(sorted(evidence, key=lambda each: (each.span, each.label, each.id))),
        coverage=tuple(sorted(coverage, key=lambda each: each.detector)),
        seconds=seconds | {text.detector.name: text.seconds for text in texts},
        scan_s=max((part.scan_s for part in seen), default=0.0)
        + sum(text.seconds for text in texts),
        decoded=decoded,
        cut_short="; ".join(sorted({part.cut_short for part in seen if part.cut_short})),
        sandbox=next((part.sandbox for part in seen if part.sandbox), ()),
    )


class _Ending:
    """Whether to look on: gathers what matters from all detectors' threads, and heeds deadlines.

    reason  why the look ended early; empty while it did not
    """

    def __init__(self, matters: Matters, settled: Callable[[Sequence[Evidence]], bool]) -> None:
        self._matters, self._settled = matters, settled
        self._evidence: list[Evidence] = []
        self._lock = threading.Lock()
        self.reason = ""

    def tell(self, seen: Evidence, decode: Broadcast) -> None:
        if not self._matters(seen):
            return
        with self._lock:
            self._evidence.append(seen)
            if not self.reason and self._settled(self._evidence):
                self._end("the verdict was settled before the end", decode)

    def heed(self, watch: Watch, step: Step, decode: Broadcast) -> None:
        """Whoever is late has seen something; whoever is cancelled is not asked any more."""
        try:
            watch(step)
        except DeadlineExceeded as late:
            with self._lock:
                self._end(str(late), decode)

    def _end(self, reason: str, decode: Broadcast) -> None:
        self.reason = self.reason or reason
        decode.suffice(self.reason)


def _seconds(
    media: MediaReader,
    video: Video,
    looks: Sequence[Look],
    settings: Settings,
    matters: Matters,
    watch: Watch,
) -> dict[str, tuple[list[Evidence], Coverage]]:
    """The second looks that were worth while, by detector."""
    found = {
        look.detector.name: look_again(media, video, look, settings, matters, watch)
        for look in looks
    }
    return {name: each for name, each in found.items() if each is not None}


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
    media: MediaReader,
    video: Video,
    detectors: Sequence[Detector[Any]],
    settings: Settings,
    watch: Watch,
    ending: _Ending,
    section: Section | None,
) -> tuple[list[Look], Outcome]:
    wants = [each.wants for each in detectors if not isinstance(each.wants, Text)]
    decode = broadcast(media, video, wants, section=section)
    start, end = _ends(video, section)

    def heed(step: Step) -> None:
        ending.heed(watch, step, decode)

    looks = [
        Look(each, feed, video, settings, heed, lambda seen: ending.tell(seen, decode))
        for each, feed in zip(detectors, decode.feeds, strict=True)
    ]
    with Watchdog(looks, settings.detector_stall):
        for look in looks:
            look.start()
        try:
            outcome = decode.run(lambda at: heed(Step("decode", at, end, start)))
            for look in looks:
                look.wait()
                look.settle(outcome)
        except BaseException:
            decode.stop(Cancelled())
            for look in looks:
                look.join(_GRACE_S)
            raise
    return looks, outcome


def _ends(video: Video, section: Section | None) -> tuple[Instant, Instant]:
    start, end = (section.start, section.end) if section else (_START, None)
    return start, end or Instant(video.duration_us)


def _second_stage(
    detector: Detector[Any],
    wants: Text,
    evidence: Sequence[Evidence],
    video: Video,
    settings: Settings,
) -> Look:
    texts = [seen for seen in evidence if seen.text and seen.label in wants.labels]
    look = Look(detector, _Texts(sorted(texts, key=lambda seen: seen.span)), video, settings)
    with Watchdog([look], settings.detector_stall):
        look.start()
        look.wait()
    return look


class _Texts:
    """A feed of one batch: all texts of a video."""

    unit = "texts"
    inherited = waited_s = 0.0
    unchanged: Mapping[Instant, Sequence[Instant]] = MappingProxyType({})

    def __init__(self, texts: Sequence[Evidence]) -> None:
        self._texts, self.planned, self.examined = texts, float(len(texts)), 0.0

    def __iter__(self) -> Iterator[TextBatch]:
        if self._texts:
            yield self._texts
            self.examined = self.planned

    def close(self) -> None:
        """Nothing waits for it."""
