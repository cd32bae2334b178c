"""Picture: a decoded frame, turned into the pixels that a person would see.

Rotation and mirroring applied, square pixels, 8-bit RGB, no larger than asked. Converted once, and
only when somebody wants it: most frames are never looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias, cast

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from moderation.media.change import Thumbnail, blocks_in, thumbnail
from moderation.timeline import Instant

__all__ = ["Image", "Picture", "Renderer", "displayed_size"]

Image: TypeAlias = NDArray[np.uint8]

_BACKDROP = 128
"""The grey behind transparent pixels, on which black and white writing can both be read."""

_STRANGEST_PIXEL = 16
"""Width to height of a pixel, or the reverse, beyond which the header is not believed."""

_MATRIX = struct.Struct("<9i")
"""Of a display matrix the first four of rows 0 and 1, as 16.16 fixed point, turn and mirror."""


class Renderer:
    """Renders the frames of one stream; keeps the scaler's tables between frames.

    longest_side  pixels that the longer side of a picture has at most
    pixel         width to height of one pixel of the stream
    """

    def __init__(self, longest_side: int, pixel: Fraction | None) -> None:
        self._longest_side = longest_side
        self._pixel = _believable(pixel)
        self._reformatter, self._miniatures = VideoReformatter(), VideoReformatter()

    def render(self, frame: VideoFrame) -> Image:
        """RGB, shape (height, width, 3), read-only. Raises what PyAV raises."""
        width, height = self.size(frame)
        alpha = _has_alpha(frame)
        scaled = self._reformatter.reformat(
            frame,
            width,
            height,
            "rgba" if alpha else "rgb24",
            interpolation=Interpolation.AREA,
            threads=1,
        )
        pixels: Image = scaled.to_ndarray()  # type: ignore[assignment]  # of rgb24 and rgba it is
        if alpha:
            pixels = _over_grey(pixels)
        image = np.ascontiguousarray(_upright(pixels, _orientation(frame)))
        image.flags.writeable = False
        return image

    def thumbnail(self, frame: VideoFrame) -> Thumbnail:
        """What `moderation.media.change` compares, without the picture in between.

        As stored: it is never shown, so nobody minds how it is turned. Raises what PyAV raises.
        """
        small = self._miniatures.reformat(
            frame,
            *blocks_in(frame.width, frame.height),
            "rgb24",
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return np.asarray(small.to_ndarray(), np.int16)

    def size(self, frame: VideoFrame) -> tuple[int, int]:
        """Width and height with square pixels and within the limit, before any rotation."""
        width, height = Fraction(frame.width), Fraction(frame.height)
        if self._pixel > 1:
            width *= self._pixel
        else:
            height /= self._pixel
        scale = min(Fraction(1), self._longest_side / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))


class Picture:
    """One frame of one video stream in presentation order.

    at          from the start of the video
    elapsed_us  the same, except that it is negative before the start
    stream      0 for the first video stream
    """

    def __init__(
        self, frame: VideoFrame, at: Instant, elapsed_us: int, stream: int, renderer: Renderer
    ) -> None:
        self.at, self.elapsed_us, self.stream = at, elapsed_us, stream
        self._frame, self._renderer = frame, renderer

    @cached_property
    def image(self) -> Image:
        """RGB, shape (height, width, 3), read-only. Raises what PyAV raises."""
        return self._renderer.render(self._frame)

    @property
    def colours(self) -> tuple[int, int, int]:
        """FFmpeg's numbers of the colour space, the primaries and the transfer function."""
        frame = self._frame
        return frame.colorspace, frame.color_primaries, frame.color_trc

    @cached_property
    def thumbnail(self) -> Thumbnail:
        """Shape (rows, columns, 3). Raises what PyAV raises."""
        if _has_alpha(self._frame):
            return thumbnail(self.image)
        return self._renderer.thumbnail(self._frame)


def displayed_size(frame: VideoFrame, pixel: Fraction | None) -> tuple[int, int]:
    """Width and height of a frame in full size: rotation applied, square pixels."""
    width, height = Renderer(frame.width * frame.height, pixel).size(frame)
    _, transposed = _turns(_orientation(frame))
    return (height, width) if transposed else (width, height)


_Orientation: TypeAlias = tuple[int, int, int, int]
"""Signs of the display matrix: where x and y of the stored picture point on the screen."""


def _orientation(frame: VideoFrame) -> _Orientation:
    """Rounded to quarter turns: phones know no others."""
    try:
        for data in cast(Iterable[SideData], frame.side_data):
            if data.type.name == "DISPLAYMATRIX":
                a, b, _, c, d, *_ = _MATRIX.unpack(bytes(data))
                return _quarter(a, b, c, d)
    except ValueError:  # side data of a kind that PyAV cannot name stands before it
        return _ROTATIONS.get(round(frame.rotation / 90) * 90 % 360, _ROTATIONS[0])
    return _ROTATIONS[0]


_ROTATIONS: dict[int, _Orientation] = {
    0: (1, 0, 0, 1),
    90: (0, -1, 1, 0),
    180: (-1, 0, 0, -1),
    270: (0, 1, -1, 0),
}
"""By degrees counter-clockwise, as `VideoFrame.rotation` tells them."""


def _quarter(a: int, b: int, c: int, d: int) -> _Orientation:
    straight, crossed = abs(a) + abs(d), abs(b) + abs(c)
    if straight == crossed == 0:
        return _ROTATIONS[0]
    if straight >= crossed:
        return (_sign(a), 0, 0, _sign(d))
    return (0, _sign(b), _sign(c), 0)


def _sign(value: int) -> int:
    return -1 if value < 0 else 1


def _turns(orientation: _Orientation) -> tuple[tuple[int, int], bool]:
    """Direction of the screen's columns and rows, and whether x and y change places."""
    a, b, c, d = orientation
    return ((c, b), True) if a == 0 else ((a, d), False)


def _upright(pixels: Image, orientation: _Orientation) -> Image:
    (across, down), transposed = _turns(orientation)
    if transposed:
        pixels = pixels.transpose(1, 0, 2)
    return pixels[::down, ::across]


def _has_alpha(frame: VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components)


def _over_grey(pixels: Image) -> Image:
    alpha = pixels[..., 3:].astype(np.uint16)
    blended = pixels[..., :3] * alpha + _BACKDROP * (255 - alpha)
    return (blended // 255).astype(np.uint8)


def _believable(pixel: Fraction | None) -> Fraction:
    if not pixel or not Fraction(1, _STRANGEST_PIXEL) <= pixel <= _STRANGEST_PIXEL:
        return Fraction(1)
    return pixel
