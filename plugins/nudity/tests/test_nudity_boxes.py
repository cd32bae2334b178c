"""From raw output to boxes, on output made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from moderation_nudity.boxes import MAX_CANDIDATES, best_boxes
from numpy.typing import NDArray

LABELS = ["exposed", "covered", "face", "face"]


def raw(*anchors: tuple[float, ...]) -> NDArray[np.float32]:
    """Each anchor: centre x and y, width, height, and a score for each class."""
    return np.array(anchors, np.float32).T


def test_a_box_is_given_by_its_corners() -> None:
    (row,) = best_boxes(raw((50, 40, 20, 10, 0.1, 0.9, 0, 0)), LABELS, 0.2, 0.45)
    assert row == pytest.approx([40, 35, 60, 45, 0.9, 1])


def test_what_lies_below_the_threshold_is_dropped() -> None:
    given = raw((50, 40, 20, 10, 0.19, 0, 0, 0), (50, 40, 20, 10, 0.2, 0, 0, 0))
    assert best_boxes(given, LABELS, 0.2, 0.45)[:, 4] == pytest.approx([0.2])


def test_doubles_of_a_label_are_one_the_best() -> None:
    given = raw((50, 40, 20, 10, 0.5, 0, 0, 0), (51, 40, 20, 10, 0.7, 0, 0, 0))
    assert best_boxes(given, LABELS, 0.2, 0.45)[:, 4] == pytest.approx([0.7])


def test_two_classes_of_one_label_are_doubles() -> None:
    given = raw((50, 40, 20, 10, 0, 0, 0.5, 0), (50, 40, 20, 10, 0, 0, 0, 0.6))
    assert best_boxes(given, LABELS, 0.2, 0.45)[:, 5].tolist() == [3]


def test_a_covered_part_does_not_hide_an_exposed_one() -> None:
    given = raw((50, 40, 20, 10, 0.4, 0, 0, 0), (50, 40, 20, 10, 0, 0.8, 0, 0))
    assert best_boxes(given, LABELS, 0.2, 0.45)[:, 5].tolist() == [1, 0]


def test_two_of_a_label_side_by_side_are_two() -> None:
    given = raw((50, 40, 20, 10, 0.5, 0, 0, 0), (80, 40, 20, 10, 0.7, 0, 0, 0))
    assert len(best_boxes(given, LABELS, 0.2, 0.45)) == 2


def test_nothing_gives_no_rows() -> None:
    assert best_boxes(raw((50, 40, 20, 10, 0, 0, 0, 0)), LABELS, 0.2, 0.45).shape == (0, 6)


def test_a_picture_of_noise_is_bounded() -> None:
    anchors = [(20.0 * index, 0, 5, 5, 0.5, 0, 0, 0) for index in range(MAX_CANDIDATES + 10)]
    assert len(best_boxes(raw(*anchors), LABELS, 0.2, 0.45)) == MAX_CANDIDATES
