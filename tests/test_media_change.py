"""Whether a picture changed: small captions, slow fades, the noise of a codec."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from moderation_text.screen_text import ScreenText
from numpy.typing import NDArray

from moderation import Box
from moderation.media.change import Reference, thumbnail
from moderation.testing.clips import solid, written

Pixels = NDArray[np.uint8]

GREY = cast("Pixels", np.full((720, 1280, 3), 120, np.uint8))


@pytest.fixture
def reference() -> Reference:
    reference = Reference(ScreenText().options.change)
    reference.examined(thumbnail(GREY))
    return reference


def caption(height: float, color: tuple[int, int, int] = (255, 255, 255)) -> Pixels:
    return cast("Pixels", written(GREY, "call 0800", at=(0.4, 0.8), height=height, color=color))


def test_the_first_picture_is_new() -> None:
    assert Reference(8).differs(thumbnail(GREY))


def test_the_same_picture_is_not_new(reference: Reference) -> None:
    assert not reference.differs(thumbnail(GREY))


@pytest.mark.parametrize("height", [0.02, 0.03])
def test_a_small_caption_is_a_change(reference: Reference, height: float) -> None:
    assert reference.differs(thumbnail(caption(height)))


def test_a_caption_as_bright_as_its_ground_is_a_change() -> None:
    green, red = np.broadcast_to(solid(0, 130, 0), (720, 1280, 3)), (255, 0, 0)
    reference = Reference(8)
    reference.examined(thumbnail(green))
    assert reference.differs(thumbnail(cast("Pixels", written(green, "call 0800", color=red))))


def test_the_noise_of_a_codec_is_no_change(reference: Reference) -> None:
    noise = np.random.default_rng(1).normal(0, 6, GREY.shape)
    assert not reference.differs(thumbnail((GREY + noise).clip(0, 255).astype(np.uint8)))


def test_a_slow_fade_is_a_change_in_the_end(reference: Reference) -> None:
    shades = [caption(0.04, (120 + step, 120 + step, 120 + step)) for step in range(0, 130, 5)]
    found = [number for number, shade in enumerate(shades) if reference.differs(thumbnail(shade))]
    assert found
    assert found[0] > 1


def test_a_picture_of_another_size_is_new(reference: Reference) -> None:
    assert reference.differs(thumbnail(GREY[:360]))


def test_only_the_part_asked_for_is_compared(reference: Reference) -> None:
    now = thumbnail(caption(0.04))
    assert reference.differs(now, Box(0.4, 0.8, 0.2, 0.05))
    assert not reference.differs(now, Box(0.0, 0.0, 0.2, 0.2))


def test_a_part_that_was_not_read_again_stays_as_it_was_read(reference: Reference) -> None:
    place = Box(0.4, 0.8, 0.2, 0.05)
    now = thumbnail(caption(0.04))
    reference.examined(now, except_in=[place])
    assert reference.differs(now, place)


@pytest.mark.parametrize("box", [Box(0, 0, 0, 0), Box(1, 1, 0, 0), Box(0, 0, 1, 1)])
def test_boxes_on_the_edge_hold_at_least_a_block(reference: Reference, box: Box) -> None:
    assert not reference.differs(thumbnail(GREY), box)
