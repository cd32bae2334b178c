"""Where faces are: YuNet at two sizes, one for small faces and one for close-ups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from moderation import Box, FrameBatch
from moderation.media.frames import Letterboxed
from moderation_faces.face import Face

__all__ = ["FaceFinder", "quiet"]

_COARSE = 320
"""Pixels of the longer side in the look for close-ups: YuNet is trained on faces of 10 to 300
pixels, and sees only parts of a face that is larger."""

_PREFERENCE = 0.1
"""By how much a face of the finer look may score less and still be preferred to the same one of
the coarse look: its landmarks are more exact, and a face is recognised by them."""

_OVERLAP = 0.3
"""Intersection over union from which two boxes are one face; YuNet's own default."""

_INSIDE = 0.7
"""Share of a box inside a better one from which it is a part of that face."""

_CANDIDATES = 5000
"""Boxes that YuNet keeps before overlaps are removed; its own default."""


class FaceFinder:
    """YuNet over batches of frames.

    size       pixels of the longer side at which small faces are looked for; frames that are
               smaller are not enlarged
    threshold  scores below are dropped
    min_size   of a face's shorter side, as a fraction of the frame's shorter side
    """

    def __init__(self, weights: Path, *, size: int, threshold: float, min_size: float) -> None:
        self._size, self._min_size = size, min_size
        with quiet():
            self._nets = [
                cv2.FaceDetectorYN.create(
                    str(weights), "", (_COARSE, _COARSE), threshold, _OVERLAP, _CANDIDATES
                )
                for _ in range(2)
            ]

    def find(self, batch: FrameBatch) -> list[list[Face]]:
        """The faces of each frame, surest first."""
        frame = batch[0].width, batch[0].height
        fine = min(self._size, max(frame))
        sizes = (_COARSE, fine) if fine > 2 * _COARSE else (fine,)
        found: list[list[tuple[float, Face]]] = [[] for _ in batch]
        for net, size in zip(self._nets, sizes, strict=False):
            preference = _PREFERENCE if size == fine else 0.0
            for faces, seen in zip(found, _look(net, batch.letterbox(size), frame), strict=True):
                faces += [(face.score + preference, face) for face in seen]
        least = self._min_size * min(frame)
        return [[face for face in _distinct(each) if face.shorter_side >= least] for each in found]


@contextmanager
def quiet() -> Iterator[None]:
    """OpenCV 5 warns on stderr, for every network, that its engine chooses no target."""
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


def _look(
    net: cv2.FaceDetectorYN, pictures: Letterboxed, frame: tuple[int, int]
) -> Iterator[list[Face]]:
    height, width = pictures.images.shape[1:3]
    net.setInputSize((width, height))
    for image in pictures.images:
        _, rows = net.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        yield [] if rows is None else [_face(row, pictures, frame) for row in rows]


def _face(row: NDArray[np.float32], pictures: Letterboxed, frame: tuple[int, int]) -> Face:
    """From YuNet's row: left, top, width, height, five points, score."""
    left, top, width, height = (float(value) for value in row[:4])
    points = row[4:14].reshape(5, 2) - np.array(pictures.offset, np.float32)
    landmarks = points / np.float32(pictures.scale)
    box = pictures.box(left, top, left + width, top + height)
    return Face(box, min(1.0, float(row[14])), landmarks, frame)


def _distinct(ranked: Iterable[tuple[float, Face]]) -> list[Face]:
    """Each face once, highest rank first: no second box of one face, and no part of one."""
    kept: list[Face] = []
    for _, face in sorted(ranked, key=lambda each: each[0], reverse=True):
        if face.box.area > 0 and not any(_same(face.box, better.box) for better in kept):
            kept.append(face)
    return kept


def _same(box: Box, better: Box) -> bool:
    overlap = box.iou(better)
    shared = overlap * (box.area + better.area) / (1 + overlap)
    return overlap > _OVERLAP or shared > _INSIDE * box.area
