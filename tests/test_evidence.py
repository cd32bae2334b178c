"""Evidence: only what can be, and one id for one sight."""

from __future__ import annotations

import math
from typing import Any

import pytest

from moderation.evidence import Box, Evidence, Producer
from moderation.timeline import Instant, Span


def seen(**given: Any) -> Evidence:
    return Evidence(
        **{"label": "Context/Person", "score": 0.5, "span": Span.from_seconds(1, 2), **given}
    )


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, math.inf])
def test_a_score_that_cannot_be_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="score lies between"):
        seen(score=score)


def test_the_best_instant_is_the_first_unless_given() -> None:
    assert seen().best == Instant.from_seconds(1)


def test_a_best_instant_outside_the_span_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the span"):
        seen(best=Instant.from_seconds(3))


def test_a_box_outside_the_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="inside the frame"):
        Box(0.5, 0.5, 1.5, 0.1)


def test_corners_beyond_the_edges_are_cut() -> None:
    assert Box.from_corners(-0.2, 0.5, 1.3, 0.75) == Box(0.0, 0.5, 1.0, 0.25)


def test_a_box_overlaps_itself_fully_and_its_neighbour_not_at_all() -> None:
    box = Box(0.0, 0.0, 0.5, 0.5)
    assert box.iou(box) == 1.0
    assert box.iou(Box(0.5, 0.0, 0.5, 0.5)) == 0.0


def test_the_same_sight_has_the_same_id() -> None:
    assert seen(box=Box(0.1, 0.2, 0.3, 0.4)).id == seen(box=Box(0.1, 0.2, 0.3, 0.4)).id


def test_float_noise_does_not_change_the_id() -> None:
    assert seen(score=0.1 + 0.2).id == seen(score=0.3).id


@pytest.mark.parametrize(
    "other",
    [
        {"label": "Context/Face"},
        {"score": 0.6},
        {"span": Span.from_seconds(1, 3)},
        {"box": Box(0, 0, 1, 1)},
        {"text": "x"},
        {"subject": "x"},
        {"detail": {"term": "x"}},
        {"producer": Producer("other")},
    ],
)
def test_another_sight_has_another_id(other: dict[str, Any]) -> None:
    assert seen(**other).id != seen().id


def test_a_negative_zero_is_a_zero() -> None:
    assert str(seen(score=-0.0).score) == "0.0"


def test_a_lone_surrogate_has_an_id_too() -> None:
    assert seen(text="\ud800").id != seen(text="\ud801").id
