"""Utterances: stretches of speech between silences, cut out of a stream of sound.

The hysteresis (a higher probability starts speech, a lower one ends it) and its defaults are
those of Silero and faster-whisper; here it runs over chunks, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moderation.media.frames import SAMPLE_RATE, AudioChunk
from moderation.timeline import MICROSECONDS, Instant, Span
from moderation_speech.options import Activity
from moderation_speech.vad import FRAME, SileroVad

__all__ = ["Utterance", "continues", "utterances"]

_HYSTERESIS = 0.15
"""Speech goes on until its probability is this far below the threshold; Silero's default."""

_CALM = 5
"""Frames (160 ms) over which loudness is averaged to find the quietest point: about a syllable,
so that a cut falls between words and not into the closure of a plosive."""

_JUMP_US = 1_000
"""A chunk that starts this far from the end of the one before is not its continuation."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech to transcribe: float32 mono, shape (samples,)."""

    samples: NDArray[np.float32]
    at: Instant
    activity: float
    """Mean speech probability of its frames with speech, 0..1."""

    @property
    def span(self) -> Span:
        return Span(self.at, self.at + _us(len(self.samples)))

    def within(self, start: float, end: float) -> Span:
        """Seconds from the start of the utterance -> time of the video, kept inside it."""
        last = len(self.samples)
        first = min(max(0, round(start * SAMPLE_RATE)), last)
        final = min(max(first, round(end * SAMPLE_RATE)), last)
        return Span(self.at + _us(first), self.at + _us(final))


def utterances(
    chunks: Iterable[AudioChunk], vad: SileroVad, activity: Activity
) -> Iterator[Utterance]:
    """Cut the sound of one video into utterances; a jump in its time ends one."""
    scanner: _Scanner | None = None
    for chunk in chunks:
        if scanner and not continues(scanner.end, chunk):
            yield from scanner.finish()
            scanner = None
        scanner = scanner or _Scanner(vad, activity, chunk.at)
        yield from scanner.push(chunk.samples)
    if scanner:
        yield from scanner.finish()


def continues(end: Instant, chunk: AudioChunk) -> bool:
    """Whether a chunk starts where the sound before it ended, but for rounding."""
    return abs(chunk.at - end) <= _JUMP_US


def _us(samples: int) -> int:
    return round(samples * MICROSECONDS / SAMPLE_RATE)


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


class _Scanner:
    """Consecutive sound. Positions are samples from its start: no time is rounded twice.

    Held in memory: `_sound` from `_base` on, with one probability per frame in `_likely`.
    """

    def __init__(self, vad: SileroVad, activity: Activity, origin: Instant) -> None:
        self._stream, self._activity, self._origin = vad.stream(), activity, origin
        self._sound = np.zeros(0, np.float32)
        self._likely = np.zeros(0, np.float32)
        self._base = 0
        self._received = 0
        self._position = 0
        self._start: int | None = None
        """First frame of the speech that is going on."""
        self._silence: int | None = None
        """First frame of the silence inside it."""
        self._taken = 0
        """Where the utterance before ended."""
        self._continued = False
        """Whether what goes on is the rest of an utterance that was cut."""

    @property
    def end(self) -> Instant:
        return self._origin + _us(self._received)

    def push(self, samples: NDArray[np.float32]) -> Iterator[Utterance]:
        """More sound; gives the utterances that ended in it."""
        self._sound = np.concatenate([self._sound, samples])
        self._received += len(samples)
        known = len(self._likely) * FRAME
        whole = (len(self._sound) - known) // FRAME * FRAME
        yield from self._look(self._sound[known : known + whole])

    def finish(self) -> Iterator[Utterance]:
        """No more sound: the last frame is filled with silence, and what goes on ends."""
        if short := -len(self._sound) % FRAME:
            self._sound = np.pad(self._sound, (0, short))
            yield from self._look(self._sound[-FRAME:])
        if self._start is not None:
            yield from self._close(self._silence or self._received)

    def _look(self, frames: NDArray[np.float32]) -> Iterator[Utterance]:
        found = self._stream.probabilities(frames)
        self._likely = np.concatenate([self._likely, found])
        for probability in found:
            yield from self._step(float(probability))
        self._forget()

    def _step(self, probability: float) -> Iterator[Utterance]:
        here, self._position = self._position, self._position + FRAME
        if probability >= self._activity.threshold:
            self._silence = None
            if self._start is None:
                self._start = here
        elif self._start is None:
            return
        elif probability < max(0.01, self._activity.threshold - _HYSTERESIS):
            self._silence = here if self._silence is None else self._silence
            if self._position - self._silence >= _samples(self._activity.min_silence):
                yield from self._close(self._silence)
                return
        longest = _samples(self._activity.max_utterance) - FRAME
        if self._position - self._opening() >= longest:
            yield self._cut()

    def _opening(self) -> int:
        """Where the utterance that is going on starts, padding included."""
        start = self._position if self._start is None else self._start
        return max(self._taken, start - _samples(self._activity.padding))

    def _close(self, end: int) -> Iterator[Utterance]:
        opening, start, continued = self._opening(), self._start or 0, self._continued
        self._start, self._silence, self._continued = None, None, False
        # The rest of something said is kept however short it is.
        if continued or end - start >= _samples(self._activity.min_speech):
            end = min(self._received, end + _samples(self._activity.padding))
            yield self._take(opening, end)

    def _cut(self) -> Utterance:
        """End too long an utterance at the quietest point of its second half."""
        opening = self._opening()
        middle = (opening + self._position) // 2 // FRAME * FRAME
        frames = self._between(middle, self._position).reshape(-1, FRAME)
        power = np.square(frames, dtype=np.float64).mean(axis=1)
        calm = np.convolve(power, np.ones(_CALM) / _CALM, mode="valid")
        cut = middle + (int(calm.argmin()) + _CALM // 2) * FRAME
        if self._silence is not None and cut >= self._silence:
            # The cut lies in a silence that may be the last: speech starts again when it is heard.
            self._start, self._silence, self._continued = None, None, False
        else:
            self._start, self._continued = cut, True
        return self._take(opening, cut)

    def _take(self, start: int, end: int) -> Utterance:
        self._taken = end
        first = (start - self._base) // FRAME
        likely = self._likely[first : max(first + 1, (end - self._base) // FRAME)]
        speech = likely[likely >= min(self._activity.threshold, float(likely.max()))]
        samples = self._between(start, end)
        return Utterance(samples, self._origin + _us(start), float(speech.mean()))

    def _between(self, start: int, end: int) -> NDArray[np.float32]:
        return self._sound[start - self._base : end - self._base].copy()

    def _forget(self) -> None:
        """Drop the sound that no utterance can need any more."""
        keep = min(self._opening(), self._position) - self._base
        frames = max(0, keep // FRAME)
        self._sound = self._sound[frames * FRAME :].copy()
        self._likely = self._likely[frames:]
        self._base += frames * FRAME
