"""Where text is looked for: what changed, and no more than has to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from moderation_text.reader import Reader
from moderation_text.screen_text import ScreenText
from numpy.typing import NDArray

from moderation import Box, Device, Frame, FrameBatch, Frames, Instant
from moderation.testing.clips import written
from moderation.testing.feed import frame_batches, look

Pixels = NDArray[np.uint8]

WALL = np.full((360, 640, 3), (60, 80, 100), np.uint8)


def caption(text: str, at: tuple[float, float], on: Pixels = WALL) -> Pixels:
    return cast("Pixels", written(on, text, at=at, height=0.07))


@pytest.fixture
def detector() -> ScreenText:
    detector = ScreenText({"side": 640})
    detector.load(Device("cpu", threads=1))
    return detector


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[Box]:
    """The parts of the pictures that the reader was asked to search."""
    parts: list[Box] = []
    find = Reader.find

    def told(self: Reader, frame: Frame, part: Box) -> Any:
        parts.append(part)
        return find(self, frame, part)

    monkeypatch.setattr(Reader, "find", told)
    return parts


def texts(detector: ScreenText, images: Sequence[Pixels]) -> list[str]:
    evidence, _ = look(detector, frame_batches(images))
    return sorted(each.text or "" for each in evidence)


def test_the_first_picture_is_searched_whole(detector: ScreenText, searched: list[Box]) -> None:
    texts(detector, [caption("channel name", (0.1, 0.1))])
    assert searched == [Box(0, 0, 1, 1)]


def test_a_change_is_searched_where_it_is(detector: ScreenText, searched: list[Box]) -> None:
    before = caption("channel name", (0.1, 0.1))
    found = texts(detector, [before, caption("call now", (0.55, 0.8), before)])
    assert found == ["call now", "channel name"]
    assert searched[1].area < 0.25
    assert searched[1].top > 0.6


def test_a_line_that_the_change_touches_is_searched_whole(
    detector: ScreenText, searched: list[Box]
) -> None:
    before = caption("the winner is somebody", (0.1, 0.4))
    after = before.copy()
    after[130:190, 60:130] = 255  # over its first letters
    texts(detector, [before, after])
    assert searched[1].right > 0.5


def test_a_picture_that_changed_for_the_most_part_is_searched_whole(
    detector: ScreenText, searched: list[Box]
) -> None:
    texts(detector, [WALL, caption("something else", (0.1, 0.4), np.full_like(WALL, 220))])
    assert searched[1] == Box(0, 0, 1, 1)


def test_lines_outside_of_the_change_stay(detector: ScreenText, searched: list[Box]) -> None:
    pictures = [caption("channel name", (0.1, 0.1))]
    for second in range(4):
        moving = pictures[0].copy()
        moving[200:300, 100 * second : 100 * second + 80] = 30 * second
        pictures.append(moving)
    evidence, _ = look(detector, frame_batches(pictures))
    (line,) = [each for each in evidence if each.text == "channel name"]
    assert line.span.end.seconds == 4
    assert all(part.top > 0.3 for part in searched[1:])


def test_what_is_found_in_a_part_lies_where_it_is_in_the_frame(detector: ScreenText) -> None:
    picture = caption("call now", (0.55, 0.8))
    whole = next(iter(look(detector, frame_batches([picture]))[0]))
    part = next(iter(look(detector, frame_batches([WALL, picture]))[0]))
    assert whole.box is not None
    assert part.box is not None
    assert whole.box.iou(part.box) > 0.8


def test_a_frame_that_repeats_is_not_searched(detector: ScreenText, searched: list[Box]) -> None:
    picture = caption("channel name", (0.1, 0.1))
    frames = [Frame(picture, Instant(second * 1_000_000), second) for second in range(3)]
    batch = [frames[0], *(replace(each, repeats=True) for each in frames[1:])]
    evidence, _ = look(detector, [FrameBatch(batch)])
    assert [(each.text, each.span.end.us) for each in evidence] == [("channel name", 2_000_000)]
    assert len(searched) == 1


def test_it_asks_to_be_told_of_frames_that_repeat(detector: ScreenText) -> None:
    assert isinstance(detector.wants, Frames)
    assert detector.wants.unchanged == "tell"


def test_parts_of_any_size_have_a_few_shapes(
    detector: ScreenText, monkeypatch: pytest.MonkeyPatch
) -> None:
    """onnxruntime keeps memory for each."""
    shapes: set[tuple[int, ...]] = set()
    detect = Reader._detect

    def told(self: Reader, pixels: Pixels) -> Any:
        shapes.add(pixels.shape)
        return detect(self, pixels)

    monkeypatch.setattr(Reader, "_detect", told)
    pictures = [WALL]
    for number in range(12):
        picture = WALL.copy()
        picture[10 : 40 + 20 * number, 20 : 60 + 40 * number] = 10 * number
        pictures.append(picture)
    texts(detector, pictures)
    assert {side % 128 for shape in shapes for side in shape[:2]} == {0}
