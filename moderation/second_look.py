"""A second look: around what breaks the policy, frames are looked at more often.

The first look samples evenly and sees that something is there; this one finds from when to when,
and whether neighbouring frames bear it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from moderation.config import Settings
from moderation.detector import Detector, Frames
from moderation.errors import DeadlineExceeded, MediaError
from moderation.evidence import Evidence
from moderation.look import Look, Step, Watch, Watchdog
from moderation.media import Broadcast, MediaReader, Outcome, broadcast
from moderation.scan import Video
from moderation.timeline import MICROSECONDS, Instant
from moderation.verdict import Coverage, CoverageStatus

__all__ = ["Matters", "both", "look_again", "windows_around"]

_BADNESS = (
    CoverageStatus.COMPLETE,
    CoverageStatus.PARTIAL,
    CoverageStatus.DEGRADED,
    CoverageStatus.FAILED,
)

Matters = Callable[[Evidence], bool]
"""Whether evidence is worth a second look: a rule of the policy reads it."""

Window = tuple[Instant, Instant]


def look_again(
    media: MediaReader,
    video: Video,
    first: Look,
    settings: Settings,
    matters: Matters,
    watch: Watch = lambda _: None,
) -> tuple[list[Evidence], Coverage] | None:
    """What a detector sees the second time, and how much of it there was to see.

    It reaches over the borders of the section that was looked at first, as far as it would in one
    piece. `None` for a detector that saw nothing that matters, or whose evidence is not of single
    frames.
    """
    wants = first.detector.wants
    if not isinstance(wants, Frames) or wants.unchanged != "inherit" or settings.media.closer < 2:
        return None
    hits = [seen for seen in first.evidence if matters(seen)]
    windows = windows_around(hits, wants.per_second, settings.media.closer_s)
    if not windows:
        return None
    closer = replace(wants, per_second=wants.per_second * settings.media.closer)
    decode = broadcast(media, video, [closer], windows)
    look = Look(first.detector, decode.feeds[0], video, settings)
    try:
        outcome = _shown(decode, look, settings, watch)
    except MediaError as error:
        return [], _unseen(first.detector, error.message)
    except DeadlineExceeded as late:
        return [], _unseen(first.detector, str(late))
    look.settle(outcome)
    known = {seen.span.start for seen in first.evidence}
    new = [seen for seen in look.evidence if seen.span.start not in known]
    return new, look.coverage(outcome)


def both(first: Coverage, second: Coverage) -> Coverage:
    """The coverage of two looks together; it is no better than the worse of them."""
    worse = max(first, second, key=lambda each: _BADNESS.index(each.status))
    return replace(
        first,
        status=worse.status,
        planned=first.planned + second.planned,
        examined=first.examined + second.examined,
        inherited=first.inherited + second.inherited,
        reason="; ".join(each.reason for each in (first, second) if each.reason),
    )


def windows_around(
    hits: Sequence[Evidence], per_second: float, most_s: float
) -> tuple[Window, ...]:
    """From the sample before each to the one after it, those that touch made one.

    The surest finds first, until there are `most_s` seconds.
    """
    reach, left = round(MICROSECONDS / per_second), round(most_s * MICROSECONDS)
    spans: list[tuple[int, int]] = []
    for seen in sorted(hits, key=lambda each: -each.score):
        start, end = max(0, seen.span.start.us - reach), seen.span.end.us + reach
        if not any(low <= start and end <= high for low, high in spans):
            left -= end - start
            if left < 0:
                break
            spans = _merged([*spans, (start, end)])
    return tuple((Instant(start), Instant(end)) for start, end in spans)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            start, end = merged[-1][0], max(end, merged.pop()[1])
        merged.append((start, end))
    return merged


def _shown(decode: Broadcast, look: Look, settings: Settings, watch: Watch) -> Outcome:
    """Raises what `watch` does, when the look is over."""
    step = partial(Step, f"{look.detector.name} again", end=Instant(decode.video.duration_us))
    with Watchdog([look], settings.detector_stall):
        look.start()
        try:
            return decode.run(lambda at: watch(step(at)))
        finally:
            look.wait()


def _unseen(detector: Detector[Any], message: str) -> Coverage:
    reason = f"no second look: {message}"
    return Coverage(detector=detector.name, status=CoverageStatus.PARTIAL, reason=reason)
