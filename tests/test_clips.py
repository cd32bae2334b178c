"""Golden clips: what is composed is what comes out of the decoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moderation.detector import Audio, Frames
from moderation.media.frames import SAMPLE_RATE
from moderation.testing.clips import (
    BLACK,
    WHITE,
    Clip,
    faded,
    long_clip,
    moving,
    number_in,
    numbered,
    silence,
    solid,
    tone,
    written,
)
from moderation.testing.decoding import decoded

EVERY = Frames(per_second=1_000)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts", ".webm", ".avi"])
def test_every_container_keeps_pictures_and_sound(tmp_path: Path, suffix: str) -> None:
    clip = Clip(128, 72, fps=10).show(1, numbered(10)).hear(tone(1))
    seen = decoded(clip.write(tmp_path / f"clip{suffix}"), EVERY, Audio())
    assert [number_in(frame.image) for frame in seen.frames] == list(range(10))
    assert seen.feeds[1].examined == pytest.approx(1, abs=0.1)
    assert seen.outcome.fault is None


def test_scenes_follow_each_other(tmp_path: Path) -> None:
    clip = Clip(64, 48, fps=4).show(0.5, BLACK).show(0.5, WHITE).show(0.5, solid(255, 0, 0))
    seen = decoded(clip.write(tmp_path / "clip.mp4"), EVERY)
    means = [frame.image.mean(axis=(0, 1)).round(-2).tolist() for frame in seen.frames]
    assert clip.seconds == 1.5
    assert means == [[0, 0, 0]] * 2 + [[300, 300, 300]] * 2 + [[300, 0, 0]] * 2


def test_a_scene_may_have_a_frame_rate_of_its_own(tmp_path: Path) -> None:
    clip = Clip(64, 48, fps=10).show(0.2, BLACK).show(2, WHITE, fps=1).show(0.2, BLACK)
    seen = decoded(clip.write(tmp_path / "clip.mp4"), EVERY)
    assert [frame.at.us for frame in seen.frames] == [0, 100_000, 200_000, 1_200_000, 2_200_000,
                                                      2_300_000]  # fmt: skip


def test_sounds_are_heard_at_their_times(tmp_path: Path) -> None:
    clip = Clip(64, 48, fps=5).show(3, BLACK).hear(tone(0.5), at=1).hear(silence(3))
    samples = decoded(clip.write(tmp_path / "clip.mkv"), Audio()).sound[0].samples
    loud = np.flatnonzero(np.abs(samples) > 0.05) / SAMPLE_RATE
    assert len(samples) == 3 * SAMPLE_RATE
    assert (loud[0], loud[-1]) == (pytest.approx(1, abs=0.01), pytest.approx(1.5, abs=0.01))


def test_text_is_drawn_where_it_was_asked_for() -> None:
    picture = written(BLACK, "knife", at=(0.5, 0.5), height=0.2)
    assert isinstance(picture, np.ndarray)
    rows, columns = np.nonzero(picture.max(axis=2))
    assert rows.min() > picture.shape[0] * 0.5
    assert columns.min() > picture.shape[1] * 0.5


def test_a_moving_photo_goes_from_its_start_to_its_end() -> None:
    photo = np.full((10, 10, 3), 255, np.uint8)
    picture = moving(photo, BLACK, seconds=2, start=(0, 0), end=(0.5, 0))
    assert callable(picture)
    lefts = [np.nonzero(picture(second).max(axis=(0, 2)))[0].min() for second in (0, 1, 2, 3)]
    assert lefts == [0, 320, 640, 640]


def test_a_fade_comes_up_from_black() -> None:
    picture = faded(WHITE, seconds=2)
    assert callable(picture)
    assert [int(picture(second).max()) for second in (0, 1, 2, 3)] == [0, 127, 255, 255]


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    clip = Clip(64, 48, fps=10).show(0.5, numbered(10)).hear(tone(0.5))
    first, second = (clip.write(tmp_path / name) for name in ("one.mp4", "two.mp4"))
    assert first.read_bytes() == second.read_bytes()


def test_a_long_clip_is_as_long_as_it_says(tmp_path: Path) -> None:
    seen = decoded(long_clip(tmp_path / "long.mkv", 60), Frames(per_second=1), Audio())
    assert seen.video.duration_us == 60_000_000
    assert (seen.feeds[0].examined, seen.feeds[1].examined) == (61, 60)
