"""Speech to text without a download: PocketSphinx with the English model that its wheel carries.

It knows no other language and cannot name one, but it is unsure of what it hears in German or
Chinese: an utterance whose words have a low mean posterior is given without a text, so that a
foreign sentence does not become an English insult.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
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
"""Samples; its feature extraction needs a few windows, so what is shorter gets silence."""

_BEAM, _WORD_BEAM = 1e-60, 1e-40
"""Wider than the defaults (1e-48, 7e-29), with which a slightly shorter or louder recording gives
another text: word error 0.286 instead of 0.318 on 13 clean sentences, for 40 % more time."""

_UNCLEAR = "too unclear, or not English"

_VARIANT = re.compile(r"\(\d+\)$")
"""The number of a pronunciation in the dictionary: "the(2)"."""


class PocketSphinx:
    """US English, large vocabulary.

    min_confidence  mean posterior of an utterance's words below which its text is not given
    processes       that listen to utterances side by side; no utterance changes what another gives
    """

    device = "cpu"

    def __init__(self, model: Path, min_confidence: float, processes: int = 1) -> None:
        settings = _settings(model.absolute())
        self._processes = [SphinxProcess(settings) for _ in range(processes)]
        self._min_confidence = min_confidence

    def transcribe(self, utterances: Iterable[Utterance]) -> Generator[Segment]:
        for utterance, heard in self._hear(utterances):
            words = [_word(utterance, found) for found in heard if _is_word(found)]
            confidence = float(np.mean([word.score for word in words])) if words else 0.0
            if confidence < self._min_confidence:
                yield untranscribed(utterance, utterance.span, _UNCLEAR)
            else:
                yield from map(_segment, _phrases(words))

    def _hear(self, utterances: Iterable[Utterance]) -> Iterator[tuple[Utterance, list[Heard]]]:
        """What is heard in each, in their order: the processes take turns."""
        waiting: deque[tuple[Utterance, SphinxProcess]] = deque()
        free = deque(self._processes)
        try:
            for utterance in utterances:
                if not free:
                    free.append(waiting[0][1])
                    yield _received(waiting)
                process = free.popleft()
                process.send(_pcm(utterance.samples))
                waiting.append((utterance, process))
            while waiting:
                yield _received(waiting)
        finally:
            for _, process in waiting:  # the video's end does not wait for what nobody reads
                process.forget()


def _settings(model: Path) -> dict[str, object]:
    """Of `pocketsphinx.Config`."""
    return {
        "hmm": str(model / "en-us"),
        "lm": str(model / "en-us.lm.bin"),
        "dict": str(model / "cmudict-en-us.dict"),
        "beam": _BEAM,
        "wbeam": _WORD_BEAM,
        "cmn": "batch",
        "loglevel": "FATAL",
    }


def _received(
    waiting: deque[tuple[Utterance, SphinxProcess]],
) -> tuple[Utterance, list[Heard]]:
    """Of the one that was sent first."""
    utterance, process = waiting[0]
    heard = process.receive()
    waiting.popleft()
    return utterance, heard


def _is_word(found: Heard) -> bool:
    """Neither silence nor a noise."""
    return not found.word.startswith(("<", "[", "+"))


def _word(utterance: Utterance, found: Heard) -> Word:
    text = _VARIANT.sub("", found.word)
    return Word(text, _span(utterance, found), min(1.0, found.prob))


def _pcm(samples: NDArray[np.float32]) -> bytes:
    """16 bit little-endian."""
    samples = np.pad(samples, (0, max(0, _SHORTEST - len(samples))))
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
