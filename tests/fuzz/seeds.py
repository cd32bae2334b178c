"""Seeds: small valid files in the containers that people upload, made when they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from moderation.media.frames import SAMPLE_RATE
from moderation.testing.clips import Clip, numbered, tone

__all__ = ["Seed", "composed", "found", "kept", "written"]

FOUND: Final = "found"
"""What mutants of odd files are counted under, whatever they are."""

LARGEST: Final = 200_000
"""Bytes of a file that is taken from elsewhere: the larger, the fewer mutants hit what matters."""

_NO_MEDIA: Final = frozenset({".csv", ".json", ".md", ".txt", ".rttm", ".stm", ".uem", ""})

_CLIP: Final = Clip(64, 48, fps=10).show(1.2, numbered(10)).hear(tone(1.2))

_CLIPS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "mp4": ("a.mp4", {"options": {"movflags": "faststart"}}),
    "mp4-late": ("b.mp4", {"rotation": 90}),
    "mp4-fragmented": (
        "c.mp4",
        {"options": {"movflags": "empty_moov+default_base_moof", "frag_duration": "300000"}},
    ),
    "mov": ("a.mov", {"audio": "pcm_s16le"}),
    "mkv": ("a.mkv", {}),
    "webm": ("a.webm", {}),
    "avi": ("a.avi", {}),
    "avi-mp3": ("b.avi", {"audio": "libmp3lame"}),
    "ts": ("a.ts", {}),
}
"""By the seed's name: the file, whose suffix chooses container and codecs, and other options."""

_SOUNDS: Final = {
    "mp3": ("libmp3lame", SAMPLE_RATE),
    "wav": ("pcm_s16le", SAMPLE_RATE),
    "ogg": ("libopus", 48_000),
    "flac": ("flac", SAMPLE_RATE),
}


@dataclass(frozen=True, slots=True)
class Seed:
    """A file to be damaged. `container` is what its mutants are counted under."""

    name: str
    container: str
    data: bytes


def composed(folder: Path) -> list[Seed]:
    """Valid files of about a second; the same bytes each time, on one machine."""
    paths = {name: _CLIP.write(folder / file, **given) for name, (file, given) in _CLIPS.items()}
    paths["flv"] = _remuxed(paths["mp4"], folder / "a.flv")
    paths["gif"] = _animation(folder / "a.gif")
    for kind, (codec, rate) in _SOUNDS.items():
        paths[kind] = _sound(folder / f"a.{kind}", codec, rate)
    return [Seed(name, name.partition("-")[0], path.read_bytes()) for name, path in paths.items()]


def found(data: Path) -> list[Seed]:
    """The odd and broken files below `data`/video and `data`/audio; none where there is none."""
    paths = sorted(path for kind in ("video", "audio") for path in (data / kind).rglob("*"))
    return [Seed(path.name, FOUND, path.read_bytes()) for path in paths if _is_odd(path)]


def written(seeds: list[Seed], folder: Path) -> None:
    """Keep seeds as files, for processes that read them instead of making them again."""
    folder.mkdir()
    for number, seed in enumerate(seeds):
        (folder / f"{number:04}.{seed.container}.{seed.name}").write_bytes(seed.data)


def kept(folder: Path) -> tuple[list[Seed], list[Seed]]:
    """What `written` wrote, in its order: those that were composed, and those that were found."""
    seeds = [_kept(path) for path in sorted(folder.iterdir())]
    composed = [each for each in seeds if each.container != FOUND]
    return composed, [each for each in seeds if each.container == FOUND]


def _kept(path: Path) -> Seed:
    _, container, name = path.name.split(".", 2)
    return Seed(name, container, path.read_bytes())


def _is_odd(path: Path) -> bool:
    return (
        path.is_file()
        and path.suffix.lower() not in _NO_MEDIA
        and 0 < path.stat().st_size < LARGEST
    )


def _remuxed(path: Path, target: Path) -> Path:
    with av.open(path) as source, av.open(target, "w", options=_EXACT) as sink:
        streams = {
            each.index: sink.add_stream_from_template(each)
            for each in (*source.streams.video, *source.streams.audio)
        }
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                sink.mux(packet)
    return target


def _animation(path: Path) -> Path:
    with av.open(path, "w", options=_EXACT) as container:
        stream: Any = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8"
        for number, (_, pixels) in enumerate(_CLIP.frames()):
            frame = av.VideoFrame.from_ndarray(pixels).reformat(format="rgb8")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _sound(path: Path, codec: str, rate: int) -> Path:
    with av.open(path, "w", options=_EXACT) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        stream.codec_context.open(strict=False)
        context = stream.codec_context
        resampler = av.AudioResampler(context.format, "mono", rate, context.frame_size or 1024)
        samples = np.ascontiguousarray(tone(1.2)[None])
        frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
        frame.sample_rate = SAMPLE_RATE
        for resampled in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(resampled))
        container.mux(stream.encode())
    return path


_EXACT: Final = {"fflags": "+bitexact"}
"""No dates and no random numbers in the file."""
