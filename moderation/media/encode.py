"""Encode: pictures and sound as an MP4 file of H.264 and AAC, which every browser plays.

Nothing of another file goes in but what it is given here: no tags, no other streams.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from fractions import Fraction
from types import TracebackType
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from moderation.media.tape import Voice
from moderation.timeline import MICROSECONDS

__all__ = ["Canvas", "Encoder", "Outlet"]

_CLOCK = 90_000
"""Ticks of the pictures' time in a second: whole for all usual frame rates."""

_H264 = {"preset": "veryfast", "crf": "18", "bf": "0"}
"""What is seen as no loss. In the order in which it is shown: otherwise a file whose last pictures
stand long is said to end before them."""

_H264_OF_DRAFT = {"preset": "ultrafast", "crf": "26", "tune": "fastdecode"}
"""Soon there, and good enough to see what happens."""

_DRAFT_SEEKS_S = 1
"""Seconds between two pictures that a player can begin with."""

_LARGE, _H264_OF_LARGE = 4_096 * 2_304, {**_H264, "tune": "zerolatency"}
"""Pixels of pictures of which not many fit into the memory there is: none is kept in advance."""

_BITS_PER_CHANNEL = 96_000
"""A second; of sound that nobody hears a loss in."""

_SOUND_FRAME = 1_024
"""Samples of a packet of AAC."""

_BUFFER = 1 << 20
"""Bytes that are handed on at once."""

_MP4 = {"fflags": "+bitexact", "flush_packets": "0"}
"""The same file each time, and not every packet by itself."""

_UNSPECIFIED = 2
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""FFmpeg's number of a colour space, to the one of the scaler's tables for it."""
_USUAL_MATRIX = 5
"""What the scaler reads a picture with that does not say."""


class Canvas(NamedTuple):
    """Of all pictures of a file: size in pixels, frames a second as a rule, FFmpeg's numbers for
    how colours are meant, and whether it is soon to be there rather than good."""

    width: int
    height: int
    rate: Fraction
    space: int = _UNSPECIFIED
    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED
    is_draft: bool = False

    @property
    def even(self) -> tuple[int, int]:
        """Width and height with colours for two by two pixels, as H.264 stores them."""
        return self.width + self.width % 2, self.height + self.height % 2


class Outlet(io.RawIOBase):
    """A file that somebody else writes.

    deliver  called with a position and the bytes that belong there
    """

    def __init__(self, deliver: Callable[[int, bytes], None]) -> None:
        self._deliver, self._position, self._end = deliver, 0, 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._deliver(self._position, bytes(data))
        self._position += len(data)
        self._end = max(self._end, self._position)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}
        self._position = max(0, start[whence] + offset)
        return self._position

    def tell(self) -> int:
        return self._position


class Encoder:
    """A context manager: the file is whole when it is left without an error.

    canvas, voice  of what will be shown and heard; `None` for nothing
    threads        of the encoder of pictures; 0 lets it choose
    """

    def __init__(
        self, target: Outlet, canvas: Canvas | None, voice: Voice | None, threads: int
    ) -> None:
        self._file = av.open(target, "w", format="mp4", options=_MP4, buffer_size=_BUFFER)
        self._canvas, self._voice = canvas, voice
        self._shown: Any = self._video_stream(canvas, threads) if canvas else None
        self._heard: Any = self._audio_stream(voice) if voice else None
        self._reformatter = VideoReformatter()
        self._last_pts = -1
        self._spoken, self._unspoken = 0, np.zeros((voice.channels if voice else 0, 0), np.float32)

    def show(self, image: NDArray[np.uint8], at_us: int, length_us: int) -> None:
        """A picture, RGB of shape (height, width, 3): later than the one before it."""
        if self._canvas is None:
            raise ValueError("no picture was announced")
        frame = self._stored(image, self._canvas)
        frame.time_base = Fraction(1, _CLOCK)
        frame.pts = self._last_pts = max(self._last_pts + 1, _ticks(at_us))
        frame.duration = max(1, _ticks(length_us))
        self._file.mux(self._shown.encode(frame))

    def hear(self, samples: NDArray[np.float32]) -> None:
        """Sound of shape (channels, samples) that follows what was heard before."""
        self._unspoken = np.concatenate([self._unspoken, samples], axis=1)
        while self._unspoken.shape[1] >= _SOUND_FRAME:
            self._speak(self._unspoken[:, :_SOUND_FRAME])
            self._unspoken = self._unspoken[:, _SOUND_FRAME:]

    def __enter__(self) -> Encoder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._finish()
        self._file.close()

    def _finish(self) -> None:
        if self._unspoken.shape[1]:
            self._speak(self._unspoken)
        for stream in (self._shown, self._heard):
            if stream is not None:
                self._file.mux(stream.encode())

    def _speak(self, samples: NDArray[np.float32]) -> None:
        if self._voice is None:
            raise ValueError("no sound was announced")
        layout = self._voice.layout
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
        frame.sample_rate, frame.time_base = self._voice.rate, Fraction(1, self._voice.rate)
        frame.pts = self._spoken
        self._spoken += samples.shape[1]
        self._file.mux(self._heard.encode(frame))

    def _stored(self, image: NDArray[np.uint8], canvas: Canvas) -> VideoFrame:
        """In the canvas' size, on an even number of pixels: the last row and column twice."""
        height, width = image.shape[:2]
        if (width, height) == (canvas.width, canvas.height):
            across, down = canvas.even[0] - width, canvas.even[1] - height
            image = np.pad(image, ((0, down), (0, across), (0, 0)), "edge")
        frame: VideoFrame = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24"),
            *canvas.even,
            "yuv420p",
            dst_colorspace=_MATRICES.get(canvas.space, _USUAL_MATRIX),
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return frame

    def _video_stream(self, canvas: Canvas, threads: int) -> Any:
        stream: Any = self._file.add_stream("libx264", rate=canvas.rate)
        stream.width, stream.height = canvas.even
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.options = _options(canvas)
        if canvas.is_draft:
            context.gop_size = max(1, round(canvas.rate * _DRAFT_SEEKS_S))
        context.time_base = Fraction(1, _CLOCK)
        context.thread_count = threads
        if canvas.space in _MATRICES:
            context.colorspace = canvas.space
            context.color_primaries, context.color_trc = canvas.primaries, canvas.transfer
        return stream

    def _audio_stream(self, voice: Voice) -> Any:
        stream: Any = self._file.add_stream("aac", rate=voice.rate, layout=voice.layout)
        stream.codec_context.bit_rate = min(6 * voice.rate, _BITS_PER_CHANNEL) * voice.channels
        return stream


def _options(canvas: Canvas) -> dict[str, str]:
    if canvas.is_draft:
        return dict(_H264_OF_DRAFT)
    is_large = canvas.width * canvas.height > _LARGE
    return dict(_H264_OF_LARGE if is_large else _H264)


def _ticks(us: int) -> int:
    return round(us * _CLOCK / MICROSECONDS)
