"""One screen: the text on the frames of one video stream, read where the picture changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from moderation import Box, Degraded, Frame, Instant
from moderation.media.change import Reference, Thumbnail, thumbnail
from moderation.timeline import MICROSECONDS
from moderation_text.lines import Line, Lines
from moderation_text.reading import Reading, Region
from moderation_text.shapes import WHOLE

if TYPE_CHECKING:
    from moderation_text.reader import Reader
    from moderation_text.screen_text import ScreenText

__all__ = ["Screen", "Shortfalls"]

_SAME_PLACE = 0.8
"""Intersection over union of a region with one read before, from which, over pixels that did not
change, it is the same: the text detector's boxes jitter by a pixel or two."""

_MARGIN = 0.03
"""Added on each side to the part that changed, in fractions of the frame: the thin end of a
letter may change no block's mean, and what is text is told from its surroundings."""

_MOST = 0.6
"""Share of the frame from which the whole of it is looked at: the rest would save little."""

_SURE_TEXT = 0.65
"""Text detector's score from which a region that cannot be read is reported: lines of scripts that
the recogniser does not know score 0.65 to 0.83, most of what it takes for letters less."""

_LINE_WIDTH = (0.1, 0.95)
"""Width of such a region, as a fraction of the frame's: below are marks and patterns, and what
fills the whole width is an edge."""

_SURE_READING = 0.8
"""Recogniser's score below which a region counts as unread: scripts that it does not know score
0.2 to 0.8, right readings nearly always above 0.9."""


class Shortfalls:
    """What of a video's text was not read."""

    def __init__(self) -> None:
        self._unread, self._first_unread = 0, Instant(0)
        self._skipped, self._first_skipped = 0, Instant(0)

    def unread(self, at: Instant) -> None:
        """A region is text, and says nothing that the recogniser knows."""
        self._first_unread = self._first_unread if self._unread else at
        self._unread += 1

    def skipped(self, regions: int, at: Instant) -> None:
        """A frame has more regions than are read."""
        self._first_skipped = self._first_skipped if self._skipped else at
        self._skipped += regions

    def told(self) -> Iterator[Degraded]:
        """One sentence for each kind, at the end of the video."""
        if self._unread:
            yield Degraded(
                f"{self._unread} text regions could not be read, e.g. at {self._first_unread}"
            )
        if self._skipped:
            yield Degraded(
                f"{self._skipped} text regions beyond max_lines were not read, "
                f"e.g. at {self._first_skipped}"
            )


class Screen:
    """The lines on the frames of one stream, in time order."""

    def __init__(self, reader: Reader, options: ScreenText.Options, shortfalls: Shortfalls) -> None:
        self._reader, self._options, self._shortfalls = reader, options, shortfalls
        self._reference = Reference(options.change)
        self._lines = Lines(round(options.gap_s * MICROSECONDS))
        self._readings: list[Reading] = []

    def look(self, frame: Frame) -> Iterator[Line]:
        """Read what changed in a frame; yields the lines that have ended."""
        if frame.repeats:
            return self._lines.hold(frame.at)
        now = thumbnail(frame.image)
        changed = self._reference.changed(now)
        if changed is None:
            return self._lines.hold(frame.at)
        part = self._part(changed)
        kept = [each for each in self._readings if not each.region.box.iou(part)]
        known, fresh = self._split(self._wanted(frame, part), now)
        readings = [self._reader.read(frame, region) for region in fresh]
        self._report(readings, frame.at)
        self._reference.examined(now, except_in=[each.region.box for each in kept + known])
        self._readings = kept + known + readings
        return self._lines.see([each for each in self._readings if self._counts(each)], frame.at)

    def close(self) -> Iterator[Line]:
        """The stream ended; yields the lines that were still there."""
        return self._lines.close()

    def _part(self, changed: Box) -> Box:
        """Where text is looked for: what changed, a margin, and the whole of all lines in it."""
        part = _grown(changed)
        lines = [each.region.box for each in self._readings]
        while touching := [box for box in lines if box.iou(part) and not _holds(part, box)]:
            part = _hull(part, *touching)
        return part if part.area <= _MOST else WHOLE

    def _wanted(self, frame: Frame, part: Box) -> list[Region]:
        """The regions that the options let through, the surest first."""
        options = self._options
        regions = sorted(
            (
                each
                for each in self._reader.find(frame, part)
                if each.height >= options.min_height
                and each.width >= options.min_width
                and not any(_inside(each.box, part) for part in options.ignore)
            ),
            key=lambda each: -each.score,
        )
        if beyond := len(regions) - options.max_lines:
            self._shortfalls.skipped(max(0, beyond), frame.at)
        return regions[: options.max_lines]

    def _split(
        self, regions: Iterable[Region], now: Thumbnail
    ) -> tuple[list[Reading], list[Region]]:
        """What was read before and did not change since, and what is to be read."""
        known, fresh = list[Reading](), list[Region]()
        for region in regions:
            before = _at(region.box, self._readings)
            if before is None or self._reference.differs(now, before.region.box):
                fresh.append(region)
            else:
                known.append(before)
        return known, fresh

    def _report(self, readings: Iterable[Reading], at: Instant) -> None:
        """Count the regions that cannot be read, one that stays in its place once."""
        for reading in filter(_unread, readings):
            before = _at(reading.region.box, self._readings)
            if before is None or not _unread(before):
                self._shortfalls.unread(at)

    def _counts(self, reading: Reading) -> bool:
        return reading.legible and reading.score >= self._options.min_confidence


def _grown(box: Box) -> Box:
    return Box.from_corners(
        box.left - _MARGIN, box.top - _MARGIN, box.right + _MARGIN, box.bottom + _MARGIN
    )


def _hull(*boxes: Box) -> Box:
    return Box.from_corners(
        min(each.left for each in boxes),
        min(each.top for each in boxes),
        max(each.right for each in boxes),
        max(each.bottom for each in boxes),
    )


def _holds(part: Box, box: Box) -> bool:
    return _hull(part, box) == part


def _unread(reading: Reading) -> bool:
    region = reading.region
    line = region.score >= _SURE_TEXT and _LINE_WIDTH[0] <= region.width <= _LINE_WIDTH[1]
    return line and (reading.score < _SURE_READING or not reading.legible)


def _at(box: Box, readings: Iterable[Reading]) -> Reading | None:
    """What was read at that place, if anything was."""
    overlaps = ((reading.region.box.iou(box), reading) for reading in readings)
    best = max(overlaps, key=lambda each: each[0], default=None)
    return best[1] if best and best[0] >= _SAME_PLACE else None


def _inside(box: Box, part: Box) -> bool:
    """Whether the middle of a box lies in a part of the frame."""
    x, y = box.left + box.width / 2, box.top + box.height / 2
    return part.left <= x <= part.right and part.top <= y <= part.bottom
