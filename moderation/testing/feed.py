"""What a detector is fed, made by hand from pictures and sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from moderation.detector import Degraded, Detector
from moderation.evidence import Evidence
from moderation.media.frames import SAMPLE_RATE, AudioChunk, Frame, FrameBatch
from moderation.timeline import MICROSECONDS, Instant

_T = TypeVar("_T", bound=np.generic)

__all__ = ["audio_chunks", "frame_batches", "look"]


def frame_batches(
    images: Sequence[NDArray[np.uint8]], *, per_second: float = 1.0, batch: int = 16
) -> Iterator[FrameBatch]:
    """RGB pictures of one size, shape (height, width, 3), as if sampled at `per_second`."""
    frames = [
        Frame(_frozen(image), Instant(round(index * MICROSECONDS / per_second)), index)
        for index, image in enumerate(images)
    ]
    for start in range(0, len(frames), batch):
        yield FrameBatch(frames[start : start + batch])


def audio_chunks(samples: NDArray[np.float32], *, seconds: float = 30.0) -> Iterator[AudioChunk]:
    """Mono sound at `SAMPLE_RATE`, cut into chunks."""
    step = round(seconds * SAMPLE_RATE)
    for start in range(0, len(samples), step):
        at = Instant(round(start * MICROSECONDS / SAMPLE_RATE))
        yield AudioChunk(_frozen(samples[start : start + step]), at)


def look(detector: Detector[Any], batches: Iterable[Any]) -> tuple[list[Evidence], list[Degraded]]:
    """Run a loaded detector over a feed: what it saw, and where it fell short."""
    seen = list(detector.detect(batches))
    return (
        [each for each in seen if isinstance(each, Evidence)],
        [each for each in seen if isinstance(each, Degraded)],
    )


def _frozen(array: NDArray[_T]) -> NDArray[_T]:
    array = array.copy()
    array.flags.writeable = False
    return array
