"""Which language: each window's own where Whisper is sure, else what the video spoke so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

__all__ = ["LanguageVote"]

_SURE = 0.8
"""Probability from which a window decides for itself. Lower, and a short "okay" or a name turns
a French video Welsh; higher, and a video that changes its language is not followed."""


class LanguageVote:
    """The languages of one video's windows, weighted by their length."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def decide(
        self, probabilities: Iterable[tuple[str, float]], seconds: float
    ) -> tuple[str, float]:
        """The language of a window and its probability there, from all of the window's."""
        own = dict(probabilities)
        for language, probability in own.items():
            self._seconds[language] += probability * seconds
        surest = max(own, key=lambda language: own[language])
        if own[surest] >= _SURE:
            return surest, own[surest]
        language = max(self._seconds, key=lambda language: self._seconds[language])
        return language, own.get(language, 0.0)
