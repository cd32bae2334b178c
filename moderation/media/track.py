"""Track: one stream while it is decoded, with an account of what it lost on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from moderation.errors import MediaError, MediaFault
from moderation.limits import MediaLimits
from moderation.media.clock import Clock, TimeScale, believable
from moderation.media.container import DECODER_ERRORS, encrypted
from moderation.media.frames import SAMPLE_RATE
from moderation.media.picture import Picture, Renderer
from moderation.media.sound import Block, Mixer
from moderation.timeline import MICROSECONDS

__all__ = ["AudioTrack", "Track", "VideoTrack", "frame_rate"]

_NOTICEABLE_US = 250_000
"""Losses in a row shorter than this are forgiven: a syllable, or a frame between two others."""

_FALLBACK_RATE = Fraction(25)
"""Frames per second where the header says none that can be."""


class Track(ABC):
    """Decodes packets; what fails is counted, never raised.

    stream      to be touched only while its container is open: PyAV crashes on it afterwards
    kind        "video" or "audio"
    number      0 for the first of its kind
    claimed_us  how long the header says it is; 0 when it says nothing
    announced   frames that the header lists one by one; 0 when it lists none
    frames      decoded
    failed      packets that gave nothing
    lost_us     length of the noticeable runs of them, in microseconds
    faults      why, by message
    ended       it is not worth going on
    """

    def __init__(
        self, stream: VideoStream | AudioStream, number: int, claimed_us: int, limits: MediaLimits
    ) -> None:
        self.stream, self.number, self.claimed_us = stream, number, claimed_us
        self.kind = stream.type
        self.announced = stream.frames
        self.frames = self.failed = 0
        self.faults: dict[str, MediaFault] = {}
        self.ended = False
        self.start_us: int | None = None
        self.end_us = 0
        self._limits = limits
        self.lost_us = self._streak_us = self._streak = 0

    def decode(self, packet: Packet[Any] | None) -> Iterator[Picture | Block]:
        """What a packet gives; `None` empties the decoder."""
        if self.ended:
            return
        frames = self._frames(packet)
        for frame in frames:
            yield from self._presented(packet, frame)

    def finish(self) -> Iterator[Picture | Block]:
        """What is still in the decoder when the file has ended."""
        yield from self.decode(None)
        self._end_streak()

    def _frames(self, packet: Packet[Any] | None) -> Sequence[Any]:
        if packet is not None and packet.has_sidedata("encryption_info"):
            self._lose(packet, encrypted())
            return ()
        try:
            frames = self.stream.codec_context.decode(packet)
        except EOFError:  # the decoder is empty already
            return ()
        except DECODER_ERRORS as error:
            self._lose(packet, error)
            return ()
        if frames:
            self._end_streak()
        return frames

    def _presented(self, packet: Packet[Any] | None, frame: Any) -> Iterator[Picture | Block]:
        """One after the other, for what comes before a frame of sound may be an hour of silence."""
        self.frames += 1
        try:
            yield from self._present(frame)
        except DECODER_ERRORS as error:
            self.frames -= 1
            self._lose(packet, error)

    def _lose(self, packet: Packet[Any] | None, error: Exception) -> None:
        if packet is None:
            return
        self.failed += 1
        self._streak += 1
        self._streak_us += self._length_us(packet)
        self._explain(error)
        if self._streak >= self._limits.max_errors:
            self.ended = True
        if self.ended:
            self._end_streak()

    def _explain(self, error: Exception) -> None:
        if isinstance(error, MediaError):
            self.faults[f"part of the {self.kind}: {error.message}"] = error.fault
        elif isinstance(error, av.error.ArgumentError) and self.kind == "video":
            message = f"part of the video is larger than {self._limits.max_pixels} pixels"
            self.faults[message] = MediaFault.TOO_LARGE
        else:
            self.faults[f"part of the {self.kind} does not decode"] = MediaFault.UNREADABLE

    def _end_streak(self) -> None:
        if self._streak_us >= _NOTICEABLE_US:
            self.lost_us += self._streak_us
        self._streak_us = self._streak = 0

    def _length_us(self, packet: Packet[Any]) -> int:
        if packet.duration and packet.time_base:
            return min(round(packet.duration * packet.time_base * MICROSECONDS), MICROSECONDS)
        return self._step_us

    def _reach(self, start_us: int, end_us: int) -> None:
        self.start_us = start_us if self.start_us is None else self.start_us
        self.end_us = max(self.end_us, end_us)

    @abstractmethod
    def _present(self, frame: Any) -> Iterator[Picture | Block]:
        """A decoded frame as others see it."""

    @property
    @abstractmethod
    def _step_us(self) -> int:
        """Length of a packet that does not say its own."""


class VideoTrack(Track):
    """A video stream: gives `Picture`s."""

    stream: VideoStream

    def __init__(
        self,
        stream: VideoStream,
        number: int,
        claimed_us: int,
        limits: MediaLimits,
        start: Fraction,
        longest_side: int = 0,
    ) -> None:
        super().__init__(stream, number, claimed_us, limits)
        self._frame_us = round(MICROSECONDS / frame_rate(stream, limits))
        self.clock = Clock(_scale(stream, start), self._frame_us)
        self._renderer = Renderer(longest_side or limits.longest_side, stream.sample_aspect_ratio)

    def _present(self, frame: VideoFrame) -> Iterator[Picture]:
        at = self.clock.tick(frame.pts)
        elapsed_us = self.clock.elapsed_us or 0
        self._reach(elapsed_us, elapsed_us + self._duration_us(frame))
        yield Picture(frame, at, elapsed_us, self.number, self._renderer)

    def _duration_us(self, frame: VideoFrame) -> int:
        # The stream's: the last frames, of which the decoder is emptied, have no time base.
        if frame.duration > 0 and self.stream.time_base:
            return believable(round(frame.duration * self.stream.time_base * MICROSECONDS))
        return self._frame_us

    @property
    def _step_us(self) -> int:
        return self._frame_us


class AudioTrack(Track):
    """An audio stream: gives `Block`s of 16 kHz mono."""

    stream: AudioStream

    def __init__(
        self, stream: AudioStream, claimed_us: int, limits: MediaLimits, start: Fraction
    ) -> None:
        super().__init__(stream, 0, claimed_us, limits)
        self._scale = _scale(stream, start)
        self._mixer = Mixer()

    def finish(self) -> Iterator[Picture | Block]:
        yield from super().finish()
        try:
            yield from map(self._counted, self._mixer.finish())
        except DECODER_ERRORS as error:
            self._explain(error)

    def _present(self, frame: AudioFrame) -> Iterator[Block]:
        at_us = None if frame.pts is None else self._scale.microseconds(frame.pts)
        yield from map(self._counted, self._mixer.add(frame, at_us))

    def _counted(self, block: Block) -> Block:
        length_us = round(len(block.samples) * MICROSECONDS / SAMPLE_RATE)
        self._reach(block.at_us, block.at_us + length_us)
        return block

    @property
    def _step_us(self) -> int:
        return 20_000


def _scale(stream: VideoStream | AudioStream, start: Fraction) -> TimeScale:
    return TimeScale(stream.time_base or Fraction(1, MICROSECONDS), start)


def frame_rate(stream: VideoStream, limits: MediaLimits) -> Fraction:
    """Frames per second as the header says, where that can be."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= limits.max_fps:
            return rate
    return _FALLBACK_RATE
