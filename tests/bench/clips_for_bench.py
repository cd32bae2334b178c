"""The clips that are timed, composed from real media: what people upload, in three kinds.

talking head  two shots in turn, a name for a few seconds; somebody speaks all the time
slides        another page of text every 15 s, and nothing moves in between; somebody speaks
busy cuts     another photo or piece of film every second, all of them moving, captions, music

1280x720 at 25 frames a second, H.264 with a key frame every 60 frames at the latest, AAC: what
an editor exports. The cuts fall between the instants that are sampled and not on them, so that
those who sample at 0.96 s and those who sample at 1 s look at the same scene.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image, ImageOps

from moderation.media.frames import SAMPLE_RATE
from moderation.testing.clips import Clip, Picture, solid, written

__all__ = ["KINDS", "SPOKEN", "compose"]

Pixels: TypeAlias = NDArray[np.uint8]
Samples: TypeAlias = NDArray[np.float32]

SIZE: Final = (1280, 720)
FPS: Final = 25
GOP: Final = 60

_SHOT_S: Final = 10
_SLIDE_S: Final = 15
_NAMED_S: Final = 5
_EARLY_S: Final = 0.4
"""By how much the first scene is shorter than the others: no cut falls on a sampled instant."""

_ZOOM: Final = 1.1
"""By how much a photo is larger than the picture, so that it can move behind it."""

_PEOPLE: Final = ("talking_face_with_audio.mp4", "head-pose-face-detection-female-and-male.gif")
_FOOTAGE: Final = (
    "people_objects/street_people_1080p.mp4",
    "people_objects/04_coffee.mp4",
    "people_objects/bottle-detection.mp4",
    "people_objects/classroom.gif",
    "people_objects/person-bicycle-car-detection.gif",
    "people_objects/chaplin.mp4",
    "scenes/testvideo.mp4",
)
_SPEECH: Final = (
    "jfk.wav",
    "librispeech-1995-1837-0001.wav",
    "speakers_librispeech/1701-141759-0022.wav",
    "speakers_librispeech/1988-148538-0011.wav",
    "speakers_librispeech/2902-9006-0010.wav",
)
_PHOTOS: Final = "[ko]*/[0-9]*.jpg"
_MUSIC: Final = "video/people_objects/chaplin.mp4"
_NAME: Final = ("Prof. Robin Okafor", "Institute of Applied Mathematics")
_CAPTIONS: Final = (
    "WAIT FOR IT",
    "Meanwhile in the city",
    "Follow for part two",
    "5 things nobody tells you",
    "Link in my profile",
    "This took me 3 weeks",
    "Best day of the year",
)
_SLIDES: Final = (
    ("Quarterly review", "Revenue grew by 12 percent", "Costs stayed where they were"),
    ("What we learned", "Customers ask for shorter answers", "Delivery took four days"),
    ("Next steps", "Hire two engineers in Lisbon", "Move the archive before December"),
    ("Any questions?", "Write to the team at any time", "Thank you for your attention"),
)
_SMALL_PRINT: Final = "Source: internal reporting, not audited"


def compose(kind: str, data: Path, folder: Path, seconds: int) -> Path:
    """Write the clip of that kind from the media in `data`; returns its path in `folder`."""
    path = folder / f"{kind.replace(' ', '_')}_{seconds}s.mp4"
    return path if path.is_file() else KINDS[kind](data, seconds).write(path)


class _Export(Clip):
    """A clip as an editor exports it."""

    def _video_stream(
        self, container: OutputContainer, codec: str, pixels: str, rotation: int
    ) -> VideoStream:
        stream: Any = super()._video_stream(container, codec, pixels, rotation)
        stream.codec_context.gop_size = GOP
        stream.codec_context.options = {"preset": "veryfast", "crf": "23"}
        return stream  # type: ignore[no-any-return]


def _talking_head(data: Path, seconds: int) -> Clip:
    clip, people = _empty(), data / "video" / "people_objects"
    shots = itertools.cycle(_back_and_forth(people / name) for name in _PEOPLE)
    for length, shot in zip(_lengths(seconds, _SHOT_S), shots, strict=False):
        named = min(_NAMED_S, length)
        clip.show(named, _titled(shot, *_NAME)).show(length - named, _later(shot, named))
    return clip.hear(_speech(data, seconds))


def _slides(data: Path, seconds: int) -> Clip:
    clip, pages = _empty(), itertools.cycle(map(_page, _SLIDES))
    for length, page in zip(_lengths(seconds, _SLIDE_S), pages, strict=False):
        clip.show(length, page)
    return clip.hear(_speech(data, seconds))


def _busy_cuts(data: Path, seconds: int) -> Clip:
    clip, captions = _empty(), itertools.cycle(_CAPTIONS)
    photos = [_photo(path) for path in sorted((data / "images").glob(_PHOTOS))]
    films = [_Film(data / "video" / name) for name in _FOOTAGE]
    both = zip(itertools.cycle(photos), itertools.cycle(films), strict=False)
    scenes = enumerate(itertools.chain.from_iterable(both))
    for length, (number, scene) in zip(_lengths(seconds, 1), scenes, strict=False):
        clip.show(length, _captioned(scene, next(captions)) if number % 3 else scene)
    return clip.hear(_repeated(_sound(data / _MUSIC), seconds))


def _lengths(seconds: int, each: int) -> Iterator[float]:
    """Of scenes that follow each other, the first one shorter than the others."""
    cuts = [0, *(cut - _EARLY_S for cut in range(each, seconds, each)), seconds]
    return (end - start for start, end in itertools.pairwise(cuts))


KINDS: Final[dict[str, Callable[[Path, int], Clip]]] = {
    "talking head": _talking_head,
    "slides": _slides,
    "busy cuts": _busy_cuts,
}


SPOKEN: Final = ("talking head", "slides")
"""The kinds in which somebody speaks."""


def _empty() -> Clip:
    return _Export(*SIZE, fps=FPS)


# Pictures


def _page(lines: tuple[str, str, str]) -> Picture:
    title, *points = lines
    page = written(solid(246, 246, 242), title, at=(0.06, 0.1), height=0.1, color=(20, 40, 90))
    for number, point in enumerate(points):
        place = (0.08, 0.34 + 0.14 * number)
        page = written(page, f"- {point}", at=place, height=0.06, color=(30, 30, 30))
    return written(page, _SMALL_PRINT, at=(0.06, 0.9), height=0.035, color=(90, 90, 90))


def _titled(picture: Picture, name: str, office: str) -> Picture:
    title = written(_barred(picture, 0.76, 0.94), name, at=(0.06, 0.78), height=0.065)
    return written(title, office, at=(0.06, 0.87), height=0.045)


def _captioned(picture: Picture, caption: str) -> Picture:
    return written(_barred(picture, 0.79, 0.92), caption, at=(0.2, 0.8), height=0.08)


def _barred(picture: Picture, top: float, bottom: float) -> Picture:
    """A darkened bar across the picture, on which letters can be read."""
    rows = slice(round(top * SIZE[1]), round(bottom * SIZE[1]))

    def paint(passed: float) -> Pixels:
        pixels = (picture(passed) if callable(picture) else picture).copy()
        pixels[rows] //= 4
        return pixels

    return paint


def _later(picture: Picture, by: float) -> Picture:
    return (lambda passed: picture(passed + by)) if callable(picture) else picture


def _photo(path: Path) -> Picture:
    """A photo that glides by, as editors make them."""
    width, height = (round(side * _ZOOM) for side in SIZE)
    large = np.asarray(ImageOps.fit(Image.open(path).convert("RGB"), (width, height)))

    def paint(passed: float) -> Pixels:
        x = round((width - SIZE[0]) * min(1.0, passed))
        y = round((height - SIZE[1]) * min(1.0, passed))
        return large[y : y + SIZE[1], x : x + SIZE[0]]

    return paint


def _back_and_forth(path: Path) -> Picture:
    """A short film over and over, without a jump: forwards, backwards."""
    times, frames = zip(*_decoded(path), strict=True)
    rate = (len(times) - 1) / (times[-1] - times[0])
    loop = [*frames, *frames[-2:0:-1]]
    return lambda passed: loop[round(passed * rate) % len(loop)]


class _Film:
    """A film from where it was left; from its start again when it is over."""

    def __init__(self, path: Path) -> None:
        self._path, self._frames = path, _decoded(path)
        self._scene_s, self._began_s, self._shown = 0.0, 0.0, next(self._frames)

    def __call__(self, passed: float) -> Pixels:
        if passed < self._scene_s:  # another scene began
            self._began_s = self._shown[0]
        self._scene_s = passed
        while self._shown[0] < self._began_s + passed:
            self._advance()
        return self._shown[1]

    def _advance(self) -> None:
        following = next(self._frames, None)
        if following is None:
            self._frames, self._began_s = _decoded(self._path), -self._scene_s
            following = next(self._frames)
        self._shown = following


def _decoded(path: Path) -> Iterator[tuple[float, Pixels]]:
    """Seconds and RGB pixels of each frame, fitted into the clip between black bars."""
    with av.open(path) as container:
        for frame in container.decode(video=0):
            picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
            yield float(frame.time or 0), np.asarray(ImageOps.pad(picture, SIZE))


# Sounds


def _speech(data: Path, seconds: int) -> Samples:
    spoken = [_sound(data / "audio" / name) for name in _SPEECH]
    return _repeated(np.concatenate(spoken), seconds)


def _sound(path: Path) -> Samples:
    """Mono at `SAMPLE_RATE`, -1..1."""
    resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
    with av.open(path) as container:
        frames = itertools.chain(container.decode(audio=0), [None])
        parts = [
            part.to_ndarray().reshape(-1) for each in frames for part in resampler.resample(each)
        ]
    return np.concatenate(parts).astype(np.float32)


def _repeated(samples: Samples, seconds: int) -> Samples:
    return np.resize(samples, seconds * SAMPLE_RATE)
