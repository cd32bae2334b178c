"""Reading one picture with the real models: turned lines, fixed shapes, weights that do not fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime
import pytest
import rapidocr
from moderation_text.reader import Reader
from moderation_text.reading import Reading
from moderation_text.shapes import STRIP_WIDTHS, picture, side_for, strip
from numpy.typing import NDArray
from PIL import Image

from moderation import Device, Frame, Instant
from moderation.errors import DetectorUnavailable, ModelError, ModelMissing
from moderation.testing.clips import written

Pixels = NDArray[np.uint8]

MODELS = Path(rapidocr.__file__).parent / "models"
PAGE = np.full((360, 640, 3), 235, np.uint8)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(MODELS, Device("cpu", threads=1), side=640)


def frame(image: Pixels) -> Frame:
    return Frame(np.ascontiguousarray(image), Instant(0), 0)


def drawn(text: str, height: float = 0.1) -> Pixels:
    return cast("Pixels", written(PAGE, text, at=(0.1, 0.4), height=height, color=(20, 20, 60)))


def read(reader: Reader, image: Pixels) -> list[Reading]:
    shown = frame(image)
    return [reader.read(shown, region) for region in reader.find(shown)]


def test_a_line_is_found_and_read(reader: Reader) -> None:
    (line,) = read(reader, drawn("call 0800 555"))
    assert line.text == "call 0800 555"
    assert line.score > 0.9
    assert line.region.box.left == pytest.approx(0.1, abs=0.03)
    assert line.region.box.top == pytest.approx(0.42, abs=0.05)


@pytest.mark.parametrize(
    ("turn", "angle"),
    [
        (lambda image: image[::-1, ::-1], 180),
        (lambda image: np.rot90(image, -1), 90),
        (lambda image: np.rot90(image, 1), -90),
        (lambda image: np.asarray(Image.fromarray(image).rotate(-12, fillcolor="white")), 12),
    ],
    ids=["on its head", "downwards", "upwards", "slanted"],
)
def test_turned_lines_are_read(
    reader: Reader, turn: Callable[[Pixels], Pixels], angle: int
) -> None:
    (line,) = read(reader, turn(drawn("buy cheap pills")))
    assert line.text.replace(" ", "") == "buycheappills"
    assert abs((line.region.angle - angle + 180) % 360 - 180) <= 4


def test_a_blank_picture_has_no_regions(reader: Reader) -> None:
    assert reader.find(frame(PAGE)) == []


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (16, 900), (900, 16)])
def test_tiny_and_narrow_pictures_are_survived(reader: Reader, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (*size, 3), dtype=np.uint8)
    read(reader, noise)


@pytest.mark.parametrize(
    ("width", "most", "side"),
    [(320, 960, 800), (640, 960, 800), (854, 960, 960), (1920, 960, 960), (320, 640, 640)],
)
def test_small_frames_are_not_enlarged_beyond_use(width: int, most: int, side: int) -> None:
    assert side_for(frame(np.zeros((48, width, 3), np.uint8)), most) == side


def test_pictures_of_any_size_have_one_of_nine_shapes() -> None:
    sizes = [(width, height) for width in range(50, 1000, 90) for height in range(50, 1000, 90)]
    images = (np.zeros((height, width, 3), np.uint8) for width, height in sizes)
    shapes = {picture(frame(image), 640)[0].shape for image in images}
    assert len(sizes) > 100
    assert len(shapes) == 9


def test_lines_of_any_length_have_one_of_a_few_widths() -> None:
    crops = (np.zeros((20, width, 3), np.uint8) for width in range(1, 3000, 37))
    assert {strip(crop).shape for crop in crops} == {(48, width, 3) for width in STRIP_WIDTHS}


def test_a_line_keeps_its_proportions_in_the_strip() -> None:
    crop = np.full((24, 100, 3), 200, np.uint8)
    columns = np.flatnonzero((strip(crop) == 200).all(axis=(0, 2)))
    assert len(columns) == 200


def test_it_says_where_it_runs(reader: Reader) -> None:
    assert reader.device == "cpu"


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="has CUDA"
)
def test_cuda_that_is_not_there_is_said() -> None:
    with pytest.raises(DetectorUnavailable, match="CUDA"):
        Reader(MODELS, Device("cuda", threads=1), side=640)


def test_a_folder_without_both_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"\*rec\*\.onnx"):
        Reader(tmp_path, Device("cpu", threads=1), side=640)


def test_a_recogniser_without_its_characters_is_refused_not_downloaded(tmp_path: Path) -> None:
    shutil.copy(MODELS / "PP-OCRv6_det_small.onnx", tmp_path / "det.onnx")
    shutil.copy(MODELS / "PP-OCRv6_det_small.onnx", tmp_path / "rec.onnx")
    with pytest.raises(ModelError, match="list of characters"):
        Reader(tmp_path, Device("cpu", threads=1), side=640)
