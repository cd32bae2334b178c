"""Pictures: as a person would see them, whatever the file stores."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from moderation.config import MediaLimits
from moderation.detector import Frames
from moderation.media.frames import Frame
from moderation.media.picture import Renderer
from moderation.testing.clips import Clip, Pixels, solid
from moderation.testing.decoding import decoded

FIRST = Frames(per_second=0.001)


def corners() -> Pixels:
    """Red, green, blue and white in the corners, clockwise from the top left; grey between."""
    image = np.full((120, 160, 3), 128, np.uint8)
    for (rows, columns), color in zip(
        [(slice(0, 50), slice(0, 70)), (slice(0, 50), slice(90, 160)),
         (slice(70, 120), slice(90, 160)), (slice(70, 120), slice(0, 70))],
        [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)],
        strict=True,
    ):  # fmt: skip
        image[rows, columns] = color
    return image


def seen_in(image: Pixels) -> str:
    """The colours of the corners, clockwise from the top left."""
    height, width = image.shape[:2]
    names = {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (1, 1, 1): "w"}
    places = [(0.2, 0.2), (0.2, 0.8), (0.8, 0.8), (0.8, 0.2)]
    pixels = [image[int(y * height), int(x * width)] > 128 for y, x in places]
    return "".join(names.get((int(r), int(g), int(b)), "?") for r, g, b in pixels)


def first_frame(path: Path, **limits: int) -> Frame:
    return decoded(path, FIRST, limits=MediaLimits(**limits)).frames[0]


@pytest.mark.parametrize(
    ("degrees", "corner_colors"), [(0, "rgbw"), (90, "gbwr"), (180, "bwrg"), (270, "wrgb")]
)
def test_rotation_is_applied(tmp_path: Path, degrees: int, corner_colors: str) -> None:
    path = tmp_path / "clip.mp4"
    Clip(160, 120, fps=5).show(0.4, corners()).write(path, rotation=degrees)
    seen = decoded(path, FIRST)
    frame = seen.frames[0]
    assert seen_in(frame.image) == corner_colors
    assert (seen.video.width, seen.video.height) == (frame.width, frame.height)


@pytest.mark.parametrize(
    ("degrees", "horizontally", "vertically", "corner_colors"),
    [(0, True, False, "grwb"), (0, False, True, "wbgr"), (90, True, False, "bgrw")],
)
def test_mirroring_is_applied(
    tmp_path: Path, degrees: int, horizontally: bool, vertically: bool, corner_colors: str
) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.set_display_rotation(degrees, hflip=horizontally, vflip=vertically)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(corners())))
        container.mux(stream.encode())
    assert seen_in(first_frame(path).image) == corner_colors


@pytest.mark.parametrize(
    ("codec", "pixels"),
    [
        ("libx264", "yuv420p"),
        ("libx264", "yuv422p10le"),
        ("libx264", "yuv444p"),
        ("libx264", "yuvj420p"),
        ("libx264", "yuv420p10le"),
        ("prores_ks", "yuva444p10le"),
        ("mjpeg", "yuvj444p"),
    ],
)
def test_every_pixel_format_becomes_the_same_rgb(tmp_path: Path, codec: str, pixels: str) -> None:
    path = tmp_path / "clip.mov"
    Clip(160, 120, fps=5).show(0.4, corners()).write(path, video=codec, pixels=pixels)
    frame = first_frame(path)
    assert frame.image.dtype == np.uint8
    assert frame.image.shape == (120, 160, 3)
    assert seen_in(frame.image) == "rgbw"


def test_grey_stays_grey(tmp_path: Path) -> None:
    clip = Clip(64, 48, fps=5).show(0.4, solid(90, 90, 90))
    image = first_frame(clip.write(tmp_path / "clip.mp4", pixels="gray")).image
    assert np.ptp(image, axis=2).max() == 0
    assert abs(int(image[0, 0, 0]) - 90) <= 6


@pytest.mark.parametrize(("width", "height"), [(63, 47), (1, 1), (17, 240), (640, 2)])
def test_odd_sizes_are_kept(tmp_path: Path, width: int, height: int) -> None:
    clip = Clip(width, height, fps=5).show(0.4, solid(255, 0, 0))
    frame = first_frame(clip.write(tmp_path / "clip.mp4", pixels="yuv444p"))
    assert (frame.width, frame.height) == (width, height)


@pytest.mark.parametrize(
    ("pixel", "size"),
    [(Fraction(2), (320, 120)), (Fraction(1, 2), (160, 240)), (Fraction(1000), (160, 120)),
     (None, (160, 120))],
)  # fmt: skip
def test_pixels_become_square(pixel: Fraction | None, size: tuple[int, int]) -> None:
    assert Renderer(10_000, pixel).size(av.VideoFrame(160, 120, "yuv420p")) == size


def test_a_large_picture_is_scaled_to_the_longest_side(tmp_path: Path) -> None:
    clip = Clip(640, 360, fps=5).show(0.4, corners())
    seen = decoded(clip.write(tmp_path / "clip.mp4"), FIRST, limits=MediaLimits(longest_side=128))
    frame = seen.frames[0]
    assert (frame.width, frame.height, seen_in(frame.image)) == (128, 72, "rgbw")
    assert (seen.video.width, seen.video.height) == (640, 360)


def test_a_small_picture_is_not_enlarged(tmp_path: Path) -> None:
    frame = first_frame(Clip(64, 48, fps=5).show(0.4, corners()).write(tmp_path / "clip.mp4"))
    assert (frame.width, frame.height) == (64, 48)


def test_writing_on_a_transparent_picture_stands_before_grey() -> None:
    frame = av.VideoFrame(8, 8, "rgba")
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (0, 0, 0, 255)
    frame = av.VideoFrame.from_ndarray(pixels, "rgba")
    image = Renderer(64, None).render(frame)
    assert (image[0, 0].tolist(), image[0, 7].tolist()) == ([0, 0, 0], [128, 128, 128])


def test_pixels_cannot_be_written_to(tmp_path: Path) -> None:
    frame = first_frame(Clip(64, 48, fps=5).show(0.4, corners()).write(tmp_path / "clip.mp4"))
    with pytest.raises(ValueError, match="read-only"):
        frame.image[0, 0] = 0


def test_interlaced_video_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "clip.ts"
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        stream.codec_context.options = {"flags": "+ildct+ilme"}
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_tall(corners()))))
        container.mux(stream.encode())
    assert seen_in(first_frame(path).image) == "rgbw"


def _tall(image: Pixels) -> Pixels:
    return np.pad(image, ((4, 4), (0, 0), (0, 0)), mode="edge")
