"""What is read in a picture: regions of text, and what they say."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from moderation import Box, Frame

__all__ = ["Reading", "Region"]

_TALL = 1.5
"""Height over width from which a region is a line that reads downwards: what RapidOCR takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A place with text.

    corners  float32, shape (4, 2): clockwise from the start of the line, pixels of the frame
    box      the corners' hull, fractions of the frame
    height   of the line across its direction, as a fraction of the frame's height
    width    of the line along its direction, as a fraction of the frame's width
    angle    degrees that the line is turned clockwise, -180..180
    score    the detector's confidence that this is text, 0..1
    """

    corners: NDArray[np.float32]
    box: Box
    height: float
    width: float
    angle: int
    score: float

    @classmethod
    def of(cls, frame: Frame, corners: NDArray[np.float32], score: float) -> Region:
        """From the corners of an upright rectangle or one that is turned, clockwise."""
        along, across = corners[1] - corners[0], corners[3] - corners[0]
        if np.linalg.norm(across) >= _TALL * np.linalg.norm(along):
            # A tall region is a line that reads downwards, from its upper right corner.
            corners = np.roll(corners, -1, axis=0)
            along, across = corners[1] - corners[0], corners[3] - corners[0]
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        return cls(
            corners=corners,
            box=Box.from_corners(
                left / frame.width, top / frame.height, right / frame.width, bottom / frame.height
            ),
            height=float(np.linalg.norm(across)) / frame.height,
            width=float(np.linalg.norm(along)) / frame.width,
            angle=round(math.degrees(math.atan2(along[1], along[0]))),
            score=score,
        )

    def turned(self) -> Region:
        """The same place, for a line that stands on its head."""
        angle = self.angle - 180 if self.angle > 0 else self.angle + 180
        return replace(self, corners=np.roll(self.corners, 2, axis=0), angle=angle)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a region says: `text` may be empty, `score` is the recogniser's confidence 0..1."""

    text: str
    score: float
    region: Region

    @property
    def legible(self) -> bool:
        """Whether there is a letter or a digit in it."""
        return any(character.isalnum() for character in self.text)
