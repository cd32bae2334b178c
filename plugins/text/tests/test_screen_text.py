"""The detector `screen_text` on drawn frames, and on real ones with known text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from moderation_text.screen_text import ScreenText
from numpy.typing import NDArray
from PIL import Image, ImageOps

from moderation import Degraded, Detector, Device, Evidence, Frame, FrameBatch, Instant, Span
from moderation.covers import covers
from moderation.errors import ConfigurationError, ModelCorrupt
from moderation.models import ModelStore
from moderation.testing.clips import written
from moderation.testing.contract import DetectorContract
from moderation.testing.feed import frame_batches, look

Pixels = NDArray[np.uint8]

WALL = np.full((360, 640, 3), (60, 80, 100), np.uint8)


def caption(
    text: str, at: tuple[float, float] = (0.1, 0.4), height: float = 0.08, on: Pixels = WALL
) -> Pixels:
    return cast("Pixels", written(on, text, at=at, height=height))


def detector(**options: Any) -> ScreenText:
    detector = ScreenText({"side": 640, **options})
    detector.load(Device("cpu", threads=1))
    return detector


def seen(images: Sequence[Pixels], **options: Any) -> list[Evidence]:
    return look(detector(**options), frame_batches(images))[0]


def told(images: Sequence[Pixels], **options: Any) -> list[Degraded]:
    return look(detector(**options), frame_batches(images))[1]


def texts(evidence: Sequence[Evidence]) -> list[str]:
    return [each.text or "" for each in evidence]


def seconds(start: float, end: float) -> Span:
    return Span.from_seconds(start, end)


class TestScreenTextContract(DetectorContract):
    expected = frozenset({"Context/Screen text"})

    def make(self, models: ModelStore) -> Detector[Any]:
        return ScreenText({"side": 640}, models)

    def golden(self) -> Sequence[FrameBatch]:
        images = [caption("first line"), caption("second line"), caption("second line")]
        return list(frame_batches(images, batch=2))


def test_a_line_in_many_frames_is_one_evidence() -> None:
    (line,) = seen([WALL, caption("buy now"), caption("buy now"), caption("buy now"), WALL])
    assert line.label == "Context/Screen text"
    assert line.text == "buy now"
    assert line.span == seconds(1, 3)
    assert line.detail["samples"] == 3
    assert line.box is not None
    assert line.box.left == pytest.approx(0.1, abs=0.03)


def test_the_way_of_a_line_is_told_so_that_a_blur_can_follow_it() -> None:
    tops = (0.8, 0.6, 0.4)
    (line,) = seen([caption("buy it now", at=(0.1, top)) for top in tops])
    parts, note = covers([line], 1_000_000)
    assert not note
    assert {part.box is None for part in parts} == {False}
    found = [top for _, _, top, *_ in line.detail["path"]]
    assert found == pytest.approx(tops, abs=0.05)


@pytest.mark.parametrize("height", [0.02, 0.025, 0.03])
def test_a_small_caption_that_appears_on_a_still_picture_is_read(height: float) -> None:
    still = np.asarray(Image.fromarray(WALL).resize((1280, 720)))
    titled = caption("call 0800 555", at=(0.3, 0.9), height=height, on=still)
    (line,) = seen([still, still, titled, titled], side=800)
    assert (line.text or "").replace(" ", "") == "call0800555"
    assert line.span == seconds(2, 3)


def test_a_caption_that_fades_in_slowly_is_read() -> None:
    full = caption("secret meeting").astype(float)
    shades = [(WALL + share / 12 * (full - WALL)).astype(np.uint8) for share in range(13)]
    assert "secret meeting" in texts(seen(shades))


def test_an_insert_of_one_second_is_read() -> None:
    (line,) = seen([WALL, WALL, caption("join telegram"), WALL, WALL])
    assert (line.text, line.span) == ("join telegram", seconds(2, 2))


def test_a_line_survives_changes_elsewhere_in_the_picture() -> None:
    images = [
        caption(f"part {letter}", at=(0.1, 0.1), on=caption("channel name")) for letter in "ab"
    ]
    lines = seen(images)
    assert sorted(texts(lines)) == ["channel name", "part a", "part b"]
    assert {each.text: each.span for each in lines}["channel name"] == seconds(0, 1)


def test_subtitles_that_follow_one_another_are_lines_of_their_own() -> None:
    lines = seen([caption("good morning"), caption("how are you")])
    assert [(each.text, each.span) for each in lines] == [
        ("good morning", seconds(0, 0)),
        ("how are you", seconds(1, 1)),
    ]


def test_the_streams_of_a_file_are_screens_of_their_own() -> None:
    frames = [
        FrameBatch([Frame(caption(text), Instant(0), 0, stream)])
        for stream, text in enumerate(["first stream", "other stream"])
    ]
    assert texts(look(detector(), frames)[0]) == ["first stream", "other stream"]


def test_lines_are_yielded_while_the_video_runs() -> None:
    batches = frame_batches([caption("gone soon"), *[WALL] * 5], batch=1)
    assert next(iter(detector().detect(batches))) is not None
    assert len(list(batches)) == 2


def test_small_lines_can_be_left_out() -> None:
    both = caption(
        "large words", height=0.12, on=caption("small words", at=(0.1, 0.8), height=0.04)
    )
    assert texts(seen([both], min_height=0.08)) == ["large words"]


def test_short_lines_can_be_left_out() -> None:
    both = caption("a long line of words", on=caption("logo", at=(0.1, 0.8)))
    assert texts(seen([both], min_width=0.3)) == ["a long line of words"]


def test_parts_of_the_frame_can_be_ignored() -> None:
    both = caption("said today", on=caption("ticker", at=(0.1, 0.85)))
    ticker = {"left": 0, "top": 0.8, "width": 1, "height": 0.2}
    assert texts(seen([both], ignore=[ticker])) == ["said today"]


def test_a_part_outside_the_frame_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ignore"):
        ScreenText({"ignore": [{"left": 0, "top": 2, "width": 1, "height": 1}]})


def test_doubtful_readings_can_be_dropped() -> None:
    (line,) = seen([caption("hello there")])
    assert seen([caption("hello there")], min_confidence=min(1.0, line.score + 1e-4)) == []


def test_lines_beyond_the_limit_are_not_read_and_not_kept_quiet() -> None:
    two = caption("upper line", at=(0.1, 0.2), on=caption("lower line", at=(0.1, 0.7)))
    assert len(seen([two], max_lines=1)) == 1
    (shortfall,) = told([two], max_lines=1)
    assert shortfall.reason.startswith("1 text regions beyond max_lines were not read")


def test_more_frames_a_second_can_be_asked_for() -> None:
    assert ScreenText({"per_second": 4}).plan().per_second == 4


def test_weights_with_another_digest_are_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").write_text(
        '[ppocrv6-small]\nfile = "rec.onnx"\nsha256 = "' + "0" * 64 + '"\n'
    )
    (tmp_path / "rec.onnx").write_bytes(b"other")
    with pytest.raises(ModelCorrupt):
        ScreenText(models=ModelStore((tmp_path,))).load(Device("cpu", threads=1))


# On real files


def opened(path: Path) -> Pixels:
    picture = ImageOps.exif_transpose(Image.open(path))
    return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize(
    "name", ["ch_en_num.jpg", "img_exif_orientation.jpg", "test_without_det.jpg", "text_rec.jpg"]
)
def test_chinese_lines_are_read(shared_data: Path, name: str) -> None:
    expected = json.loads((shared_data / "ocr/expected_text.json").read_text())
    truth = expected["files"][f"ocr/rapidocr/{name}"]["truth"]
    lines = texts(seen([opened(shared_data / "ocr/rapidocr" / name)]))
    assert set([truth] if isinstance(truth, str) else truth) <= set(lines)


@pytest.mark.parametrize("name", ["korean.jpg", "devanagari.jpg", "th_rec.jpg", "ta.png"])
def test_scripts_that_it_cannot_read_are_said_once_a_video(shared_data: Path, name: str) -> None:
    ground = Image.fromarray(np.full((720, 1280, 3), 128, np.uint8))
    line = Image.fromarray(opened(shared_data / "ocr/rapidocr" / name))
    ground.paste(ImageOps.contain(line, (900, 300)), (190, 380))
    frames = [np.zeros((720, 1280, 3), np.uint8), *[np.asarray(ground)] * 3]
    evidence, shortfalls = look(detector(side=800), frame_batches(frames))
    assert [each for each in evidence if each.score >= 0.9] == []
    assert len(shortfalls) == 1
    assert "could not be read, e.g. at 0:00:01.000" in shortfalls[0].reason


def test_burned_in_numbers_are_read_at_their_times(shared_data: Path) -> None:
    with av.open(str(shared_data / "video/onscreen_text/counter.mp4")) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    batches = frame_batches([image.astype(np.uint8) for image in images[::5]], per_second=2)
    lines = look(detector(), batches)[0]
    numbers = [each for each in lines if "Frame" in (each.text or "")]
    assert [each.text for each in numbers] == [f"Frame = {index}" for index in range(1, 31, 5)]
    assert [each.span.start.us for each in numbers] == [index * 500_000 for index in range(6)]
