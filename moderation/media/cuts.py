"""Cuts: where a long video may be cut so that nobody's word is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final

import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from moderation.limits import MediaLimits
from moderation.media.container import DECODER_ERRORS, Streams, open_container, prepare
from moderation.media.decode import look_over
from moderation.media.excerpt import Excerpt
from moderation.media.frames import SAMPLE_RATE
from moderation.media.plain import plain_end
from moderation.media.sound import Block, samples_in
from moderation.media.track import AudioTrack, Track, VideoTrack
from moderation.media.truncation import ends_early
from moderation.media.upload import Upload
from moderation.timeline import MICROSECONDS

__all__ = ["cuts"]

_REACH_US: Final = 10 * MICROSECONDS
"""How far from the even time a pause is looked for: nobody speaks for longer in one breath."""

_FAR_US: Final = 60 * MICROSECONDS
"""How far before a cut the last key frame may lie: what is between is decoded once more."""

_STEP: Final = SAMPLE_RATE // 50
_PAUSE: Final = 15
"""Steps of a fiftieth of a second that are to be quiet together: shorter is within a word."""

_STEP_US: Final = MICROSECONDS // 50
_SILENT: Final = 1e-8
"""Mean square of a sample, -80 dB: nobody hears a difference below."""


def cuts(
    upload: Upload,
    limits: MediaLimits,
    every_us: int,
    pulse: Callable[[], None] = lambda: None,
) -> tuple[int, ...]:
    """Instants in microseconds, about `every_us` apart, each in the quietest moment there is.

    None for a video that is not much longer, and for one that must be decoded from its start: one
    that is damaged, shows two streams, has times that need mending, or cannot be entered at a cut.
    Raises `MediaError`.
    """
    origin = look_over(upload, limits).start
    if ends_early(upload):
        return ()
    found = _pauses(upload, limits, every_us, origin, pulse)
    entered = all(_can_enter(upload, limits, origin, each, pulse) for each in found)
    return found if entered else ()


def _pauses(
    upload: Upload,
    limits: MediaLimits,
    every_us: int,
    origin: Fraction,
    pulse: Callable[[], None],
) -> tuple[int, ...]:
    with open_container(upload, limits) as container:
        streams = Streams.of(container)
        if len(streams.videos) != 1 or streams.unseen:
            return ()
        end = plain_end(container, list(streams), pulse)
        length = Fraction(0) if end is None else min(end - origin, Fraction(limits.max_seconds))
        end_us = round(length * MICROSECONDS)
        even = range(every_us, end_us - every_us // 2, every_us)
        if not even or streams.audio is None:
            return tuple(even)
        prepare(streams.audio, limits)
        reach_us = min(_REACH_US, every_us // 4)
        return tuple(
            _near(container, AudioTrack(streams.audio, 0, limits, origin), origin, each, reach_us)
            for each in even
        )


def _can_enter(
    upload: Upload, limits: MediaLimits, origin: Fraction, cut_us: int, pulse: Callable[[], None]
) -> bool:
    """Whether a decode that begins there gives what one from the start does.

    Indexes lie, and frames are marked as key frames that are none: then the first picture comes
    late, or none does. In a container of its own, for reading mends an index.
    """
    with open_container(upload, limits) as container:
        stream = next(iter(Streams.of(container)))
        prepare(stream, limits)
        track: Track
        if isinstance(stream, VideoStream):
            track = VideoTrack(stream, 0, 0, limits, origin)
        else:
            track = AudioTrack(stream, 0, limits, origin)
        try:
            Excerpt(cut_us).enter(container, [track], origin)
            for packet in container.demux(stream):
                pulse()
                for event in track.decode(packet):
                    at_us = event.at_us if isinstance(event, Block) else event.elapsed_us
                    return cut_us - _FAR_US <= at_us <= cut_us
                at = (packet.pts or 0) * (packet.time_base or Fraction(0)) - origin
                if at * MICROSECONDS > cut_us + _REACH_US:
                    return False
        except DECODER_ERRORS:
            return False
    return False


def _near(
    container: InputContainer, track: AudioTrack, origin: Fraction, even_us: int, reach_us: int
) -> int:
    window = Excerpt(even_us - reach_us, even_us + reach_us)
    loudness = np.full(2 * reach_us // _STEP_US, _SILENT)
    for block in _heard(container, track, window, origin):
        _measure(loudness, block, window.start_us)
    return window.start_us + _quietest(loudness) * _STEP_US


def _heard(
    container: InputContainer, track: AudioTrack, window: Excerpt, origin: Fraction
) -> Iterator[Block]:
    """The sound around a time; less of it where reading fails."""
    try:
        window.enter(container, [track], origin)
        for packet in container.demux(track.stream):
            for event in window.clip(track.decode(packet)):
                if isinstance(event, Block):
                    yield event
            if window.is_behind([track]):
                return
    except DECODER_ERRORS:
        return


def _measure(loudness: NDArray[np.float64], block: Block, start_us: int) -> None:
    """The loudest that is heard in each step counts."""
    first = samples_in(block.at_us - start_us)
    steps = (first + np.arange(len(block.samples))) // _STEP
    inside = (steps >= 0) & (steps < len(loudness))
    power = np.square(block.samples[inside], dtype=np.float64)
    np.maximum.at(loudness, steps[inside], power)


def _quietest(loudness: NDArray[np.float64]) -> int:
    """The middle of the quietest pause; of pauses as quiet as each other the one nearest to the
    middle of all."""
    around = np.convolve(loudness, np.full(_PAUSE, 1 / _PAUSE), mode="same")
    decibel = np.round(10 * np.log10(np.maximum(around, _SILENT)))
    decibel[: _PAUSE // 2] = decibel[-(_PAUSE // 2) :] = np.inf  # half of those is not known
    quiet = np.flatnonzero(decibel == decibel.min())
    return int(quiet[np.abs(quiet - len(loudness) // 2).argmin()])
