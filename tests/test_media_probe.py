"""Probing: what a file says of itself."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from moderation.config import MediaLimits
from moderation.errors import MediaError, MediaFault
from moderation.media import MediaReader
from moderation.scan import Video
from moderation.source import Source
from moderation.testing.clips import BLACK, Clip, tone


def probed(path: Path, **limits: int) -> Video:
    with Source.open(path) as source, MediaReader(source, MediaLimits(**limits)) as media:
        return media.probe()


def test_a_video_says_what_is_in_it(tmp_path: Path) -> None:
    clip = Clip(320, 180, fps=25).show(2, BLACK).hear(tone(2))
    path = clip.write(tmp_path / "clip.mp4")
    assert probed(path) == Video(
        uri=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        bytes=path.stat().st_size,
        duration_us=probed(path).duration_us,
        width=320,
        height=180,
        fps=25.0,
        has_video=True,
        has_audio=True,
        container="mov",
        codecs=("h264", "aac"),
    )
    assert probed(path).duration_us == pytest.approx(2_000_000, abs=100_000)


def test_a_silent_video_has_no_audio(tmp_path: Path) -> None:
    video = probed(Clip(64, 48).show(1, BLACK).write(tmp_path / "clip.mp4"))
    assert (video.has_video, video.has_audio) == (True, False)


def test_sound_alone_has_no_video(tmp_path: Path) -> None:
    video = probed(sound_alone(tmp_path / "sound.mkv"))
    assert (video.has_video, video.has_audio, video.width) == (False, True, 0)


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = sound_alone(tmp_path / "sound.mp4", cover=True)
    with av.open(path) as container:
        assert len(container.streams.video) == 1
    assert not probed(path).has_video


def test_a_recording_without_a_length_is_measured(tmp_path: Path) -> None:
    path = Clip(64, 48, fps=25).show(2, BLACK).write(tmp_path / "clip.webm")
    live = tmp_path / "live.webm"
    with av.open(path) as source, av.open(live, "w", options={"live": "1"}) as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                sink.mux(packet)
    with av.open(live) as container:
        assert container.duration is None
    assert probed(live).duration_us == 2_000_000


def test_a_file_above_the_size_limit_is_too_large(tmp_path: Path) -> None:
    path = Clip(64, 48).show(1, BLACK).write(tmp_path / "clip.mp4")
    with pytest.raises(MediaError) as raised:
        probed(path, max_bytes=path.stat().st_size - 1)
    assert raised.value.fault is MediaFault.TOO_LARGE


def test_a_file_at_the_size_limit_is_not(tmp_path: Path) -> None:
    path = Clip(64, 48).show(1, BLACK).write(tmp_path / "clip.mp4")
    assert probed(path, max_bytes=path.stat().st_size).width == 64


def sound_alone(path: Path, *, cover: bool = False) -> Path:
    with av.open(path, "w") as container:
        voice = container.add_stream("aac", rate=16_000, layout="mono")
        if cover:
            picture = container.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame(64, 48, "yuvj420p")
            frame.pts, frame.time_base = 0, Fraction(1)
            container.mux(picture.encode(frame))
            container.mux(picture.encode())
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate, sound.pts = 16_000, 0
        container.mux(voice.encode(sound))
        container.mux(voice.encode())
    return path
