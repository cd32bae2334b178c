"""Faces followed over time: one track per person in sight, not one per frame.

A face continues a track when it is where the track was last, or when its embedding is like the
track's. Without a watch list nobody's face is embedded; then place and motion decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from moderation import Instant, Span
from moderation.timeline import MICROSECONDS
from moderation.trail import Trail
from moderation_faces.face import Face
from moderation_faces.motion import moved, nearness
from moderation_faces.watchlist import Embedding, Match

__all__ = ["Recognition", "Sight", "Track", "Tracker"]

_NEAR = 0.2
"""Nearness from which a face may be the same one as before: at one frame a second, a person who
moves by half a head still is."""

_LIKE = 0.5
"""Score of two embeddings from which they are one person, wherever in the frame."""

_UNLIKE = 0.1
"""Score of two embeddings below which they are two people, even in one place: a cut, or one who
passes another. Now and then a head that turns to its profile comes below as well, and counts as
another face."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One face in one frame, and who it is most like on the watch list."""

    face: Face
    at: Instant
    embedding: Embedding | None = None
    match: Match | None = None


@dataclass(slots=True)
class Recognition:
    """The frames of one track in which one person of the watch list was recognised."""

    span: Span
    best: Sight
    match: Match
    frames: int = 0
    total: float = 0.0
    """Sum of the similarities."""

    def add(self, sight: Sight, match: Match) -> None:
        self.span = Span(self.span.start, sight.at)
        self.frames += 1
        self.total += match.similarity
        if match.similarity > self.match.similarity:
            self.best, self.match = sight, match


@dataclass(slots=True, eq=False)
class Track:
    """One person in sight without a longer gap. Its memory grows with its ways, not its length."""

    number: int
    span: Span
    best: Sight
    last: Sight
    frames: int = 0
    recognitions: dict[str, Recognition] = field(default_factory=dict)
    trail: Trail = field(default_factory=Trail)
    _sum: Embedding | None = None

    @classmethod
    def of(cls, number: int, sight: Sight) -> Track:
        track = cls(number, Span.at(sight.at), sight, sight)
        track.add(sight)
        return track

    @property
    def name(self) -> str:
        return f"face {self.number}"

    def add(self, sight: Sight) -> None:
        self.span, self.last = Span(self.span.start, sight.at), sight
        self.frames += 1
        self.trail.add(sight.at, sight.face.box)
        if sight.face.score > self.best.face.score:
            self.best = sight
        if sight.embedding is not None:
            self._sum = sight.embedding if self._sum is None else self._sum + sight.embedding
        if sight.match is not None:
            new = Recognition(Span.at(sight.at), sight, sight.match)
            self.recognitions.setdefault(sight.match.face.person, new).add(sight, sight.match)

    def similarity(self, embedding: Embedding) -> float | None:
        """Cosine to the mean of the track's embeddings; None without any."""
        if self._sum is None:
            return None
        return float(embedding @ self._sum / np.linalg.norm(self._sum))


class Tracker:
    """The tracks of one video stream.

    max_gap_us  how long a face may be out of sight and still be the same track
    numbers     gives each track its number; shared by the streams of a video
    likeness    what the cosine of two embeddings is worth, 0..1: `Recogniser.score`
    """

    def __init__(
        self, max_gap_us: int, numbers: Iterator[int], likeness: Callable[[float], float]
    ) -> None:
        self._max_gap_us, self._numbers, self._likeness = max_gap_us, numbers, likeness
        self._open: list[Track] = []
        self._before: Instant | None = None

    def follow(self, at: Instant, sights: Sequence[Sight]) -> list[Track]:
        """Add what was seen in the next frame; returns the tracks that have ended by then."""
        ended = [track for track in self._open if self._is_over(track, at)]
        self._open = [track for track in self._open if track not in ended]
        left = list(sights)
        for pairs in (self._pairs, self._moved):
            for track, sight in list(pairs(left)):
                track.add(sight)
                left.remove(sight)
        self._open += [Track.of(next(self._numbers), sight) for sight in left]
        self._before = at
        return ended

    def close(self) -> list[Track]:
        """The tracks that are open when the video ends."""
        tracks, self._open = self._open, []
        return tracks

    def _is_over(self, track: Track, at: Instant) -> bool:
        """A track that the frame just before still had goes on, however far apart frames are."""
        missed = track.span.end != self._before
        return missed and at - track.span.end > self._max_gap_us

    def _pairs(self, sights: Sequence[Sight]) -> Iterator[tuple[Track, Sight]]:
        """Open tracks with the sights that continue them, each at most once, surest first."""
        pairs = ((self._affinity(track, s), track, s) for track in self._open for s in sights)
        taken: set[int] = set()
        for affinity, track, sight in sorted(pairs, key=lambda pair: pair[0], reverse=True):
            if affinity > 0 and taken.isdisjoint((id(track), id(sight))):
                taken |= {id(track), id(sight)}
                yield track, sight

    def _moved(self, sights: Sequence[Sight]) -> Iterator[tuple[Track, Sight]]:
        """Tracks of the frame before with sights elsewhere, where no embedding tells them apart."""
        lost = [track for track in self._open if track.span.end == self._before]
        unknown = [sight for sight in sights if sight.embedding is None]
        if self._before is not None and lost and unknown:
            seconds = (unknown[0].at - self._before) / MICROSECONDS
            boxes = [track.last.face.box for track in lost], [each.face.box for each in unknown]
            for index, other in moved(*boxes, seconds):
                yield lost[index], unknown[other]

    def _affinity(self, track: Track, sight: Sight) -> float:
        """How surely they are one person; 0 when they are not."""
        near = nearness(track.last.face.box, sight.face.box)
        similarity = None if sight.embedding is None else track.similarity(sight.embedding)
        if similarity is None:
            return near if near >= _NEAR else 0.0
        like = self._likeness(similarity)
        same = like >= _LIKE or (near >= _NEAR and like >= _UNLIKE)
        return near + like if same else 0.0
