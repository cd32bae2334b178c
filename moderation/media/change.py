"""Whether a picture changed since it was last examined: detectors look again only where it did."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation.evidence import Box

__all__ = ["Reference", "Thumbnail", "blocks_in", "thumbnail"]

_BLOCKS = 160
"""Blocks along the longer side: a caption of 2 % of a 16:9 frame's height is two blocks high, so
that its strokes, not the wall around them, make the block's mean."""

Thumbnail = NDArray[np.int16]
"""Mean colour of each block, 0..255, shape (rows, columns, 3). Colour, because red letters on
green may be as bright as their ground."""


def thumbnail(image: NDArray[np.uint8]) -> Thumbnail:
    """The block means of an RGB picture, shape (height, width, 3)."""
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize(blocks_in(width, height), Image.Resampling.BOX)
    return np.asarray(small, np.int16)


def blocks_in(width: int, height: int) -> tuple[int, int]:
    """Columns and rows of the thumbnail of a picture of this size."""
    scale = min(1.0, _BLOCKS / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


class Reference:
    """The picture as it was last examined, each part of it at its own time.

    Compared with what was examined, not with the frame before: a fade that takes a minute
    changes the picture in the end.

    threshold  difference of one block's mean, 0..255, from which the picture is another; 0: every
               picture is
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._seen: Thumbnail | None = None

    def differs(self, now: Thumbnail, box: Box | None = None) -> bool:
        """Whether any block of the picture, or of a part of it, changed."""
        if self._seen is None or self._seen.shape != now.shape:
            return True
        part = _blocks(now, box) if box else np.s_[:]
        return bool(np.abs(now[part] - self._seen[part]).max() >= self._threshold)

    def changed(self, now: Thumbnail) -> Box | None:
        """The smallest part of the picture that holds every block that changed, if any did."""
        if self._seen is None or self._seen.shape != now.shape:
            return Box(0, 0, 1, 1)
        moved = np.abs(now - self._seen).max(axis=2) >= self._threshold
        rows, columns = np.flatnonzero(moved.any(axis=1)), np.flatnonzero(moved.any(axis=0))
        if not len(rows):
            return None
        height, width = moved.shape
        return Box.from_corners(
            columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height
        )

    def examined(self, now: Thumbnail, except_in: Iterable[Box] = ()) -> None:
        """Remember the picture, but for the parts whose text was not read again."""
        before, self._seen = self._seen, now.copy()
        if before is None or before.shape != now.shape:
            return
        for box in except_in:
            part = _blocks(now, box)
            self._seen[part] = before[part]


def _blocks(picture: Thumbnail, box: Box) -> tuple[slice, slice]:
    """Rows and columns of the blocks that a box touches."""
    rows, columns = picture.shape[:2]
    return (
        slice(min(rows - 1, math.floor(box.top * rows)), max(1, math.ceil(box.bottom * rows))),
        slice(
            min(columns - 1, math.floor(box.left * columns)),
            max(1, math.ceil(box.right * columns)),
        ),
    )
