"""Tape: the sound of one stream without a break, in its own rate and channels.

`moderation.media.sound` makes of it what detectors hear; this is for people.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from moderation.limits import MediaLimits
from moderation.media.clock import TimeScale
from moderation.media.container import DECODER_ERRORS
from moderation.media.picture import Picture
from moderation.media.sound import Block
from moderation.media.track import Track
from moderation.timeline import MICROSECONDS

__all__ = ["SoundTrack", "Tape", "Voice", "voice_of"]

Samples = NDArray[np.float32]

_RATES = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000})
"""Samples a second that AAC knows and players play."""

_USUAL_RATE = 48_000

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
"""By number of channels; others are mixed to stereo."""

_JITTER_US = 30_000
"""Timestamps of sound are this coarse: closer to the count of samples, they are the same. Less
than a picture lasts."""

_DISCONTINUITY_US = MICROSECONDS
"""Sound that falls back by more than this begins a new count, as in joined recordings."""

_SILENCE = 1 << 16
"""Samples of silence made at once: a hole may be an hour."""


class Voice(NamedTuple):
    """Of sound: samples a second, and FFmpeg's name of the arrangement of its channels."""

    rate: int
    layout: str

    @property
    def channels(self) -> int:
        return av.AudioLayout(self.layout).nb_channels


def voice_of(stream: AudioStream) -> Voice:
    """What a stream's sound is written as: its own rate and channels, where AAC has them."""
    context = stream.codec_context
    rate = context.sample_rate if context.sample_rate in _RATES else _USUAL_RATE
    channels = context.layout.nb_channels
    return Voice(rate, _LAYOUTS.get(channels, "stereo"))


class Tape:
    """Puts frames of sound one behind the other, from instant 0 on.

    What lies before 0 is left out, holes are filled with silence, and of what overlaps the later
    is cut. Blocks hold an array of shape (channels, samples).
    """

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self._resampler: AudioResampler | None = None
        self._shape: tuple[int, str, str] | None = None
        self._anchor_us = Fraction(0)
        self._received, self._rate = 0, voice.rate
        self._offset_us = 0
        self._written = 0
        self._surplus = 0
        """Samples to leave out, of those that come next."""

    def add(self, frame: AudioFrame, at_us: int | None) -> Iterator[Block]:
        """What a frame that starts at `at_us` gives; raises what PyAV raises."""
        expected_us = self._expected_us
        drift_us = Fraction(0) if at_us is None else at_us + self._offset_us - expected_us
        if self._resampler is not None and drift_us <= -_DISCONTINUITY_US:
            self._offset_us -= round(drift_us)
            drift_us = Fraction(0)
        shape = frame.sample_rate, frame.layout.name, frame.format.name
        if self._resampler is None or shape != self._shape or abs(drift_us) > _JITTER_US:
            yield from self._restart(shape, expected_us + drift_us)
        if self._resampler is None:
            return
        self._received += frame.samples
        frame.pts = None  # the filter graph would act on it; the time is ours to keep
        for resampled in self._resampler.resample(frame):
            yield from self._placed(resampled)

    def finish(self) -> Iterator[Block]:
        """What is still in the resampler."""
        if self._resampler is not None:
            for resampled in self._resampler.resample(None):
                yield from self._placed(resampled)
            self._resampler = None

    @property
    def _expected_us(self) -> Fraction:
        return self._anchor_us + Fraction(self._received * MICROSECONDS, self._rate)

    def _restart(self, shape: tuple[int, str, str], at_us: Fraction) -> Iterator[Block]:
        yield from self.finish()
        self._anchor_us, self._received = at_us, 0
        self._rate, self._shape = max(1, shape[0]), shape
        self._resampler = AudioResampler("flt", self.voice.layout, self.voice.rate)
        missing = round(at_us * self.voice.rate / MICROSECONDS) - self._written
        self._surplus = max(0, -missing)
        yield from self._silence(missing)

    def _silence(self, samples: int) -> Iterator[Block]:
        while samples > 0:
            count = min(samples, _SILENCE)
            yield self._block(np.zeros((self.voice.channels, count), np.float32))
            samples -= count

    def _placed(self, frame: AudioFrame) -> Iterator[Block]:
        interleaved = cast(Samples, frame.to_ndarray())
        samples = interleaved.reshape(-1, self.voice.channels).T
        skipped = min(self._surplus, samples.shape[1])
        self._surplus -= skipped
        if skipped < samples.shape[1]:
            yield self._block(samples[:, skipped:])

    def _block(self, samples: Samples) -> Block:
        at_us = round(Fraction(self._written * MICROSECONDS, self.voice.rate))
        self._written += samples.shape[1]
        finite = np.nan_to_num(samples, posinf=1.0, neginf=-1.0).clip(-1.0, 1.0)
        return Block(finite, at_us)


class SoundTrack(Track):
    """An audio stream as people hear it: gives the blocks of a `Tape`."""

    stream: AudioStream

    def __init__(
        self, stream: AudioStream, claimed_us: int, limits: MediaLimits, start: Fraction
    ) -> None:
        super().__init__(stream, 0, claimed_us, limits)
        self.tape = Tape(voice_of(stream))
        self._scale = TimeScale(stream.time_base or Fraction(1, MICROSECONDS), start)

    def finish(self) -> Iterator[Picture | Block]:
        yield from super().finish()
        try:
            yield from map(self._counted, self.tape.finish())
        except DECODER_ERRORS as error:
            self._explain(error)

    def _present(self, frame: AudioFrame) -> Iterator[Block]:
        at_us = None if frame.pts is None else self._scale.microseconds(frame.pts)
        yield from map(self._counted, self.tape.add(frame, at_us))

    def _counted(self, block: Block) -> Block:
        length_us = round(block.samples.shape[1] * MICROSECONDS / self.tape.voice.rate)
        self._reach(block.at_us, block.at_us + length_us)
        return block

    @property
    def _step_us(self) -> int:
        return 20_000
