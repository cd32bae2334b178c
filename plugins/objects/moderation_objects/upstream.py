"""Ultralytics, imported so that it keeps to itself.

Left alone, its import reads and writes a settings file in the user's home, asks the network
whether it is there, and changes OpenCV's and OpenMP's threads and Pillow's `open` for the whole
process; later it installs packages, downloads weights, reports usage and unpickles checkpoints
without a check. Its log goes to stdout, where our reports go.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch  # noqa: F401  # before ultralytics, whose OMP_NUM_THREADS=1 it would obey
from PIL import Image

from moderation.errors import DetectorUnavailable

__all__ = ["AutoBackend", "non_max_suppression"]

_home = tempfile.TemporaryDirectory(prefix="moderation-objects-")
"""Where ultralytics may write its settings; gone with the process."""

_ENVIRONMENT = {
    "ULTRALYTICS_SAFE_LOAD": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_CONFIG_DIR": _home.name,
    "YOLO_OFFLINE": "true",
    "YOLO_VERBOSE": "false",
}


@contextmanager
def _contained() -> Iterator[None]:
    """Say what ultralytics may do, and put back what its import changes for everybody."""
    openmp, opencv = os.environ.get("OMP_NUM_THREADS"), cv2.getNumThreads()
    pillow_open = Image.open
    os.environ.update(_ENVIRONMENT)
    try:
        with np.printoptions():
            yield
    finally:
        cv2.setNumThreads(opencv)
        Image.open = pillow_open
        if openmp is None:
            os.environ.pop("OMP_NUM_THREADS", None)


with _contained():
    from ultralytics.nn.autobackend import AutoBackend
    from ultralytics.utils import AUTOINSTALL, LOGGER, ONLINE, SAFE_LOAD, SETTINGS
    from ultralytics.utils.nms import non_max_suppression

SETTINGS["sync"] = False
LOGGER.handlers.clear()
LOGGER.propagate = True

if not SAFE_LOAD or AUTOINSTALL or ONLINE:
    raise DetectorUnavailable(
        "ultralytics was imported before it could be told to load safely",
        hint="import no ultralytics in the process of a scan",
    )
