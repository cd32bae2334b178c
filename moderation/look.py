"""A look: one detector looking at one video, in a thread of its own, where its failures end."""

from __future__ import annotations

import contextvars
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import structlog
from structlog.contextvars import bound_contextvars

from moderation.config import Settings
from moderation.detector import Degraded, Detector
from moderation.device_faults import hang
from moderation.errors import Cancelled, DetectorUnavailable, DeviceError, Interruption
from moderation.evidence import Evidence
from moderation.fitting import Fitting
from moderation.media import Outcome
from moderation.scan import Video
from moderation.taxonomy import CONTEXT, is_within
from moderation.timeline import Instant, Span
from moderation.verdict import Coverage, CoverageStatus

__all__ = ["Feed", "Look", "Step", "Watch", "Watchdog"]

log = structlog.get_logger(__name__)

_SLACK_US = 1_000_000
"""How far evidence may end behind the last frame: an audio track is often a little longer."""

_LONGEST = 100_000
"""Characters of a text, and of details as JSON: an hour of speech in one piece has fewer."""

_TICK_S = 0.5
"""How often the watchdog looks for a detector that hangs."""


_BEGIN = Instant(0)

_seats = threading.Lock()
_seated: WeakKeyDictionary[Detector[Any], Look] = WeakKeyDictionary()
"""The look that each detector was last given to."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far into the video a detector has come: `at`, on the way from `start` to `end`."""

    detector: str
    at: Instant
    end: Instant
    start: Instant = _BEGIN


Watch = Callable[[Step], None]
"""Called from the detectors' threads at every batch, and by the decoder as "decode"."""


class Feed(Protocol):
    """What a detector reads from: `moderation.media.Feed`, or texts."""

    unit: str

    @property
    def examined(self) -> float: ...
    @property
    def planned(self) -> float: ...
    @property
    def inherited(self) -> float: ...
    @property
    def unchanged(self) -> Mapping[Instant, Sequence[Instant]]: ...
    @property
    def waited_s(self) -> float: ...
    def __iter__(self) -> Iterator[Any]: ...
    def close(self) -> None: ...


class Look(threading.Thread):
    """One detector looking at one video, in its own thread: the isolation boundary."""

    def __init__(
        self,
        detector: Detector[Any],
        feed: Feed,
        video: Video,
        settings: Settings,
        watch: Watch = lambda _: None,
        tell: Callable[[Evidence], None] = lambda _: None,
    ) -> None:
        super().__init__(name=f"look-{detector.name}", daemon=True)
        self.detector, self.evidence, self.seconds = detector, list[Evidence](), 0.0
        self.busy_since: float | None = None
        self._feed, self._settings, self._watch, self._tell = feed, settings, watch, tell
        self._end = Instant(video.duration_us)
        self._failure, self._shortfalls = "did not finish", dict[str, None]()
        self._refused, self._lost, self._degraded = 0, 0, False
        self._kept = Counter[bool]()
        self._heard_out, self._done, self._ending = False, threading.Event(), threading.Lock()
        self._fitting = Fitting(detector, self._keep)
        self.device_fault = ""
        """Why the look failed, where another process may succeed; empty otherwise."""
        self._context = contextvars.copy_context()

    def run(self) -> None:
        """In the context of who made it: what is logged says of which job it is."""
        self._context.run(self._look)

    def _look(self) -> None:
        with bound_contextvars(detector=self.detector.name):
            self._look_on()

    def _look_on(self) -> None:
        started, failure = time.perf_counter(), self._failure
        self.busy_since = time.monotonic()  # it may hang before it asks for anything
        try:
            self._take_seat()
            self._fitting.look(self._batches())
            failure = "" if self._heard_out else "stopped looking before the end"
        except Interruption as interruption:
            failure = f"was stopped: {type(interruption).__name__}"
        except DeviceError as error:
            failure = self.device_fault = str(error)
        except (Exception, SystemExit) as error:  # a detector that raises costs its own coverage
            failure = f"{type(error).__name__}: {error}"
            log.warning("a detector failed", exc_info=True)
        finally:
            self.seconds = max(0.0, time.perf_counter() - started - self._feed.waited_s)
            self._finish(failure)

    def _take_seat(self) -> None:
        """One video at a time: a detector that hangs in an earlier one must not get a second."""
        with _seats:
            earlier = _seated.get(self.detector)
            if earlier is not None and earlier.is_alive():
                raise DetectorUnavailable("it still hangs in an earlier video")
            _seated[self.detector] = self

    def wait(self) -> None:
        """Until it has finished or was abandoned."""
        self._done.wait()

    def abandon(self, stall: float) -> None:
        """Go on without it: Python cannot end a thread, but nobody need wait for one."""
        hang()
        self._finish(f"did not answer for {stall:g} s")

    @property
    def finished(self) -> bool:
        return self._done.is_set()

    def _finish(self, failure: str) -> None:
        """The first end counts: who was abandoned and wakes up later changes nothing any more."""
        with self._ending:
            if not self.finished:
                self._failure = failure
                self._done.set()
        self._feed.close()

    def settle(self, outcome: Outcome) -> None:
        """Refuse evidence outside of what was decoded: how long a video is, headers only claim."""
        last = outcome.decoded + _SLACK_US
        claimed, self.evidence = self.evidence, []
        claimed += self._inherited(claimed)
        for each in claimed:
            if each.span.start.us >= 0 and each.span.end <= last:
                self.evidence.append(each)
            else:
                self._refuse(each)

    def _inherited(self, seen: Iterable[Evidence]) -> list[Evidence]:
        """What was seen in a frame, for each frame that looks like it."""
        heirs = self._feed.unchanged
        if not heirs:
            return []
        inherited = []
        for each in seen:
            if each.span.start == each.span.end:
                for at in heirs.get(each.span.start, ()):
                    if self._is_full_of(each):
                        self._refuse(each)
                    else:
                        self._kept[_is_backdrop(each)] += 1
                        inherited.append(_at(each, at))
        return inherited

    def coverage(self, outcome: Outcome) -> Coverage:
        """What it planned and what it examined, with all reasons why the two differ."""
        partial = outcome.message if self._feed.examined < self._feed.planned else ""
        reasons = [
            self._failure,
            partial,
            self._fitting.note,
            *self._shortfalls,
            self._refusals(),
        ]
        return Coverage(
            detector=self.detector.name,
            status=self._status(partial),
            planned=self._feed.planned,
            examined=self._feed.examined,
            unit=self._feed.unit,
            inherited=self._feed.inherited,
            reason="; ".join(reason for reason in reasons if reason),
        )

    def _status(self, partial: str) -> CoverageStatus:
        if self._failure or self._lost:
            return CoverageStatus.FAILED
        if self._degraded:  # before partial, which the share tells anyway
            return CoverageStatus.DEGRADED
        if partial or self._refused or self._feed.examined < self._feed.planned:
            return CoverageStatus.PARTIAL
        return CoverageStatus.COMPLETE

    def _refusals(self) -> str:
        if not self._refused:
            return ""
        kept = (
            "pieces of evidence were not kept: outside the video, not JSON, too long, or too many"
        )
        return f"{self._refused} {kept}"

    def _batches(self) -> Iterator[Any]:
        self.busy_since = None
        for batch in self._feed:
            self.busy_since = time.monotonic()
            self._watch(Step(self.detector.name, _time_of(batch), self._end))
            yield batch
            self.busy_since = None
        self.busy_since, self._heard_out = time.monotonic(), True

    def _keep(self, seen: Evidence | Degraded) -> None:
        if isinstance(seen, Degraded):
            self._degraded = True
            self._shortfalls[seen.reason] = None
        elif seen.score < self._settings.evidence_floor and not _is_read(seen):
            return
        elif self._is_full_of(seen) or not _is_storable(seen):
            self._refuse(seen)
        else:
            self._kept[_is_backdrop(seen)] += 1
            self._append(seen)

    def _is_full_of(self, seen: Evidence) -> bool:
        return self._kept[_is_backdrop(seen)] >= self._settings.max_evidence

    def _append(self, seen: Evidence) -> None:
        with self._ending:
            if self.finished:  # abandoned: nobody waits for what it sees, so it need not go on
                raise Cancelled
            self.evidence.append(seen)
        self._tell(seen)

    def _refuse(self, seen: Evidence) -> None:
        self._refused += 1
        self._lost += not _is_backdrop(seen)


class Watchdog(threading.Thread):
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

    def __enter__(self) -> Watchdog:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()


def _at(seen: Evidence, at: Instant) -> Evidence:
    """The same, seen at another instant."""
    detail = {**seen.detail, "inherited_from_us": seen.span.start.us}
    return replace(seen, span=Span.at(at), best=at, detail=detail)


def _is_read(seen: Evidence) -> bool:
    """What somebody wrote or said, and text detectors look into: however unsure a word is, it was
    said, and without it nobody would know that there was any."""
    return bool(seen.text) and is_within(seen.label, CONTEXT)


def _is_backdrop(seen: Evidence) -> bool:
    """Context that no text detector reads: to lose some of it hides no violation, and a crowd
    must not use up the room of what is one."""
    return is_within(seen.label, CONTEXT) and not seen.text


def _is_storable(seen: Evidence) -> bool:
    """The store keeps details as strict JSON, and nobody reads a book in one piece."""
    try:
        detail = json.dumps(dict(seen.detail), allow_nan=False)
    except (TypeError, ValueError):
        return False
    return len(detail) <= _LONGEST and len(seen.text or "") <= _LONGEST


def _time_of(batch: Any) -> Instant:
    first = batch if hasattr(batch, "at") else batch[0]
    return first.at if hasattr(first, "at") else first.span.start  # type: ignore[no-any-return]
