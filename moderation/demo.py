"""The demo's video, composed on the spot from pictures and speech that dependencies carry.

What is not installed is drawn instead, or left out: the light installation has no photos.
"""

from __future__ import annotations

import importlib.util
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation.media.frames import SAMPLE_RATE
from moderation.testing.clips import BLACK, Clip, moving, solid, written

__all__ = ["compose"]

SIZE = (1280, 720)
"""Pixels: what phones upload."""

LURE = "Buy cocaine: text me +1 555 0199"
"""The line that breaks the policy, in the third scene."""


def compose(path: Path) -> Path:
    """Write the demo video to `path`: 20 s of people, a street, an advertisement, and speech."""
    people, street = _photo("zidane.jpg"), _photo("bus.jpg")
    wall = solid(60, 70, 80)
    clip = Clip(*SIZE, fps=10)
    clip.show(6, people if people is not None else written(wall, "a quiet scene"))
    clip.show(6, wall if street is None else moving(street, wall, seconds=6, height=0.9))
    clip.show(5, written(solid(20, 60, 30), LURE, height=0.07))
    clip.show(3, BLACK)
    speech = _speech()
    if speech is not None:
        clip.hear(speech[: 20 * SAMPLE_RATE])
    return clip.write(path)


def _photo(name: str) -> NDArray[np.uint8] | None:
    path = _carried("ultralytics", f"assets/{name}")
    if path is None:
        return None
    return np.asarray(Image.open(path).convert("RGB"))


def _speech() -> NDArray[np.float32] | None:
    """Two people on the telephone, 16 kHz mono."""
    path = _carried("pyannote", "audio/sample/sample.wav")
    if path is None:
        return None
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.astype(np.float32) / np.float32(32768)


def _carried(package: str, inner: str) -> Path | None:
    """A file of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    found = (Path(place) / inner for place in places or ())
    return next((path for path in found if path.is_file()), None)
