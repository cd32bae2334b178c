"""A veiled picture shows that something is there, and not what."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from moderation.web.veil import veiled


def jpeg(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=95)
    return stream.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_letters_are_gone() -> None:
    plain = Image.new("RGB", (480, 270), "white")
    lettered = plain.copy()
    ImageDraw.Draw(lettered).text((40, 100), "SECRET WORDS 12345", fill="black", font_size=36)
    grey = np.asarray(opened(veiled(jpeg(lettered))), dtype=float)
    edges = np.abs(np.diff(grey, axis=1)).max()
    sharp = np.asarray(lettered.convert("L"), dtype=float)
    assert np.abs(np.diff(sharp, axis=1)).max() > 200
    assert edges < 20


def test_no_colour_is_left() -> None:
    shown = opened(veiled(jpeg(Image.new("RGB", (480, 270), "red"))))
    assert shown.mode == "L"


@pytest.mark.parametrize("size", [(480, 270), (270, 480), (8, 480), (1, 1), (480, 20)])
def test_the_shape_stays(size: tuple[int, int]) -> None:
    width, height = opened(veiled(jpeg(Image.new("RGB", size)))).size
    assert max(width, height) == 320
    assert width / height == pytest.approx(size[0] / size[1], abs=0.05 * size[0] / size[1] + 0.01)
