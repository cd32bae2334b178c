"""A YOLO network in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from moderation_objects.upstream import non_max_suppression

__all__ = ["Limits", "Network", "Rows"]

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
