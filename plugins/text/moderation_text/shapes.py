"""The few shapes of input that the models see.

onnxruntime keeps memory for every shape it meets, and cuDNN searches for kernels: pictures of any
size and lines of any length are padded to a handful.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation import Frame

__all__ = ["STRIP_HEIGHT", "STRIP_WIDTHS", "picture", "strip"]

STRIP_HEIGHT = 48
"""Pixels: the height that PP-OCR's recogniser is trained on."""

STRIP_WIDTHS = (320, 480, 640, 960, 1280, 1920, 2560)
"""A line is padded to the next of these; a longer one is squeezed into the last."""

_PADDING = 127
"""What RapidOCR pads with: zero after its normalisation."""

_STEPS = 5
"""The small picture's shorter side is padded up to a fifth of its longer side, or two, ..."""


def picture(frame: Frame, side: int) -> tuple[NDArray[np.uint8], float]:
    """The frame, its longer side made `side` pixels, padded to one of nine shapes.

    Returns RGB pixels and how many of them stand for one of the frame's. The edge is what is
    repeated: a bright page on a dark border looks like a letter.
    """
    scale = side / max(frame.width, frame.height)
    size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    small = np.asarray(Image.fromarray(frame.image).resize(size, Image.Resampling.HAMMING))
    right, bottom = (-each % (side // _STEPS) for each in size)
    padded = cv2.copyMakeBorder(small, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return padded.astype(np.uint8, copy=False), scale


def strip(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB crop of a line -> BGR at the recogniser's height, padded to a fixed width."""
    height, width = crop.shape[:2]
    fitted = min(max(1, round(width * STRIP_HEIGHT / height)), STRIP_WIDTHS[-1])
    padded = next(each for each in STRIP_WIDTHS if each >= fitted)
    shrink = cv2.INTER_AREA if height > STRIP_HEIGHT else cv2.INTER_LINEAR
    canvas = np.full((STRIP_HEIGHT, padded, 3), _PADDING, np.uint8)
    canvas[:, :fitted] = cv2.resize(crop, (fitted, STRIP_HEIGHT), interpolation=shrink)[..., ::-1]
    return canvas
