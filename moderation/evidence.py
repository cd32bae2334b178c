"""Evidence: who saw what, when, where, in whose voice or face, with which text.

The narrow waist of the system. It knows neither who makes it nor who uses it: detectors yield
it, the store keeps it, fusion reads it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from moderation.timeline import Instant, Span

__all__ = ["Box", "Evidence", "Producer", "Word"]

_DECIMALS = 6
"""Scores and boxes are kept to this many decimals, so that two runs that differ in the last bit
of a float are one piece of evidence."""

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
"""One encoder for all: making one takes as long as encoding with it."""


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS) + 0.0  # without the sign of -0.0, which SQL loses


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in fractions of the frame as displayed: 0..1 from its left and top edge."""

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        for name in ("left", "top", "width", "height"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"a box lies inside the frame: {name} is {value}")
            object.__setattr__(self, name, _rounded(value))

    @classmethod
    def from_corners(cls, x0: float, y0: float, x1: float, y1: float) -> Box:
        """From two corners in fractions of the frame, cut at its edges."""
        x0, y0, x1, y1 = (min(1.0, max(0.0, float(value))) for value in (x0, y0, x1, y1))
        return cls(x0, y0, max(0.0, x1 - x0), max(0.0, y1 - y0))

    @property
    def right(self) -> float:
        return min(1.0, self.left + self.width)

    @property
    def bottom(self) -> float:
        return min(1.0, self.top + self.height)

    @property
    def area(self) -> float:
        """Share of the frame, 0..1."""
        return self.width * self.height

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word: `score` is the recogniser's confidence 0..1, `speaker` who said it."""

    text: str
    span: Span
    score: float
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Producer:
    """Who saw it: a detector, its version, and the weights it looked with."""

    detector: str
    version: str = ""
    model: str = ""
    digest: str = ""
    """sha256 of the weights; empty for a detector without any."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One thing that one detector saw.

    label    a path of the taxonomy, `Violence/Weapons/Knife`
    score    0..1, the detector's confidence
    span     when; one instant for a single frame
    best     the instant to show a person: the frame with the highest score; within `span`
    box      where, at `best`
    text     what was read or heard, original spelling
    words    the words of `text` with their times, for speech
    subject  in whose voice or face: a speaker, a track, or a watch list's person
    detail   what else the detector knows: landmarks, the term that matched, the language
    producer who saw it; stamped by `Detector.evidence`

    Raises `ValueError` for a score, time or box that cannot be.
    """

    label: str
    score: float
    span: Span
    best: Instant = field(default=None)  # type: ignore[assignment]  # span.start unless given
    box: Box | None = None
    text: str | None = None
    words: tuple[Word, ...] = ()
    subject: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    producer: Producer = Producer("")

    def __post_init__(self) -> None:
        if not (math.isfinite(self.score) and 0 <= self.score <= 1):
            raise ValueError(f"a score lies between 0 and 1, not at {self.score}")
        object.__setattr__(self, "score", _rounded(self.score))
        if self.best is None:
            object.__setattr__(self, "best", self.span.start)
        if not self.span.start <= self.best <= self.span.end:
            raise ValueError(f"the best instant {self.best} lies outside the span {self.span}")

    @property
    def detector(self) -> str:
        return self.producer.detector

    @cached_property
    def id(self) -> str:
        """16 hex digits of the content's sha256: the same sight has the same id in every run."""
        box = self.box and [self.box.left, self.box.top, self.box.width, self.box.height]
        what = [self.detector, self.label, self.score, self.text, self.subject, self.detail]
        where = [self.span.start.us, self.span.end.us, box]
        canonical = _canonical([what, where])
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def by(self, producer: Producer) -> Evidence:
        """The same sight, stamped with who saw it."""
        return replace(self, producer=producer)
