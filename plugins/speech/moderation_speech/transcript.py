"""What a recogniser makes of utterances: segments of text with their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from moderation.evidence import Word
from moderation.timeline import Span
from moderation_speech.utterance import Utterance

__all__ = ["Recogniser", "Segment", "Untranscribed", "untranscribed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A sentence or so of what was said; without a text, speech that could not be transcribed."""

    span: Span
    score: float
    """Confidence in the text, 0..1; of speech without a text: that it is speech."""
    text: str | None = None
    words: tuple[Word, ...] = ()
    language: str = ""
    """ISO 639-1 code, as Whisper names languages; empty when unknown."""
    language_score: float = 0.0
    """Its probability; 0 where nobody asked the sound."""
    untranscribed: str = ""
    """Why there is no text."""


class Recogniser(Protocol):
    """Speech to text. One instance serves many videos."""

    device: str
    """Where it computes: `cpu`, `cuda:0`."""

    def transcribe(self, utterances: Iterable[Utterance]) -> Iterator[Segment]:
        """The segments of one video, in time order; its locals are all that it remembers."""
        ...


class Untranscribed:
    """Stands in where no recogniser knows the language: says when there was speech."""

    device = "cpu"

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def transcribe(self, utterances: Iterable[Utterance]) -> Iterator[Segment]:
        for utterance in utterances:
            yield untranscribed(utterance, utterance.span, self._reason)


def untranscribed(utterance: Utterance, span: Span, reason: str) -> Segment:
    """The segment that says: here was speech, and this is why there is no text."""
    return Segment(span=span, score=utterance.activity, untranscribed=reason)
