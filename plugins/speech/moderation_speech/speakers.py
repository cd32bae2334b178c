"""Whose voice: turns of speakers, linked from one window of a video to the next, put on words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from moderation.evidence import Word
from moderation.timeline import Span
from moderation_speech.transcript import Segment

__all__ = ["SpeakerBook", "Turn", "Voice", "attribute", "main_speaker"]


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody speaks."""

    span: Span
    speaker: str


@dataclass(frozen=True, slots=True)
class Voice:
    """One speaker of one window: a name that holds there, and an embedding, shape (dim,)."""

    name: str
    embedding: NDArray[np.float32] | None


class SpeakerBook:
    """The voices of one video. Its names, SPEAKER_00 and on, hold for all of its windows.

    same  cosine similarity from which two windows' voices are one speaker
    """

    def __init__(self, same: float) -> None:
        self._same = same
        self._sums: list[NDArray[np.float32] | None] = []

    def names(self, voices: Sequence[Voice]) -> dict[str, str]:
        """A window's names -> the video's. Two voices of a window are never one speaker.

        The most similar pairs are matched first; a voice that is like none is a new speaker.
        """
        directions = [_direction(voice.embedding) for voice in voices]
        named: dict[int, int] = {}
        for _, voice, speaker in sorted(self._pairs(directions)):
            if voice not in named and speaker not in named.values():
                named[voice] = speaker
        for voice, direction in enumerate(directions):
            self._learn(named.setdefault(voice, len(self._sums)), direction)
        return {voices[voice].name: f"SPEAKER_{speaker:02}" for voice, speaker in named.items()}

    def _pairs(
        self, directions: Sequence[NDArray[np.float32] | None]
    ) -> Iterator[tuple[float, int, int]]:
        """Distance, voice and speaker, where they may be one."""
        for voice, direction in enumerate(directions):
            for speaker, total in enumerate(self._sums):
                known = _direction(total)
                if direction is not None and known is not None:
                    similarity = float(direction @ known)
                    if similarity >= self._same:
                        yield 1 - similarity, voice, speaker

    def _learn(self, speaker: int, direction: NDArray[np.float32] | None) -> None:
        if speaker == len(self._sums):
            self._sums.append(direction)
        elif direction is not None and (known := self._sums[speaker]) is not None:
            self._sums[speaker] = known + direction


def attribute(segment: Segment, turns: Sequence[Turn]) -> Segment:
    """The same segment with a speaker on every word; unchanged where nobody was found to speak."""
    if not turns:
        return segment
    words = tuple(replace(word, speaker=_speaker(word.span, turns)) for word in segment.words)
    return replace(segment, words=words)


def main_speaker(words: Iterable[Word]) -> str | None:
    """Who spoke most of the words."""
    spoken = Counter(word.speaker for word in words if word.speaker)
    return min(spoken, key=lambda speaker: (-spoken[speaker], speaker)) if spoken else None


def _speaker(span: Span, turns: Sequence[Turn]) -> str:
    """Whose turn the word overlaps most; the nearest turn's where it falls between two."""
    return max(turns, key=lambda turn: (_overlap(span, turn.span), -span.gap_us(turn.span))).speaker


def _overlap(one: Span, other: Span) -> int:
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def _direction(embedding: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """Of length one; None for a voice that was heard too briefly to know again."""
    if embedding is None:
        return None
    length = float(np.linalg.norm(embedding))
    return (embedding / length).astype(np.float32) if np.isfinite(length) and length else None
