"""Stills: the very frames that were sampled."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moderation.config import MediaLimits
from moderation.detector import Frames
from moderation.media import MediaReader
from moderation.source import Source
from moderation.testing.clips import WHITE, Clip, number_in, numbered
from moderation.testing.decoding import decoded
from moderation.timeline import Instant


@pytest.fixture(scope="module", params=[".mp4", ".mkv", ".webm", ".ts", ".avi"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 s, 10 numbered frames a second."""
    path = tmp_path_factory.mktemp("clips") / f"clip{request.param}"
    return Clip(128, 72, fps=10).show(30, numbered(10)).write(path)


def taken(path: Path, *times_us: int, longest_side: int = 640) -> dict[int, Image.Image]:
    with Source.open(path) as source, MediaReader(source) as media:
        found = media.stills(media.probe(), map(Instant, times_us), longest_side)
        return {at.us: Image.open(io.BytesIO(jpeg)) for at, jpeg in found}


def numbers(path: Path, *times_us: int) -> dict[int, int]:
    images = taken(path, *times_us).items()
    return {at: number_in(np.asarray(image)) for at, image in images}


def test_a_still_is_the_frame_that_was_sampled(clip: Path) -> None:
    frames = {frame.at.us: number_in(frame.image) for frame in decoded(clip, Frames(0.7)).frames}
    assert numbers(clip, *frames) == frames


def test_stills_that_lie_far_apart_are_found(clip: Path) -> None:
    assert numbers(clip, 29_900_000, 100_000, 15_300_000) == {
        100_000: 1, 15_300_000: 153, 29_900_000: 299
    }  # fmt: skip


def test_at_a_time_between_frames_the_one_on_the_screen_is_shown(clip: Path) -> None:
    assert numbers(clip, 15_350_001) == {15_350_001: 153}


def test_behind_the_end_the_last_frame_is_shown(clip: Path) -> None:
    assert numbers(clip, 31_000_000) == {31_000_000: 299}


def test_a_still_is_as_small_as_asked(clip: Path) -> None:
    assert taken(clip, 0, longest_side=64)[0].size == (64, 36)


def test_an_instant_that_is_asked_for_twice_is_given_once(clip: Path) -> None:
    with Source.open(clip) as source, MediaReader(source) as media:
        assert len(list(media.stills(media.probe(), [Instant(0), Instant(0)]))) == 1


def test_stills_are_turned_as_the_video_is(tmp_path: Path) -> None:
    clip = Clip(160, 90, fps=5).show(1, WHITE).write(tmp_path / "clip.mp4", rotation=90)
    assert taken(clip, 0)[0].size == (90, 160)


def test_frames_in_a_file_that_starts_late_are_found(tmp_path: Path) -> None:
    path = Clip(128, 72, fps=10).show(20, numbered(10)).write(tmp_path / "clip.mkv", start=100)
    assert numbers(path, 0, 18_000_000) == {0: 0, 18_000_000: 180}


def test_frames_with_mended_times_are_found(tmp_path: Path) -> None:
    """Two recordings joined: the timestamps begin anew in the middle."""
    clip = Clip(128, 72, fps=10).show(3, numbered(10))
    part, path = clip.write(tmp_path / "part.ts"), tmp_path / "joined.ts"
    path.write_bytes(part.read_bytes() * 2)
    frames = {frame.at.us: number_in(frame.image) for frame in decoded(path, Frames(2)).frames}
    assert len(frames) > 10
    assert numbers(path, *frames) == frames


def test_sound_alone_has_no_stills(shared_data: Path) -> None:
    assert taken(shared_data / "audio" / "jfk.wav", 0, 1_000_000) == {}


def test_the_counter_shows_the_numbers_of_its_frames(shared_data: Path) -> None:
    """Each frame of this clip has its number drawn; neighbours differ, and so must the stills."""
    path = shared_data / "video" / "onscreen_text" / "counter.mp4"
    frames = decoded(path, Frames(1_000), limits=MediaLimits(longest_side=640)).frames
    images = taken(path, *(frame.at.us for frame in frames))
    for frame in frames:
        still = np.asarray(images[frame.at.us], np.int16)
        nearest = min(frames, key=lambda other: float(np.abs(still - other.image).mean()))
        assert nearest is frame
