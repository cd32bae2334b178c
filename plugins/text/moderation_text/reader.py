"""Reads the text in one picture: RapidOCR's models, fed with a few fixed shapes.

Where text is, is looked for in a picture made small; what it says is read from the original
pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rapidocr import RapidOCR

from moderation import Box, Device, Frame
from moderation.errors import DetectorUnavailable, ModelError, ModelMissing
from moderation_text.reading import Reading, Region
from moderation_text.shapes import STRIP_HEIGHT, STRIP_WIDTHS, WHOLE, picture, side_for, strip

__all__ = ["Reader"]

_PIXEL_THRESHOLD, _REGION_THRESHOLD = 0.2, 0.3
"""From which a pixel, and a region, counts as text: below PP-OCR's 0.3 and 0.5, which miss one
small caption in five; what is no text then fails to be read."""

_LEGIBLE = 6
"""Pixels of a line's height below which nobody can tell the letters."""

_DOUBTFUL = 0.9
"""A reading below may be of a line that stands on its head; one above never was, on the test
images, and the right reading of a turned line was always above."""

_TURNED_LENGTH = 3
"""Characters that a turned reading must have: a lone T, O or 8 reads well either way."""


class Reader:
    """RapidOCR's text detector and recogniser.

    folder  holds the two models, `*det*.onnx` and `*rec*.onnx`
    device  `auto` takes CUDA where onnxruntime has it
    side    pixels of the longer side at which text is looked for, in smaller frames at fewer

    Raises `ModelMissing`, `ModelError` and `DetectorUnavailable`.
    """

    def __init__(self, folder: Path, device: Device, *, side: int) -> None:
        self._side = side
        _check_characters(_only(folder, "rec"))
        # Any: RapidOCR declares its parts as None, and its answers as a union of all four kinds.
        self._engine: Any = RapidOCR(params=_parameters(folder, device))
        self._warm_up()
        if _wanted(device) == "cuda" and self.device != "cuda":
            raise DetectorUnavailable(
                "onnxruntime could not open a session on CUDA",
                hint="install onnxruntime-gpu for this CUDA, or set the device to cpu",
            )

    @property
    def device(self) -> str:
        """Where the sessions really run: `cpu` or `cuda`."""
        sessions = self._engine.text_det.session.session, self._engine.text_rec.session.session
        on_cuda = all(each.get_providers()[0].startswith("CUDA") for each in sessions)
        return "cuda" if on_cuda else "cpu"

    def find(self, frame: Frame, part: Box = WHOLE) -> list[Region]:
        """Where in the picture, or in a part of it, there is text, from the top down."""
        pixels, scale, origin = picture(frame, side_for(frame, self._side), part)
        regions = (
            Region.of(frame, corners / np.float32(scale) + origin, float(score))
            for corners, score in zip(*self._detect(pixels), strict=True)
        )
        legible = (each for each in regions if each.height * frame.height >= _LEGIBLE)
        inside = (each for each in legible if each.box.area > 0)
        return sorted(inside, key=lambda each: (each.box.top, each.box.left))

    def read(self, frame: Frame, region: Region) -> Reading:
        """What a region says, also when the line stands on its head."""
        (crop,) = self._engine.crop_text_regions(frame.image, region.corners[np.newaxis])
        text, score = self._recognise(crop)
        if score < _DOUBTFUL:
            turned, certainty = self._recognise(crop[::-1, ::-1])
            if certainty >= _DOUBTFUL and len(turned) >= _TURNED_LENGTH:
                return Reading(turned, certainty, region.turned())
        return Reading(text, score, region)

    def _detect(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], list[float]]:
        # Not the detector's own call: that sorts its boxes, and leaves their scores behind.
        planes = pixels[..., ::-1].transpose(2, 0, 1)[np.newaxis].astype(np.float32)
        heat = self._engine.text_det.session(planes / 127.5 - 1)
        boxes, scores = self._engine.text_det.postprocess_op(heat, pixels.shape[:2])
        return boxes, scores

    def _recognise(self, crop: NDArray[np.uint8]) -> tuple[str, float]:
        result = self._engine(strip(crop), use_det=False, use_cls=False, use_rec=True)
        return result.txts[0].strip(), float(result.scores[0])

    def _warm_up(self) -> None:
        """Open both sessions, which RapidOCR does at their first use."""
        blank = np.zeros((STRIP_HEIGHT, STRIP_WIDTHS[0], 3), np.uint8)
        self._engine(blank, use_det=True, use_cls=False, use_rec=False)
        self._recognise(blank)


def _parameters(folder: Path, device: Device) -> dict[str, object]:
    """Explicit paths, so that RapidOCR never downloads; no resizing of its own."""
    name, _, number = device.name.partition(":")
    engine = "EngineConfig.onnxruntime"
    return {
        "Global.log_level": "critical",
        "Global.use_preprocess_img": False,
        "Global.use_vertical_padding": False,
        "Det.model_path": _only(folder, "det"),
        "Rec.model_path": _only(folder, "rec"),
        "Det.limit_type": "max",
        "Det.thresh": _PIXEL_THRESHOLD,
        "Det.box_thresh": _REGION_THRESHOLD,
        "Rec.rec_img_shape": [3, STRIP_HEIGHT, STRIP_WIDTHS[0]],
        f"{engine}.intra_op_num_threads": device.threads or -1,
        f"{engine}.inter_op_num_threads": 1,
        f"{engine}.use_cuda": _wanted(device) == "cuda",
        f"{engine}.cuda_ep_cfg.device_id": int(number or 0) if name == "cuda" else 0,
    }


def _wanted(device: Device) -> str:
    """`cuda` or `cpu`: text is read on the CPU where there is no CUDA."""
    if device.name == "auto":
        available = onnxruntime.get_available_providers()
        return "cuda" if "CUDAExecutionProvider" in available else "cpu"
    return "cuda" if device.name.startswith("cuda") else "cpu"


def _only(folder: Path, role: str) -> str:
    found = sorted(folder.glob(f"*{role}*.onnx"))
    if len(found) != 1:
        raise ModelMissing(
            f"{folder} holds {len(found)} files named *{role}*.onnx, not one",
            hint="name a folder with one text detector (det) and one recogniser (rec)",
        )
    return str(found[0])


def _check_characters(recogniser: str) -> None:
    """RapidOCR would download the list of characters of a model that does not carry its own."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(recogniser, options, ["CPUExecutionProvider"])
    if "character" not in session.get_modelmeta().custom_metadata_map:
        raise ModelError(
            f"{recogniser} does not carry its list of characters",
            hint="use a recogniser as RapidOCR exports them, with `character` in its metadata",
        )
