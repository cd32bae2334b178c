"""Golden clips, composed at run time: scenes, drawn text, moving photos, fades, tones, silence.

>>> clip = Clip(320, 180).show(2, written(BLACK, "knife")).hear(tone(1), at=0.5)
>>> clip.seconds
2.0

A picture is an RGB array of any size, or a function of the seconds since its scene began that
returns one. Nothing here is random and nothing is read from the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeAlias

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from moderation.media.frames import SAMPLE_RATE

__all__ = [
    "BLACK",
    "WHITE",
    "Clip",
    "Picture",
    "faded",
    "long_clip",
    "moving",
    "number_in",
    "numbered",
    "silence",
    "solid",
    "tone",
    "written",
]

Pixels: TypeAlias = NDArray[np.uint8]
Samples: TypeAlias = NDArray[np.float32]
Picture: TypeAlias = Pixels | Callable[[float], Pixels]
"""RGB, shape (height, width, 3), or a function of the scene's seconds that returns it."""

_CODECS: Final = {
    ".mp4": ("libx264", "aac"),
    ".mov": ("libx264", "aac"),
    ".mkv": ("libx264", "flac"),
    ".ts": ("libx264", "aac"),
    ".webm": ("libvpx-vp9", "libopus"),
    ".avi": ("mpeg4", "pcm_s16le"),
}
"""Encoders for pictures and sound by the file's suffix."""

_OPTIONS: Final = {
    "libx264": {"preset": "veryfast", "crf": "18"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "24"},
}

_CLOCK: Final = Fraction(1, 90_000)
"""The time base of pictures: whole for all usual frame rates."""

_SOUND_FRAME: Final = 1024
"""Samples that an encoder is given at once."""

_AUDIO_RATES: Final = {"libopus": 48_000}
"""Encoders that do not take 16 kHz; the others keep what detectors will hear."""


@dataclass
class Clip:
    """A video to be written: scenes one after the other, and sounds at their times."""

    width: int = 640
    height: int = 360
    fps: float = 25.0
    scenes: list[tuple[float, Picture, float]] = field(default_factory=list)
    sounds: list[tuple[float, Samples]] = field(default_factory=list)

    def show(self, seconds: float, picture: Picture, fps: float | None = None) -> Clip:
        """Add a scene; with `fps` of its own the clip has a variable frame rate."""
        self.scenes.append((float(seconds), picture, fps or self.fps))
        return self

    def hear(self, samples: Samples, at: float = 0.0) -> Clip:
        """Add mono sound at `SAMPLE_RATE`, -1..1, from `at` seconds on; sounds add up."""
        self.sounds.append((at, samples))
        return self

    @property
    def seconds(self) -> float:
        """Length of all scenes."""
        return sum(seconds for seconds, _, _ in self.scenes)

    def frames(self) -> Iterator[tuple[float, Pixels]]:
        """Time in seconds and RGB pixels of each frame."""
        began = 0.0
        for seconds, picture, fps in self.scenes:
            shown = picture if callable(picture) else _fitted(picture, self.width, self.height)
            for number in range(round(seconds * fps)):
                painted = _fitted(_painted(shown, number / fps), self.width, self.height)
                yield began + number / fps, painted
            began += seconds

    def sound(self) -> Samples:
        """All sounds mixed; silence where there is none, empty when there are none at all."""
        ends = [round(at * SAMPLE_RATE) + len(samples) for at, samples in self.sounds]
        length = max(ends, default=0)
        if self.sounds:
            length = max(length, round(self.seconds * SAMPLE_RATE))
        mixed = np.zeros(length, np.float32)
        for (_, samples), end in zip(self.sounds, ends, strict=True):
            mixed[end - len(samples) : end] += samples
        return mixed.clip(-1, 1)

    def write(
        self,
        path: Path,
        *,
        video: str = "",
        audio: str = "",
        pixels: str = "yuv420p",
        rotation: int = 0,
        start: float = 0.0,
        options: dict[str, str] | None = None,
    ) -> Path:
        """Encode to `path`, whose suffix chooses container and codecs; returns it.

        video, audio  other encoders than the suffix's own
        pixels        FFmpeg's pixel format
        rotation      degrees counter-clockwise by which players are to turn the picture
        start         seconds at which the timestamps begin
        options       of the container, such as {"movflags": "faststart"}
        """
        usual = _CODECS[path.suffix]
        sound = self.sound()
        with av.open(path, "w", options={"fflags": "+bitexact", **(options or {})}) as container:
            shown = self._video_stream(container, video or usual[0], pixels, rotation)
            heard = _Voice(container, audio or usual[1], sound, start) if len(sound) else None
            for at, image in self.frames():
                if heard is not None:
                    heard.speak_until(at)
                _mux_picture(container, shown, image, at + start)
            container.mux(shown.encode())
            if heard is not None:
                heard.finish()
        return path

    def _video_stream(
        self, container: OutputContainer, codec: str, pixels: str, rotation: int
    ) -> VideoStream:
        rate = Fraction(self.fps).limit_denominator(1001)
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, pixels
        stream.codec_context.options = _OPTIONS.get(codec, {})
        # One thread: two runs give the same bytes.
        stream.codec_context.thread_count = 1
        # MPEG-4's clock has 16 bits.
        stream.codec_context.time_base = 1 / rate if codec == "mpeg4" else _CLOCK
        if rotation:
            stream.set_display_rotation(rotation)
        return stream  # type: ignore[no-any-return]


def _mux_picture(
    container: OutputContainer, stream: VideoStream, pixels: Pixels, at: float
) -> None:
    frame, clock = av.VideoFrame.from_ndarray(pixels), stream.codec_context.time_base
    frame.pts, frame.time_base = round(Fraction(at) / clock), clock
    container.mux(stream.encode(frame))


class _Voice:
    """Encodes sound step by step, so that it lies beside the pictures in the file."""

    def __init__(
        self, container: OutputContainer, codec: str, sound: Samples, start: float
    ) -> None:
        rate = _AUDIO_RATES.get(codec, SAMPLE_RATE)
        self._stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        self._container, self._sound = container, sound
        self._spoken, self._shift = 0, round(start * SAMPLE_RATE)
        self._resampler: av.AudioResampler | None = None

    def speak_until(self, seconds: float) -> None:
        while self._spoken < min(len(self._sound), seconds * SAMPLE_RATE):
            part = self._sound[None, self._spoken : self._spoken + _SOUND_FRAME]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), "fltp", "mono")
            frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
            frame.pts = self._spoken + self._shift
            self._spoken += part.shape[1]
            self._encode(frame)

    def finish(self) -> None:
        self.speak_until(len(self._sound) / SAMPLE_RATE)
        self._encode(None)
        self._container.mux(self._stream.encode())

    def _encode(self, frame: av.AudioFrame | None) -> None:
        if self._resampler is None:
            context = self._stream.codec_context
            context.open(strict=False)  # which tells the size of its frames
            size = context.frame_size or _SOUND_FRAME
            self._resampler = av.AudioResampler(context.format, "mono", context.sample_rate, size)
        for resampled in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(resampled))


# Pictures


def solid(red: int, green: int, blue: int) -> Pixels:
    """One colour, 0..255 each; fills whatever clip it is shown in."""
    return np.array([[[red, green, blue]]], np.uint8)


BLACK: Final = solid(0, 0, 0)
WHITE: Final = solid(255, 255, 255)


def written(
    picture: Picture,
    text: str,
    *,
    at: tuple[float, float] = (0.05, 0.4),
    height: float = 0.15,
    color: tuple[int, int, int] = (255, 255, 255),
    font: Path | None = None,
) -> Picture:
    """A picture with text drawn on it.

    at      left and top of the text, in fractions of the picture
    height  of the letters, in fractions of the picture
    font    a TrueType file; Pillow's own font knows Latin letters only
    """

    def paint(seconds: float) -> Pixels:
        image = Image.fromarray(_roomy(_painted(picture, seconds)))
        size = height * image.height
        letters = ImageFont.truetype(font, size) if font else ImageFont.load_default(size)
        corner = at[0] * image.width, at[1] * image.height
        ImageDraw.Draw(image).text(corner, text, fill=color, font=letters)
        return np.asarray(image)

    return paint if callable(picture) else paint(0.0)


def moving(
    photo: Pixels,
    background: Picture,
    *,
    seconds: float,
    start: tuple[float, float] = (0.0, 0.25),
    end: tuple[float, float] = (0.6, 0.25),
    height: float = 0.5,
) -> Picture:
    """A photo that moves over a background, from `start` to `end` in so many seconds.

    start, end  left and top of the photo, in fractions of the background
    height      of the photo, in fractions of the background
    """

    def paint(passed: float) -> Pixels:
        canvas = Image.fromarray(_roomy(_painted(background, passed)))
        share = min(1.0, passed / seconds)
        size = round(height * canvas.height)
        cut = Image.fromarray(photo).resize((round(size * photo.shape[1] / photo.shape[0]), size))
        x, y = ((1 - share) * a + share * b for a, b in zip(start, end, strict=True))
        canvas.paste(cut, (round(x * canvas.width), round(y * canvas.height)))
        return np.asarray(canvas)

    return paint


def faded(picture: Picture, *, seconds: float) -> Picture:
    """A picture that comes up from black in so many seconds."""

    def paint(passed: float) -> Pixels:
        return (_painted(picture, passed) * min(1.0, passed / seconds)).astype(np.uint8)

    return paint


_BITS: Final = 16


def numbered(fps: float) -> Picture:
    """Frames that show their number as bright and dark stripes: `number_in` reads it back."""

    def paint(seconds: float) -> Pixels:
        number = round(seconds * fps)
        stripes = [224 if number >> bit & 1 else 32 for bit in reversed(range(_BITS))]
        row = np.repeat(np.array(stripes, np.uint8), 8)
        return np.broadcast_to(row[None, :, None], (72, len(row), 3)).copy()

    return paint


def number_in(image: Pixels) -> int:
    """The number that a `numbered` frame shows, after whatever coding it went through."""
    width = image.shape[1] / _BITS
    middles = [round((stripe + 0.5) * width) for stripe in range(_BITS)]
    row = image[image.shape[0] // 2, :, 1]
    return sum(1 << _BITS - 1 - bit for bit, x in enumerate(middles) if row[x] > 128)


def _painted(picture: Picture, seconds: float) -> Pixels:
    return picture(seconds) if callable(picture) else picture


_CANVAS: Final = (1280, 720)
"""Width and height on which text and photos are laid when the picture itself is a single pixel."""


def _roomy(pixels: Pixels) -> Pixels:
    return _fitted(pixels, *_CANVAS) if pixels.shape[:2] == (1, 1) else pixels


def _fitted(pixels: Pixels, width: int, height: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return np.ascontiguousarray(pixels)
    if pixels.shape[:2] == (1, 1):
        return np.broadcast_to(pixels, (height, width, 3)).copy()
    return np.asarray(Image.fromarray(pixels).resize((width, height)))


# Sounds


def tone(seconds: float, hertz: float = 440.0, level: float = 0.3) -> Samples:
    """A sine, mono at `SAMPLE_RATE`; `level` is its peak, 0..1."""
    passed = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * hertz * passed)).astype(np.float32)


def silence(seconds: float) -> Samples:
    """Nothing to hear, mono at `SAMPLE_RATE`."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


# Endurance


def long_clip(path: Path, seconds: int, *, fps: float = 2.0) -> Path:
    """A small video with sound that is cheap to write and to decode, in Matroska.

    Its pictures are 64 x 48; its sound is a tone, sampled at 8 kHz.
    """
    sound = (tone(1)[::2] * 127 + 128).astype(np.uint8)
    with av.open(path, "w", format="matroska") as container:
        shown: Any = container.add_stream("mpeg4", rate=Fraction(fps))
        shown.width, shown.height, shown.pix_fmt = 64, 48, "yuv420p"
        heard: Any = container.add_stream("pcm_u8", rate=SAMPLE_RATE // 2, layout="mono")
        for number in range(round(seconds * fps)):
            grey = np.full((48, 64, 3), number * 7 % 256, np.uint8)
            container.mux(shown.encode(av.VideoFrame.from_ndarray(grey)))
            if number % round(fps) == 0:
                part = av.AudioFrame.from_ndarray(sound[None], "u8", "mono")
                part.sample_rate, part.pts = SAMPLE_RATE // 2, round(number / fps) * 8_000
                container.mux(heard.encode(part))
        container.mux(shown.encode())
        container.mux(heard.encode())
    return path
