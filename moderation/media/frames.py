"""What detectors are fed: sampled frames in batches, and chunks of audio.

Pixels are shared by all detectors and read-only. A resized variant is made once per batch and
shared as well.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation.evidence import Box
from moderation.timeline import MICROSECONDS, Instant, Span

__all__ = ["SAMPLE_RATE", "AudioChunk", "Frame", "FrameBatch", "Letterboxed"]

SAMPLE_RATE = 16_000
"""Hertz of all audio that detectors see: what speech models are trained on."""

PADDING = 114
"""The grey that YOLO models are trained to see around a letterboxed picture."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled picture, as displayed: rotation applied, square pixels.

    image   uint8 RGB, shape (height, width, 3), read-only
    at      presentation time from the start of the video
    index   0, 1, 2 ... among the frames sampled for the same detector
    stream  which video stream of the file; 0 for the first
    repeats it looks like the frame before: the very same `image` is handed over once more
    """

    image: NDArray[np.uint8]
    at: Instant
    index: int
    stream: int = 0
    repeats: bool = False

    @property
    def span(self) -> Span:
        return Span.at(self.at)

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        return int(self.image.shape[1])


@dataclass(frozen=True, slots=True)
class Letterboxed:
    """A batch scaled to fit a rectangle, aspect kept, centred on grey as YOLO was trained.

    images  uint8 RGB, shape (n, height, width, 3), read-only
    scale   pixels of the scaled picture per pixel of the original
    content width and height of the picture without its padding, in pixels of `images`
    offset  left and top edge of the picture in `images`
    """

    images: NDArray[np.uint8]
    scale: float
    content: tuple[int, int]
    offset: tuple[int, int]

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """Corners in pixels of `images` -> fractions of the frame."""
        (width, height), (left, top) = self.content, self.offset
        return Box.from_corners(
            (x0 - left) / width, (y0 - top) / height, (x1 - left) / width, (y1 - top) / height
        )


class FrameBatch(Sequence[Frame]):
    """Consecutive sampled frames of one stream and size, in time order."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = tuple(frames)
        self._variants: dict[tuple[tuple[int, int], tuple[int, int]], Letterboxed] = {}
        self._lock = threading.Lock()

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Frame]: ...
    def __getitem__(self, index: int | slice) -> Frame | Sequence[Frame]:
        return self._frames[index]

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def letterbox(self, size: int, *, stride: int = 32, square: bool = False) -> Letterboxed:
        """The batch scaled so that its longer side is `size` pixels.

        The rest is grey: up to a multiple of `stride`, or to `size` squared when `square`.
        Made once for each shape, whichever detector asks first.
        """
        width, height = self._frames[0].width, self._frames[0].height
        scale = size / max(width, height)
        content = max(1, round(width * scale)), max(1, round(height * scale))
        canvas = (
            (size, size)
            if square
            else (_round_up(content[0], stride), _round_up(content[1], stride))
        )
        offset = (canvas[0] - content[0]) // 2, (canvas[1] - content[1]) // 2
        with self._lock:
            if (canvas, content) not in self._variants:
                images = self._fit(content, canvas, offset)
                self._variants[canvas, content] = Letterboxed(images, scale, content, offset)
            return self._variants[canvas, content]

    def _fit(
        self, content: tuple[int, int], canvas: tuple[int, int], offset: tuple[int, int]
    ) -> NDArray[np.uint8]:
        images = np.full((len(self), canvas[1], canvas[0], 3), PADDING, np.uint8)
        (width, height), (left, top) = content, offset
        for image, frame in zip(images, self._frames, strict=True):
            # Sharper than BILINEAR, which blurs small things away before the network sees them.
            scaled = Image.fromarray(frame.image).resize(content, Image.Resampling.HAMMING)
            image[top : top + height, left : left + width] = np.asarray(scaled)
        images.flags.writeable = False
        return images


def _round_up(value: int, stride: int) -> int:
    return -(-value // stride) * stride


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Consecutive sound: float32 mono in -1..1 at `SAMPLE_RATE`, shape (samples,), read-only."""

    samples: NDArray[np.float32]
    at: Instant
    """Time of the first sample."""

    @property
    def span(self) -> Span:
        return Span(self.at, self.at + round(len(self.samples) * MICROSECONDS / SAMPLE_RATE))
