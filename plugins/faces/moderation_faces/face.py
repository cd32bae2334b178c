"""A face in a frame: where it is and where its eyes, nose and mouth are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moderation import Box

__all__ = ["LANDMARKS", "Face"]

LANDMARKS = ("right_eye", "left_eye", "nose", "right_mouth_corner", "left_mouth_corner")
"""What YuNet's five points are, in its order; right and left as the person has them."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in one frame.

    score      YuNet's confidence, 0..1
    landmarks  float32, shape (5, 2): the points of `LANDMARKS`, in pixels of the frame
    size       of the frame: width and height in pixels
    """

    box: Box
    score: float
    landmarks: NDArray[np.float32]
    size: tuple[int, int]

    @property
    def shorter_side(self) -> float:
        """Of the box, in pixels of the frame."""
        return min(self.box.width * self.size[0], self.box.height * self.size[1])

    @property
    def points(self) -> dict[str, list[float]]:
        """The landmarks by name, in fractions of the frame: x, y."""
        fractions = (self.landmarks / np.array(self.size)).round(4)
        return dict(zip(LANDMARKS, fractions.tolist(), strict=True))
