"""Speech to text without a download: PocketSphinx with the English model that its wheel carries.

It knows no other language and cannot name one, but it is unsure of what it hears in German or
Chinese: an utterance whose words have a low mean posterior is given without a text, so that a
foreign sentence does not become an English insult.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moderation.evidence import Word
from moderation.media.frames import SAMPLE_RATE
from moderation.timeline import Span
from moderation_speech.sphinx_process import Heard, SphinxProcess
from moderation_speech.transcript import Segment, untranscribed
from moderation_speech.utterance import Utterance

__all__ = ["PocketSphinx"]

_FRAMES_PER_SECOND = 100
"""The rate of its acoustic model: times are multiples of 10 ms."""

_PAUSE = 0.5
"""Seconds of silence between two words that end a segment."""

_QUIET = 0.1
"""Peak below which sound is made louder: its 16 bit input would lose what is left."""

_SHORTEST = SAMPLE_RATE // 10
"""Samples; its feature extraction needs a few windows."""

_BEAM, _WORD_BEAM = 1e-60, 1e-40
"""Wider than the defaults (1e-48, 7e-29), with which a slightly shorter or louder recording gives
another text: word error 0.286 instead of 0.318 on 13 clean sentences, for 40 % more time."""

_UNCLEAR = "too unclear, or not English"

_VARIANT = re.compile(r"\(\d+\)$")
"""The number of a pronunciation in the dictionary: "the(2)"."""


class PocketSphinx:
    """US English, large vocabulary.

    min_confidence  mean posterior of an utterance's words below which its text is not given
    """

    device = "cpu"

    def __init__(self, model: Path, min_confidence: float) -> None:
        model = model.absolute()
        self._process = SphinxProcess(
            {
                "hmm": str(model / "en-us"),
                "lm": str(model / "en-us.lm.bin"),
                "dict": str(model / "cmudict-en-us.dict"),
                "beam": _BEAM,
                "wbeam": _WORD_BEAM,
                "cmn": "batch",
                "loglevel": "FATAL",
            }
        )
        self._min_confidence = min_confidence

    def transcribe(self, utterances: Iterable[Utterance]) -> Iterator[Segment]:
        for utterance in utterances:
            words = self._words(utterance)
            confidence = float(np.mean([word.score for word in words])) if words else 0.0
            if confidence < self._min_confidence:
                yield untranscribed(utterance, utterance.span, _UNCLEAR)
            else:
                yield from map(_segment, _phrases(words))

    def _words(self, utterance: Utterance) -> list[Word]:
        if len(utterance.samples) < _SHORTEST:
            return []
        return [
            Word(_VARIANT.sub("", found.word), _span(utterance, found), min(1.0, found.prob))
            for found in self._process.decode(_pcm(utterance.samples))
            if not found.word.startswith(("<", "[", "+"))
        ]


def _pcm(samples: NDArray[np.float32]) -> bytes:
    """16 bit little-endian."""
    peak = float(np.abs(samples).max())
    gain = _QUIET / peak if 0 < peak < _QUIET else 1.0
    scaled: NDArray[np.int16] = (np.clip(samples * gain, -1, 1) * 32767).astype("<i2")
    return scaled.tobytes()


def _span(utterance: Utterance, found: Heard) -> Span:
    start, end = found.start_frame, found.end_frame + 1
    return utterance.within(start / _FRAMES_PER_SECOND, end / _FRAMES_PER_SECOND)


def _phrases(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Cut at pauses."""
    first = 0
    for index in range(1, len(words)):
        if words[index - 1].span.gap_us(words[index].span) >= _PAUSE * 1_000_000:
            yield words[first:index]
            first = index
    yield words[first:]


def _segment(words: Sequence[Word]) -> Segment:
    return Segment(
        span=Span.hull(word.span for word in words),
        score=float(np.mean([word.score for word in words])),
        text=" ".join(word.text for word in words),
        words=tuple(words),
        language="en",
    )
