"""Real files of every kind: what can be decoded is, what cannot has its fault, nothing hangs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from moderation.detector import Audio, Frames
from moderation.errors import MediaError, MediaFault, SourceError
from moderation.testing.decoding import Decoded, decoded
from moderation.timeline import MICROSECONDS

WANTS = (Frames(per_second=1), Audio())

Expected = dict[str, Any]


@pytest.fixture(scope="module")
def expected(shared_data: Path) -> dict[str, Expected]:
    """By path: what ffprobe and a plain decode found in each file."""
    listed = json.loads((shared_data / "video" / "expected_media.json").read_text())
    files: dict[str, Expected] = listed["files"]
    return files


def inside(expected: dict[str, Expected], *folders: str) -> Iterator[tuple[str, Expected]]:
    return ((path, each) for path, each in expected.items() if path.startswith(folders))


def test_every_sound_file_is_decoded_whole(
    shared_data: Path, expected: dict[str, Expected]
) -> None:
    folders = "video/formats/", "video/people_objects/", "video/onscreen_text/", "video/scenes/"
    for path, facts in inside(expected, *folders):
        seen = decoded(shared_data / path, *WANTS)
        assert seen.outcome.frames >= facts["pyav_video_frames"] - _covers(facts), path
        assert bool(seen.feeds[1].examined) == bool(_streams(facts, "audio")), path
        if path.startswith(("video/people_objects/", "video/scenes/")):
            length = pytest.approx(float(facts["duration"]), abs=0.1)
            assert seen.outcome.decoded.seconds == length, path
        check_promises(path, seen)
        if path != "video/formats/iamf.mp4":  # 17 tracks that make up one
            assert (seen.outcome.fault, seen.outcome.lost) == (None, 0), path


def test_every_broken_file_has_a_fault_or_is_partly_seen(
    shared_data: Path, expected: dict[str, Expected]
) -> None:
    for path, _ in inside(expected, "video/broken/"):
        seen = judged(shared_data / path)
        if isinstance(seen, Decoded):
            check_promises(path, seen)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("empty_file.mp3", MediaFault.EMPTY),
        ("zero_bytes.webm", MediaFault.EMPTY),
        ("1024_incrementing_bytes.mp3", MediaFault.NOT_MEDIA),
        ("there_is_no_such_ext.bogus", MediaFault.NOT_MEDIA),
        ("jpeg.jpg", MediaFault.NOT_MEDIA),
        ("cbcs.mp4", MediaFault.ENCRYPTED),
        ("short-cenc.mp4", MediaFault.ENCRYPTED),
        ("sample_fragmented_clearkey.mp4", MediaFault.ENCRYPTED),
        ("sample_ac4.mp4", MediaFault.UNSUPPORTED_CODEC),
        ("init_truncated.mp4", MediaFault.NO_STREAMS),
        ("init_prog.mp4", MediaFault.UNREADABLE),
        ("invalid_userdata.mp4", MediaFault.UNREADABLE),
        ("zero_empty_stsc.mp4", MediaFault.UNREADABLE),
    ],
)
def test_a_broken_file_names_its_fault(shared_data: Path, name: str, fault: MediaFault) -> None:
    assert judged(shared_data / "video" / "broken" / name) is fault


@pytest.mark.parametrize(
    ("name", "frames"), [("bitstream_corrupted.mp4", 49), ("no_timescale.mp4", 170)]
)
def test_a_damaged_file_is_seen_as_far_as_it_goes(
    shared_data: Path, name: str, frames: int
) -> None:
    seen = judged(shared_data / "video" / "broken" / name)
    assert isinstance(seen, Decoded)
    assert (seen.outcome.frames, seen.outcome.fault) == (frames, MediaFault.UNREADABLE)


def test_a_cut_off_song_tells_how_much_is_missing(shared_data: Path) -> None:
    seen = judged(shared_data / "video" / "broken" / "variable-block.flac")
    assert isinstance(seen, Decoded)
    assert seen.feeds[1].planned == pytest.approx(261.68)
    assert seen.feeds[1].examined < 1


def test_the_counter_tells_its_own_times(shared_data: Path) -> None:
    """Frame n of this clip shows n and its time, n / 10 s."""
    path = shared_data / "video" / "onscreen_text" / "counter.mp4"
    frames = decoded(path, Frames(per_second=1_000)).frames
    assert [frame.at.us for frame in frames] == [number * 100_000 for number in range(30)]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("portrait_4k60.mp4", (2160, 3840)),
        ("video_0.mov", (568, 320)),
        ("video_180.mov", (568, 320)),
        ("video_270.mov", (320, 568)),
        ("video_rotation_90.mp4", (60, 100)),
        ("h264_white_frame_sar_16_9.mp4", (1138, 480)),
        ("extra_channel_attached_pic.mp4", (640, 360)),
    ],
)
def test_the_size_is_the_one_on_the_screen(
    shared_data: Path, name: str, size: tuple[int, int]
) -> None:
    seen = decoded(shared_data / "video" / "formats" / name, Frames(per_second=0.1))
    frame = seen.frames[0]
    assert (seen.video.width, seen.video.height) == size
    assert frame.width / frame.height == pytest.approx(size[0] / size[1], rel=0.01)


def check_promises(path: str, seen: Decoded) -> None:
    times = [frame.at.us for frame in seen.frames if frame.stream == 0]
    assert all(later > earlier >= 0 for earlier, later in pairwise(times)), path
    assert all(feed.examined <= feed.planned for feed in seen.feeds), path
    ends = [chunk.span.end.us for chunk in seen.sound]
    assert all(end <= seen.outcome.decoded.us + MICROSECONDS // 10 for end in ends), path


def judged(path: Path) -> Decoded | MediaFault:
    try:
        return decoded(path, *WANTS)
    except (MediaError, SourceError) as error:
        return error.fault


def _streams(facts: Expected, kind: str) -> list[Expected]:
    return [stream for stream in facts["streams"] if stream["type"] == kind]


def _covers(facts: Expected) -> int:
    return sum(stream.get("codec") == "png" for stream in facts["streams"])
