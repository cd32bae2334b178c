"""The remedies as an edit decision list (CMX 3600), for the editing programs that people know.

An event is a part of the video that stays, one after the other; what is cut is in none of them,
and a muted part has pictures only. The format has no blur and no age restriction: they are
comments, with times of the source and the box in fractions of the frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from moderation.decision import Decision, Remedy
from moderation.errors import ConfigurationError
from moderation.reports.edits import Edit, edits, kept, of_kind
from moderation.reports.frames import frame_rate
from moderation.reports.text import one_line
from moderation.scan import Scan, Video
from moderation.timeline import MICROSECONDS, Instant, Span

__all__ = ["EVENTS", "edit_list"]

EVENTS: Final = 999
"""What three digits number."""
_RATE: Final = 25
"""Frames per second of what has none, such as sound alone."""
_FASTEST: Final = 60
"""A frame's number has two digits; of faster videos only every second or fourth is counted."""
_SLACK: Final = Fraction(1, 100)
"""Of a frame: our times are whole microseconds, and may be a little late."""
_TITLE: Final = 70
"""Letters of a title that old readers take."""


class _Part(NamedTuple):
    span: Span
    muted: bool


def edit_list(scan: Scan, decisions: Sequence[Decision]) -> str:
    """The list of one video. Raises `ConfigurationError` for more events than it can number."""
    return "\n".join(_lines(scan, edits(scan, decisions))) + "\n"


def _lines(scan: Scan, found: Sequence[Edit]) -> Iterator[str]:
    name = one_line(PurePosixPath(scan.video.uri).name or scan.video.uri)
    rate = _rate(scan.video)
    yield f"TITLE: {name[:_TITLE]}"
    yield "FCM: NON-DROP FRAME"
    yield f"* {rate.numerator}/{rate.denominator} FRAMES PER SECOND"
    for edit in found:
        if edit.remedy in (Remedy.BLUR, Remedy.AGE_RESTRICT):
            yield _comment(edit, rate)
    muted = of_kind(found, Remedy.MUTE)
    parts = _split(kept(scan, of_kind(found, Remedy.CUT)), muted)
    yield from _events(scan.video, name, parts, rate)


def _rate(video: Video) -> Fraction:
    rate = frame_rate(video, _RATE)
    while rate > _FASTEST:
        rate /= 2
    return max(rate, Fraction(1))


def _comment(edit: Edit, rate: Fraction) -> str:
    times = " ".join(_timecode(_frame(at, rate), rate) for at in edit.span)
    box = edit.box
    corner = f" {box.left:.4f} {box.top:.4f} {box.width:.4f} {box.height:.4f}" if box else ""
    return f"* {edit.remedy.name} {times}{corner} {one_line(edit.label)}"


def _split(parts: Iterable[Span], muted: Iterable[Span]) -> Iterator[_Part]:
    """At the borders of what is muted."""
    silent = tuple(muted)
    borders = sorted({at for span in silent for at in span})
    for part in parts:
        inside = [at for at in borders if part.start < at < part.end]
        ends = [part.start, *inside, part.end]
        for start, end in pairwise(ends):
            span = Span(start, end)
            yield _Part(span, any(each.start <= start and end <= each.end for each in silent))


def _events(video: Video, name: str, parts: Iterable[_Part], rate: Fraction) -> Iterator[str]:
    number = recorded = 0
    for part in parts:
        start, end = (_frame(at, rate) for at in part.span)
        if start == end:
            continue
        number += 1
        if number > EVENTS:
            raise ConfigurationError(
                f"an edit list numbers {EVENTS} events, and {name} has more",
                hint="write --format ffmpeg",
            )
        until = recorded + end - start
        times = " ".join(_timecode(each, rate) for each in (start, end, recorded, until))
        reel, track = _track(video, muted=part.muted)
        yield f"{number:03}  {reel:<8} {track:<5} C        {times}"
        yield f"* FROM CLIP NAME: {name}"
        recorded = until


def _track(video: Video, *, muted: bool) -> tuple[str, str]:
    """Reel and channels. `AX` is a file and no tape, `BL` is nothing: black, or silence."""
    if not video.has_video:
        return ("BL" if muted else "AX"), "AA"
    return "AX", "AA/V" if video.has_audio and not muted else "V"


def _frame(at: Instant, rate: Fraction) -> int:
    """The first frame that does not come before `at`: where one part ends and the next begins."""
    return math.ceil(at.us * rate / MICROSECONDS - _SLACK)


def _timecode(frame: int, rate: Fraction) -> str:
    """Hours, minutes, seconds and frames, by the whole number of frames next to the rate."""
    seconds, frame = divmod(frame, round(rate))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}:{frame:02}"
