"""From a YOLOv8 network's raw output to the boxes that are worth reporting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "best_boxes"]

MAX_CANDIDATES = 1000
"""Boxes that are compared with each other, best first: bounds the time a picture of noise takes."""

Floats: TypeAlias = NDArray[np.float32]

Rows: TypeAlias = NDArray[np.float32]
"""Best first: x0, y0, x1, y1 in pixels, score, class; shape (n, 6)."""


def best_boxes(raw: Floats, labels: Sequence[str], threshold: float, iou: float) -> Rows:
    """Boxes of one picture without doubles, from output of shape (4 + classes, anchors).

    labels  the label of each class
    iou     boxes of one label that overlap by more are one. NudeNet's own code lets a covered
            part hide an exposed one in the same place; here both are evidence.
    """
    scores = raw[4:].max(axis=0)
    (anchors,) = np.nonzero(scores >= threshold)
    anchors = anchors[np.argsort(-scores[anchors], kind="stable")][:MAX_CANDIDATES]
    centre, size = raw[:2, anchors], raw[2:4, anchors]
    corners = np.concatenate([centre - size / 2, centre + size / 2])
    classes = raw[4:, anchors].argmax(axis=0)
    rows = np.stack([*corners, scores[anchors], classes], axis=1).astype(np.float32)
    return rows[_kept(rows, np.unique(labels, return_inverse=True)[1][classes], iou)]


def _kept(rows: Rows, groups: NDArray[np.intp], iou: float) -> list[int]:
    """Greedy non-maximum suppression inside each group, over rows that are sorted by score."""
    kept: list[int] = []
    left = np.arange(len(rows))
    while len(left):
        first, others = left[0], left[1:]
        kept.append(int(first))
        same = groups[others] == groups[first]
        left = others[~(same & (_overlaps(rows[first], rows[others]) > iou))]
    return kept


def _overlaps(one: Floats, others: Rows) -> Floats:
    """Intersection over union of one box with each of the others."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:4], others[:, 2:4])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 2:4] - others[:, :2]).prod(axis=1) + (one[2:4] - one[:2]).prod()
    overlaps: Floats = shared / np.maximum(areas - shared, np.finfo(np.float32).tiny)
    return overlaps
