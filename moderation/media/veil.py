"""Veil: regions of a picture made unrecognisable, for good.

What is left of a region are the mean colours of a few large cells, rounded, and smooth passages
between these: nothing of the picture finer than a cell goes into the new one. Cells that are small
against what they hide - letters above all - can be guessed back from their colours, so a cell has
a least size of the picture's, and there are never more than a few across a region.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation.media.protocol import Edit

__all__ = ["Rectangle", "region", "veil"]

Pixels = NDArray[np.uint8]
Rectangle = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""

_CELLS = 3
"""Across the shorter side of a region: less than it takes to know a face by."""

_LEAST_CELL = 1 / 20
"""Of the picture's shorter side: 54 pixels of 1080, more than small letters have."""

_SHADES = 16
"""Colours are rounded to so many levels: the last bits of many pictures of a thing that moves
through the cells would tell more of it than one picture does."""


def veil(image: Pixels, regions: Sequence[Rectangle]) -> Pixels:
    """The picture with these regions hidden; the same array when there are none."""
    if not regions:
        return image
    hidden, least = image.copy(), min(image.shape[:2]) * _LEAST_CELL
    for left, top, right, bottom in regions:
        hidden[top:bottom, left:right] = _smeared(hidden[top:bottom, left:right], least)
    return hidden


def region(piece: Edit, start_us: int, end_us: int, width: int, height: int) -> Rectangle:
    """The pixels that a piece hides in a picture that is shown from one time to the other.

    Where its box moves meanwhile, all that it passes. Outwards to even pixels, as colours are
    stored for two by two of them.
    """
    if piece.box is None or piece.box_to is None:
        return 0, 0, width, height
    moments = (max(start_us, piece.from_us), min(end_us, piece.to_us))
    boxes = [_between(piece, moment) for moment in moments]
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return (
        math.floor(min(lefts) * width / 2) * 2,
        math.floor(min(tops) * height / 2) * 2,
        min(width, math.ceil(max(rights) * width / 2) * 2),
        min(height, math.ceil(max(bottoms) * height / 2) * 2),
    )


def _between(piece: Edit, at_us: int) -> tuple[float, ...]:
    before, after = piece.box or (), piece.box_to or ()
    share = (at_us - piece.from_us) / max(1, piece.to_us - piece.from_us)
    return tuple((1 - share) * a + share * b for a, b in zip(before, after, strict=True))


def _smeared(image: Pixels, least_cell: float) -> Pixels:
    height, width = image.shape[:2]
    if not (width and height):
        return image
    cell = max(min(width, height) / _CELLS, least_cell)
    cells = max(1, int(width / cell)), max(1, int(height / cell))
    part = Image.fromarray(np.ascontiguousarray(image))
    means = np.asarray(part.resize(cells, Image.Resampling.BOX), np.uint16)
    step = 256 // _SHADES
    rounded = (means // step * step + step // 2).astype(np.uint8)
    smooth = Image.fromarray(rounded).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(smooth)
