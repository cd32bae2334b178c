"""Sound: decoded audio as one 16 kHz mono track that stays in step with the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from moderation.media.frames import SAMPLE_RATE
from moderation.timeline import MICROSECONDS

__all__ = ["Block", "Mixer", "samples_in"]

Samples: TypeAlias = NDArray[np.float32]

_JITTER_US = 100_000
"""Timestamps of sound are this coarse: closer to the count of samples, they are the same."""

_DISCONTINUITY_US = MICROSECONDS
"""Sound that falls back by more than this begins a new count, as in joined recordings."""

_SILENCE_US = 10 * MICROSECONDS
"""A hole up to this long is filled with silence; a longer one is left out and the time jumps."""

_SURROUND = range(3, 9)
"""Numbers of channels of which FFmpeg knows how loud each belongs into a stereo mix."""

_CANCELLED = 0.1
"""A mix this much quieter than its loudest channel has cancelled itself out: one channel is the
other upside down, which people hear and a sum does not."""


@dataclass(frozen=True, slots=True)
class Block:
    """Mono samples at `SAMPLE_RATE`, -1..1, and the time of the first, in microseconds."""

    samples: Samples
    at_us: int


def samples_in(us: int) -> int:
    """How many samples a time in microseconds holds."""
    return round(us * SAMPLE_RATE / MICROSECONDS)


class Mixer:
    """Resamples and mixes one audio stream, frame after frame."""

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._shape: tuple[int, str, str] | None = None
        self._anchor_us = 0
        self._received = 0
        self._sent = 0
        self._rate = SAMPLE_RATE
        self._offset_us = 0

    def add(self, frame: AudioFrame, at_us: int | None) -> Iterator[Block]:
        """What a frame that starts at `at_us` gives; raises what PyAV raises.

        A frame without a time follows the one before it.
        """
        drift = 0 if at_us is None else at_us + self._offset_us - self._expected_us
        if self._resampler is not None and drift <= -_DISCONTINUITY_US:
            self._offset_us -= drift
            drift = 0
        shape = frame.sample_rate, frame.layout.name, frame.format.name
        if self._resampler is None or shape != self._shape or abs(drift) > _JITTER_US:
            yield from self._restart(frame, shape, drift)
        self._received += frame.samples
        for block in self._resample(frame):
            yield self._timed(block)

    def finish(self) -> Iterator[Block]:
        """What is still in the resampler."""
        if self._resampler is not None:
            for resampled in self._resampler.resample(None):
                yield self._timed(_mono(_planes(resampled)))
            self._resampler = None

    @property
    def _expected_us(self) -> int:
        return self._anchor_us + round(self._received * MICROSECONDS / self._rate)

    def _restart(
        self, frame: AudioFrame, shape: tuple[int, str, str], drift: int
    ) -> Iterator[Block]:
        begun, expected = self._shape is not None, self._expected_us
        yield from self.finish()
        if begun and 0 < drift <= _SILENCE_US:
            yield Block(np.zeros(samples_in(drift), np.float32), expected)
        self._anchor_us, self._received, self._sent = expected + drift, 0, 0
        self._rate, self._shape = max(1, frame.sample_rate), shape
        self._resampler = AudioResampler("flt", _layout(frame), SAMPLE_RATE)

    def _resample(self, frame: AudioFrame) -> Iterator[Samples]:
        if self._resampler is None:
            return
        # The filter graph would act on timestamps; the time is ours to keep.
        frame.pts = None
        for resampled in self._resampler.resample(frame):
            yield _mono(_planes(resampled))

    def _timed(self, samples: Samples) -> Block:
        at_us = self._anchor_us + round(self._sent * MICROSECONDS / SAMPLE_RATE)
        self._sent += len(samples)
        return Block(samples, at_us)


def _layout(frame: AudioFrame) -> str | None:
    return "stereo" if frame.layout.nb_channels in _SURROUND else None


def _planes(frame: AudioFrame) -> Samples:
    """Shape (channels, samples).

    From interleaved samples: PyAV crashes on more than eight channels that are not.
    """
    interleaved = cast(Samples, frame.to_ndarray())
    return interleaved.reshape(-1, frame.layout.nb_channels).T


def _mono(planes: Samples) -> Samples:
    finite: Samples = np.nan_to_num(_mixed(planes), posinf=1.0, neginf=-1.0)
    return finite.clip(-1.0, 1.0)


def _mixed(planes: Samples) -> Samples:
    mixed: Samples
    if len(planes) == 1:
        mixed = planes[0]
        return mixed
    mixed = planes.mean(axis=0, dtype=np.float32)
    loudness = np.abs(planes).max(axis=1, initial=0)
    loudest = int(loudness.argmax())
    if np.abs(mixed).max(initial=0) < _CANCELLED * loudness[loudest]:
        mixed = planes[loudest]
    return mixed
