"""The look-out for people on the watch list: a recogniser with the list that was made with it."""

from __future__ import annotations

from pathlib import Path

from moderation import Frame
from moderation.evidence import Producer
from moderation_faces.face import Face
from moderation_faces.recogniser import Recogniser
from moderation_faces.watchlist import Embedding, Match, WatchList

__all__ = ["RECOGNISABLE", "Lookout"]

RECOGNISABLE = 28
"""Pixels of a face's shorter side from which it is embedded: a quarter of what the recogniser
sees. Below, pictures of one person are hardly more similar than those of strangers."""


class Lookout:
    """Compares faces with the watch list in a file.

    threshold  matches scored below are dropped
    producer   who signs the evidence of it
    """

    def __init__(
        self, recogniser: Recogniser, path: Path, threshold: float, producer: Producer
    ) -> None:
        """Raises `ConfigurationError` when the list is not there or not of this recogniser."""
        self.recogniser, self.producer = recogniser, producer
        self._list, self._threshold = WatchList.read(path), threshold
        self._list.check(recogniser.model, path)

    def embed(self, frame: Frame, face: Face) -> Embedding | None:
        """The face's embedding; None for one that is too small to tell whose it is."""
        if face.shorter_side < RECOGNISABLE:
            return None
        return self.recogniser.embed(frame.image, face)

    def match(self, embedding: Embedding) -> Match | None:
        """Whom it is most like; None for nobody."""
        nearest = self._list.nearest(embedding)
        if nearest is None:
            return None
        face, similarity = nearest
        score = self.recogniser.score(similarity)
        return Match(face, similarity, score) if score >= self._threshold else None
