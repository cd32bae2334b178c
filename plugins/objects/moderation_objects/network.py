"""A YOLO network in memory, and how many images it can look at together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from moderation.detector import Degraded
from moderation_objects.upstream import non_max_suppression

__all__ = ["Fitting", "Limits", "Network", "Rows"]

MAX_OBJECTS = 300
"""Boxes kept per frame, best first: ultralytics' own limit, above which a frame is noise."""

Rows: TypeAlias = NDArray[np.float32]
"""What one image shows, best first: x0, y0, x1, y1 in its pixels, score, class; shape (n, 6)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is kept: scores above `threshold`, boxes that overlap by less than `iou`, `classes`."""

    threshold: float
    iou: float
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """Weights in memory.

    forward  images (n, 3, height, width) in 0..1 -> raw predictions
    names    class index -> class name, from the weights
    device   `cpu`, `mps`, `cuda:0`: where it really computes
    size     side of the square that an export with a fixed input takes; None when any size goes
    end2end  whether the network suppresses doubles itself
    """

    forward: Callable[[torch.Tensor], torch.Tensor]
    names: Mapping[int, str]
    device: str
    dtype: torch.dtype = torch.float32
    size: int | None = None
    end2end: bool = False

    def __call__(self, images: NDArray[np.uint8], limits: Limits) -> list[Rows]:
        """What each of the RGB images, shape (n, height, width, 3), shows."""
        pixels = torch.tensor(images, device=self.device).permute(0, 3, 1, 2).to(self.dtype) / 255
        with torch.inference_mode():
            kept = non_max_suppression(
                self.forward(pixels).float(),
                limits.threshold,
                limits.iou,
                classes=list(limits.classes),
                nc=len(self.names),
                max_det=MAX_OBJECTS,
                # With its default it drops the rest of a batch, in silence, on a slow machine.
                max_time_img=math.inf,
                end2end=self.end2end,
            )
        return [rows.cpu().numpy() for rows in kept]


class Fitting:
    """Runs a network over as many images at once as the device's memory holds.

    Made anew for each video: starts at `batch`, halves when the memory is full, and says so.
    """

    def __init__(
        self, network: Callable[[NDArray[np.uint8], Limits], list[Rows]], batch: int
    ) -> None:
        self._network, self._batch = network, batch

    def __call__(self, images: NDArray[np.uint8], limits: Limits) -> Iterator[Rows | Degraded]:
        """Rows of each image, in order; raises `torch.OutOfMemoryError` when one is too many."""
        done = 0
        while done < len(images):
            rows = self._attempt(images[done : done + self._batch], limits)
            if rows is None:
                self._batch //= 2
                torch.cuda.empty_cache()
                yield Degraded(f"device memory is full: went on with batches of {self._batch}")
            else:
                done += len(rows)
                yield from rows

    def _attempt(self, images: NDArray[np.uint8], limits: Limits) -> list[Rows] | None:
        """None when the memory is full; by then the tensors of the attempt are gone."""
        try:
            return self._network(images, limits)
        except torch.OutOfMemoryError:
            if self._batch == 1:
                raise
            return None
