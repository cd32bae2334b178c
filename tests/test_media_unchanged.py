"""Frames that look like one that was looked at: what is passed over, and what never is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

from moderation.config import MediaLimits
from moderation.detector import Frames
from moderation.testing.clips import BLACK, WHITE, Clip, numbered, solid, written
from moderation.testing.decoding import Decoded, decoded

TOLD = Frames(per_second=1, batch=4, unchanged="tell")
LIMITS = MediaLimits()
GREY = np.broadcast_to(solid(90, 90, 90), (360, 640, 3))


def seen(tmp_path: Path, clip: Clip, *wants: Any) -> Decoded:
    path = clip.write(tmp_path / "clip.mp4")
    return decoded(path, *(wants or (Frames(),)), limits=LIMITS)


def seconds(seen: Decoded) -> list[int]:
    return [frame.at.us // 1_000_000 for frame in seen.frames]


def test_a_picture_that_stands_still_is_looked_at_once(tmp_path: Path) -> None:
    slides = seen(tmp_path, Clip(64, 48, fps=5).show(5, BLACK).show(5, WHITE))
    assert seconds(slides) == [0, 5]


def test_all_of_its_frames_count_as_examined(tmp_path: Path) -> None:
    feed = seen(tmp_path, Clip(64, 48, fps=5).show(5, BLACK).show(5, WHITE)).feeds[0]
    assert (feed.planned, feed.examined, feed.inherited) == (11, 11, 9)


def test_it_is_known_which_frame_stands_for_which(tmp_path: Path) -> None:
    feed = seen(tmp_path, Clip(64, 48, fps=5).show(3, BLACK).show(2, WHITE)).feeds[0]
    heirs = {like.us: [at.us for at in heirs] for like, heirs in feed.unchanged.items()}
    assert heirs == {0: [1_000_000, 2_000_000], 3_000_000: [4_000_000, 4_800_000]}


def test_who_follows_things_is_told_of_every_frame(tmp_path: Path) -> None:
    told = seen(tmp_path, Clip(64, 48, fps=5).show(3, BLACK).show(2, WHITE), TOLD)
    assert [frame.repeats for frame in told.frames] == [False, True, True, False, True, True]
    assert [frame.index for frame in told.frames] == [0, 1, 2, 3, 4, 5]
    assert told.frames[2].image is told.frames[0].image
    assert (told.feeds[0].examined, told.feeds[0].inherited) == (6, 0)


def test_nobody_waits_for_a_batch_to_fill_while_nothing_moves(tmp_path: Path) -> None:
    clip = Clip(64, 48, fps=5).show(3, BLACK).show(3, WHITE)
    assert [len(batch) for batch in seen(tmp_path, clip).batches[0]] == [1, 1]


def test_pictures_that_move_are_all_looked_at(tmp_path: Path) -> None:
    assert len(seconds(seen(tmp_path, Clip(128, 72, fps=5).show(6, numbered(5))))) == 7


@pytest.mark.parametrize("length", [1.0, 1.4])
def test_an_insert_of_one_second_is_looked_at(tmp_path: Path, length: float) -> None:
    clip = Clip(640, 360, fps=10).show(3.3, GREY).show(length, WHITE).show(4, GREY)
    frames = seen(tmp_path, clip).frames
    assert sum(frame.image.mean() > 200 for frame in frames) >= 1
    assert frames[-1].image.mean() < 100, "what follows the insert is another picture again"


@pytest.mark.parametrize("height", [0.02, 0.04])
def test_a_small_caption_is_looked_at(tmp_path: Path, height: float) -> None:
    caption = written(GREY, "call 0800 555", at=(0.4, 0.85), height=height)
    assert 3 in seconds(seen(tmp_path, Clip(640, 360, fps=5).show(3, GREY).show(3, caption)))


def test_a_slow_fade_is_looked_at_on_the_way(tmp_path: Path) -> None:
    """Each frame is nearly the one before it: they are compared with what was looked at."""

    def fading(second: float) -> np.ndarray[Any, Any]:
        grey = 90 + round(2 * second)
        color = grey, grey, grey
        shade = written(GREY, "call 0800 555", at=(0.4, 0.8), height=0.05, color=color)
        return cast("np.ndarray[Any, Any]", shade)

    frames = seen(tmp_path, Clip(640, 360, fps=5).show(60, fading)).frames
    assert 3 <= len(frames) <= 40


def test_a_thing_that_moves_a_little_is_another_picture(tmp_path: Path) -> None:
    def sliding(second: float) -> np.ndarray[Any, Any]:
        picture = GREY.copy()
        left = 100 + 8 * int(second)
        picture[150:170, left : left + 20] = 255
        return picture

    assert len(seconds(seen(tmp_path, Clip(640, 360, fps=5).show(5, sliding)))) == 5


def test_noise_of_a_camera_is_no_change(tmp_path: Path) -> None:
    noise = np.random.default_rng(1)

    def noisy(_: float) -> np.ndarray[Any, Any]:
        return (GREY + noise.normal(0, 3, GREY.shape)).clip(0, 255).astype(np.uint8)

    assert len(seconds(seen(tmp_path, Clip(640, 360, fps=5).show(5, noisy)))) == 1


def test_pictures_of_two_streams_are_not_compared(tmp_path: Path) -> None:
    """What is seen at an instant is seen in one of them: who inherits it?"""
    path = tmp_path / "two.mkv"
    with av.open(path, "w") as container:
        streams = [container.add_stream("libx264", rate=1) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(3):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
                frame.pts = number
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    assert len(decoded(path, Frames(), limits=LIMITS).frames) == 6


def test_the_limit_can_be_switched_off(tmp_path: Path) -> None:
    path = Clip(64, 48, fps=5).show(5, BLACK).write(tmp_path / "clip.mp4")
    off = decoded(path, Frames(), limits=MediaLimits(unchanged_below=0))
    assert len(off.frames) == 6


def test_a_larger_limit_passes_over_more(tmp_path: Path) -> None:
    clip = Clip(64, 48, fps=5).show(2, solid(90, 90, 90)).show(2, solid(110, 110, 110))
    path = clip.write(tmp_path / "clip.mp4")
    counts = [
        len(decoded(path, Frames(), limits=MediaLimits(unchanged_below=limit)).frames)
        for limit in (8, 40)
    ]
    assert counts == [2, 1]
