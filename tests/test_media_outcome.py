"""Outcomes: how much was missed of a file that is not whole, and why."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from moderation.config import MediaLimits
from moderation.detector import Audio, Frames
from moderation.errors import MediaError, MediaFault
from moderation.testing.clips import BLACK, WHITE, Clip, numbered, tone
from moderation.testing.decoding import Decoded, decoded
from tests.uneven import uneven

WANTS = (Frames(per_second=2), Audio())


def whole(path: Path, seconds: int = 10, **options: Any) -> Path:
    clip = Clip(64, 48, fps=10).show(seconds, numbered(10)).hear(tone(seconds))
    return clip.write(path, **options)


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def missed(seen: Decoded) -> list[float]:
    """Of frames and of sound, the share of the plan that was not examined."""
    return [1 - feed.examined / feed.planned if feed.planned else 0 for feed in seen.feeds]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".ts", ".avi"])
def test_a_whole_file_misses_nothing(tmp_path: Path, suffix: str) -> None:
    seen = decoded(whole(tmp_path / f"clip{suffix}"), *WANTS)
    assert missed(seen) == [0, 0]
    assert (seen.outcome.fault, seen.outcome.message) == (None, "")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi"])
def test_a_truncated_file_tells_how_much_is_missing(tmp_path: Path, suffix: str) -> None:
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    seen = decoded(cut(whole(tmp_path / f"clip{suffix}", options=options), 0.6), *WANTS)
    assert seen.outcome.fault is MediaFault.UNREADABLE
    assert missed(seen) == [pytest.approx(0.4, abs=0.1), pytest.approx(0.4, abs=0.1)]


def test_a_truncated_fragmented_file_is_not_whole(tmp_path: Path) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"}
    seen = decoded(cut(whole(tmp_path / "clip.mp4", options=options), 0.6), *WANTS)
    assert seen.outcome.fault is MediaFault.UNREADABLE
    assert all(share > 0 for share in missed(seen))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_last_picture_that_stands_long_is_not_missing(tmp_path: Path, suffix: str) -> None:
    path = uneven(tmp_path / f"clip{suffix}", [0.04] * 29 + [10])
    seen = decoded(path, Frames(per_second=2))
    assert seen.outcome.decoded.seconds == pytest.approx(11.16)
    assert seen.outcome.message == ""
    assert missed(seen) == [0]


def test_a_first_picture_that_stands_long_is_not_taken_for_two(tmp_path: Path) -> None:
    path = uneven(tmp_path / "clip.mp4", [10] + [0.04] * 29, reordered=2)
    assert decoded(path, Frames(per_second=2)).outcome.message == ""


@pytest.mark.parametrize("lengths", [[0.04] * 60 + [10], [10] + [0.04] * 60])
def test_a_truncated_file_of_uneven_pictures_is_not_whole(
    tmp_path: Path, lengths: list[float]
) -> None:
    path = uneven(tmp_path / "clip.mp4", lengths, movflags="faststart")
    seen = decoded(cut(path, 0.8), Frames(per_second=2))
    assert seen.outcome.fault is MediaFault.UNREADABLE
    assert missed(seen)[0] > 0


def test_a_file_cut_before_its_index_cannot_be_opened(tmp_path: Path) -> None:
    path = cut(whole(tmp_path / "clip.mp4"), 0.6)
    with pytest.raises(MediaError) as raised:
        decoded(path, *WANTS)
    assert raised.value.fault is MediaFault.UNREADABLE


def test_broken_packets_in_the_middle_count_as_missing(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    whole(path, video="mjpeg", pixels="yuvj420p")
    broken = tmp_path / "broken.mkv"
    with av.open(path) as source, av.open(broken, "w") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.dts is None:
                continue
            lost = av.Packet(b"nothing" if 40 <= number < 60 else bytes(packet))
            lost.pts, lost.dts, lost.time_base = packet.pts, packet.dts, packet.time_base
            lost.duration, lost.stream, lost.is_keyframe = packet.duration, stream, True
            sink.mux(lost)
    seen = decoded(broken, *WANTS)
    assert seen.outcome.lost == 20
    assert seen.outcome.message == "part of the video does not decode"
    assert missed(seen)[0] == pytest.approx(0.2, abs=0.05)


def test_a_file_of_broken_packets_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(path, "w") as sink:
        stream = sink.add_stream("mjpeg", rate=100)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
        first, *_ = [*stream.encode(frame), *stream.encode()]
        sink.mux(first)
        for number in range(1, 500):
            packet = av.Packet(b"nothing")
            packet.pts = packet.dts = number
            packet.time_base, packet.stream = Fraction(1, 100), stream
            sink.mux(packet)
    seen = decoded(path, *WANTS, limits=MediaLimits(max_errors=50))
    assert (seen.outcome.frames, seen.outcome.lost) == (1, 50)
    assert missed(seen)[0] > 0.5


def test_a_video_beyond_the_length_limit_is_seen_up_to_it(tmp_path: Path) -> None:
    seen = decoded(whole(tmp_path / "clip.mp4"), *WANTS, limits=MediaLimits(max_seconds=5))
    assert seen.outcome.fault is MediaFault.TOO_LARGE
    assert seen.outcome.message == "it is longer than 5 s"
    assert missed(seen) == [pytest.approx(0.5, abs=0.1), pytest.approx(0.5, abs=0.1)]


def test_a_hundred_hours_in_few_bytes_end_at_the_length_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mp4"
    Clip(16, 16, fps=1 / 60).show(100 * 3600, BLACK).write(path, video="mpeg4")
    seen = decoded(path, *WANTS)
    assert seen.outcome.fault is MediaFault.TOO_LARGE
    assert seen.outcome.frames <= 242
    assert seen.feeds[0].planned > seen.feeds[0].examined


def test_too_many_frames_end_at_the_limit(tmp_path: Path) -> None:
    seen = decoded(whole(tmp_path / "clip.mp4"), *WANTS, limits=MediaLimits(max_frames=30))
    assert (seen.outcome.frames, seen.outcome.message) == (31, "it has more than 30 frames")
    assert missed(seen)[0] == pytest.approx(0.7, abs=0.1)


def test_a_frame_rate_that_no_camera_has_ends_early(tmp_path: Path) -> None:
    path = Clip(16, 16, fps=1000).show(3, BLACK).write(tmp_path / "clip.mkv", video="mpeg4")
    seen = decoded(path, *WANTS)
    assert seen.outcome.message == "it has more than 240.5 frames a second"
    assert seen.outcome.frames < 1000


def test_too_many_samples_are_counted_and_not_handed_on(tmp_path: Path) -> None:
    seen = decoded(whole(tmp_path / "clip.mp4"), *WANTS, limits=MediaLimits(max_samples=5))
    assert (seen.feeds[0].examined, seen.feeds[0].planned) == (5, 21)
    assert seen.outcome.message == "more than 5 samples"


def test_every_video_stream_is_seen(tmp_path: Path) -> None:
    seen = decoded(two_streams(tmp_path / "two.mkv", "mpeg4"), Frames(per_second=1, batch=2))
    shown = {frame.stream: round(frame.image.mean(), -2) for frame in seen.frames}
    assert shown == {0: 0, 1: 300}
    assert all(len({frame.stream for frame in batch}) == 1 for batch in seen.batches[0])
    assert missed(seen) == [0]


def test_a_video_stream_that_is_not_decoded_counts_as_missing(tmp_path: Path) -> None:
    seen = decoded(two_streams(tmp_path / "two.mkv", "ffv1"), Frames(per_second=1))
    assert {frame.stream for frame in seen.frames} == {0}
    assert seen.outcome.fault is MediaFault.UNSUPPORTED_CODEC
    assert missed(seen)[0] > 0


def test_a_decoder_that_refuses_its_stream_does_not_stop_the_others(
    tmp_path: Path, shared_data: Path
) -> None:
    video = shared_data / "video" / "formats" / "big_buck_bunny_432_433.webm"
    path = tmp_path / "clip.webm"
    path.write_bytes(video.read_bytes().replace(b"\x05vorbis", b"\x05unhear"))
    seen = decoded(path, *WANTS)
    assert missed(seen) == [0, 1]
    assert seen.outcome.frames == 24
    assert seen.outcome.message.startswith("the audio decoder vorbis refuses the stream")
    assert "only one of its sound tracks" not in seen.outcome.message


def test_a_change_of_size_splits_the_batch(tmp_path: Path) -> None:
    path = growing(tmp_path / "clip.mkv", [(64, 48), (128, 96), (64, 48)])
    seen = decoded(path, Frames(per_second=100, batch=100))
    assert [batch[0].image.shape for batch in seen.batches[0]] == [
        (48, 64, 3), (96, 128, 3), (48, 64, 3)
    ]  # fmt: skip


def test_pictures_that_grow_beyond_the_limit_are_left_out(tmp_path: Path) -> None:
    path = growing(tmp_path / "clip.mkv", [(64, 48), (128, 96), (64, 48)])
    limits = MediaLimits(max_pixels=64 * 48)
    seen = decoded(path, Frames(per_second=100, batch=100), limits=limits)
    assert {frame.image.shape for frame in seen.frames} == {(48, 64, 3)}
    assert seen.outcome.fault is MediaFault.TOO_LARGE
    assert seen.feeds[0].planned > seen.feeds[0].examined


def test_frames_that_an_edit_list_hides_are_seen(tmp_path: Path) -> None:
    path = whole(tmp_path / "clip.mp4", seconds=4)
    trimmed = tmp_path / "trimmed.mp4"
    with av.open(path) as source, av.open(trimmed, "w") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts = packet.pts - 90_000, packet.dts - 90_000
                packet.stream = stream
                sink.mux(packet)
    seen = decoded(trimmed, Frames(per_second=10))
    assert len(seen.frames) == 40
    assert [frame.at.us for frame in seen.frames[10:12]] == [10, 100_000]
    assert [frame.at.us for frame in seen.frames[:10]] == list(range(10))


def two_streams(path: Path, second: str) -> Path:
    """A black and a white stream; the second of another codec."""
    with av.open(path, "w") as container:
        streams: list[Any] = [container.add_stream(codec, rate=5) for codec in ("mpeg4", second)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(10):
            for stream, color in zip(streams, (BLACK, WHITE), strict=True):
                frame = av.VideoFrame.from_ndarray(np.broadcast_to(color, (48, 64, 3)).copy())
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    return path


def growing(path: Path, sizes: list[tuple[int, int]]) -> Path:
    """One stream whose pictures change their size, ten of each."""
    with av.open(path, "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = *sizes[0], "yuvj420p"
        for number, (width, height) in enumerate(sizes):
            encoder = av.VideoCodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
            encoder.time_base = Fraction(1, 25)
            for count in range(10):
                frame = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8))
                frame.pts, frame.time_base = 10 * number + count, encoder.time_base
                for packet in encoder.encode(frame):
                    packet.stream, packet.time_base = stream, encoder.time_base
                    container.mux(packet)
    return path
