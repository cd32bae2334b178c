"""Veiled pictures: blurred and grey before they leave the server, so that nothing needs to hide
them on the way.
"""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageFilter

__all__ = ["veiled"]

_GRAINS: Final = 24
"""Pixels of the shorter side that are left: shapes and their places, no faces and no letters."""

_SHOWN: Final = 320
"""Pixels of the longer side that is sent."""


def veiled(jpeg: bytes) -> bytes:
    """A JPEG of which little is left, from one that we made."""
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        grey = picture.convert("L")
    scale = _GRAINS / max(_GRAINS, min(grey.size))
    grains = grey.resize(_scaled(grey.size, scale), Image.Resampling.BOX)
    softened = grains.filter(ImageFilter.GaussianBlur(1))
    shown = softened.resize(_scaled(grey.size, _SHOWN / max(grey.size)), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    shown.save(stream, "JPEG", quality=60)
    return stream.getvalue()


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    width, height = size
    return max(1, round(width * scale)), max(1, round(height * scale))
