"""Whose face it is: an embedding of the aligned face, and what a similarity of two is worth.

A similarity is a cosine, -1..1, and means something else for every network. The score that
evidence carries is made of it by a logistic curve: 0.5 at the network's operating point, the
cosine where it tells same from different best, and 0.8 about 0.14 above it, where strangers
hardly ever come.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from moderation.errors import ConfigurationError, DetectorUnavailable
from moderation.models import Model
from moderation_faces.face import Face
from moderation_faces.finder import quiet
from moderation_faces.watchlist import Embedding

__all__ = ["KINDS", "SIDE", "Kind", "Recogniser"]

SIDE = 112
"""Width and height in pixels of the aligned face that the networks see."""

_STEEPNESS = 10.0
"""Of the logistic curve. In tests/eval/faces_eval.py, MobileFaceNet's cosines of one person (0.59
and above) come to 0.87 and above, those of strangers (0.20 and below) to 0.12 and below."""

_TINY = 1e-12
"""Least length that an embedding is divided by: that of an empty one is 0."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of networks: what it is fed, and where it tells people apart.

    mean, deviation   of each channel, RGB, in 0..255: subtracted, then divided by
    operating_point   the cosine between same and different
    """

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    operating_point: float


KINDS: Mapping[str, Kind] = {
    # Its ONNX normalises by itself. 0.363: where OpenCV found its accuracy on LFW best, 99.60 %.
    "sface": Kind((0, 0, 0), (1, 1, 1), 0.363),
    # ImageNet's mean and deviation. 0.40: measured there, where one pair of strangers in a
    # thousand comes; one person's pictures have 0.59 and above.
    "mobilefacenet": Kind((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 0.40),
}
"""By a word in the name of the weights."""


class Recogniser:
    """A network that embeds aligned faces, run by OpenCV on the CPU."""

    def __init__(self, model: Model) -> None:
        """Raises `ConfigurationError` for weights of an unknown kind, `DetectorUnavailable` for
        those that do not run."""
        self.model, self.kind = model, _kind(model)
        self._mean = np.array(self.kind.mean[::-1], np.float32)
        self._deviation = np.array(self.kind.deviation[::-1], np.float32)
        try:
            with quiet():
                self._net = cv2.FaceRecognizerSF.create(str(model.path), "")
                self._embedded(np.zeros((SIDE, SIDE, 3), np.uint8))
        except cv2.error as error:
            raise DetectorUnavailable(
                f"{model.path} does not run as a face recogniser ({error.err or error})",
                hint="name a network that takes a face of 112x112 in the option `recogniser`",
            ) from None

    def embed(self, image: NDArray[np.uint8], face: Face) -> Embedding:
        """The embedding of one face of an RGB picture, shape (height, width, 3)."""
        row = np.zeros((1, 15), np.float32)
        row[0, 4:14] = face.landmarks.ravel()
        crop = self._net.alignCrop(image, row)
        return self._embedded(cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))

    def score(self, similarity: float) -> float:
        """What a cosine is worth, 0..1; 0.5 at the operating point."""
        return 1 / (1 + math.exp(-_STEEPNESS * (similarity - self.kind.operating_point)))

    def _embedded(self, crop: cv2.typing.MatLike) -> Embedding:
        """Of an aligned BGR face, which OpenCV turns into RGB and nothing more."""
        normalised = (crop.astype(np.float32) - self._mean) / self._deviation
        embedding = np.array(self._net.feature(normalised), np.float32).ravel()
        length = max(float(np.linalg.norm(embedding)), _TINY)
        return (embedding / length).astype(np.float32)


def _kind(model: Model) -> Kind:
    for word, kind in KINDS.items():
        if word in model.name.lower():
            return kind
    raise ConfigurationError(
        f"how to feed the face recogniser {model.name} is not known",
        hint=f"give weights of a known kind a name with one of these words: {', '.join(KINDS)}",
    )
