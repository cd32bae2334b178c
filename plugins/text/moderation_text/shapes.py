"""The few shapes of input that the models see.

onnxruntime keeps memory for every shape it meets, and cuDNN searches for kernels: pictures of any
size and lines of any length are padded to a handful.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation import Box, Frame

__all__ = ["SIDES", "STRIP_HEIGHT", "STRIP_WIDTHS", "WHOLE", "picture", "side_for", "strip"]

WHOLE = Box(0, 0, 1, 1)

STRIP_HEIGHT = 48
"""Pixels: the height that PP-OCR's recogniser is trained on."""

STRIP_WIDTHS = (320, 480, 640, 960, 1280, 1920, 2560)
"""A line is padded to the next of these; a longer one is squeezed into the last."""

_PADDING = 127
"""What RapidOCR pads with: zero after its normalisation."""

_STEPS = 5
"""The small picture's sides are padded up to a fifth of `side`, or two, ..."""


SIDES = (640, 800, 960, 1120, 1280)
"""Pixels of the longer side at which text may be looked for."""

_ENLARGED = 800
"""Pixels up to which a smaller frame is enlarged: small writing is found better then; beyond, large
writing is read worse."""


def side_for(frame: Frame, most: int) -> int:
    """At how many pixels of the longer side text is looked for in a frame, at `most` in any."""
    enough = max(_ENLARGED, frame.width, frame.height)
    return min(most, next((side for side in SIDES if side >= enough), most))


def picture(
    frame: Frame, side: int, part: Box = WHOLE
) -> tuple[NDArray[np.uint8], float, NDArray[np.float32]]:
    """A part of the frame, made as small as if the frame's longer side were `side` pixels.

    Both sides are padded to fifths of `side`: 25 shapes at most, and nine for whole frames.
    Returns RGB pixels, how many of them stand for one of the frame's, and where in the frame the
    part begins, in its pixels. The edge is what is repeated: a bright page on a dark border looks
    like a letter.
    """
    left, top = math.floor(part.left * frame.width), math.floor(part.top * frame.height)
    right, bottom = math.ceil(part.right * frame.width), math.ceil(part.bottom * frame.height)
    cut = frame.image[top : max(bottom, top + 1), left : max(right, left + 1)]
    scale = side / max(frame.width, frame.height)
    size = max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale))
    small = np.asarray(Image.fromarray(cut).resize(size, Image.Resampling.HAMMING))
    across, down = (-each % (side // _STEPS) for each in size)
    padded = cv2.copyMakeBorder(small, 0, down, 0, across, cv2.BORDER_REPLICATE)
    return padded.astype(np.uint8, copy=False), scale, np.array((left, top), np.float32)


def strip(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB crop of a line -> BGR at the recogniser's height, padded to a fixed width."""
    height, width = crop.shape[:2]
    fitted = min(max(1, round(width * STRIP_HEIGHT / height)), STRIP_WIDTHS[-1])
    padded = next(each for each in STRIP_WIDTHS if each >= fitted)
    shrink = cv2.INTER_AREA if height > STRIP_HEIGHT else cv2.INTER_LINEAR
    canvas = np.full((STRIP_HEIGHT, padded, 3), _PADDING, np.uint8)
    canvas[:, :fitted] = cv2.resize(crop, (fitted, STRIP_HEIGHT), interpolation=shrink)[..., ::-1]
    return canvas
