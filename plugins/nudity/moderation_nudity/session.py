"""A NudeNet network in memory, through onnxruntime."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as fault

from moderation.detector import Device
from moderation.errors import DetectorUnavailable, ModelError

__all__ = ["Session"]

_CPU = "CPUExecutionProvider"
_ACCELERATORS = {"cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}


class Session:
    """Weights in memory.

    Raises `ModelError` for a file that is no such network, and `DetectorUnavailable` for a device
    that was asked for by name and that onnxruntime does not really use.
    """

    def __init__(self, path: Path, device: Device, batch: int) -> None:
        self.device, providers = _providers(device.name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = device.threads
        # Threads that wait leave the core to other detectors' engines.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except (fault.Fail, fault.InvalidGraph, fault.InvalidProtobuf, fault.NotImplemented):
            raise ModelError(
                f"{path} cannot be opened as an ONNX network", hint="choose another model"
            ) from None
        self._confirm(device.name)
        self._input = self._session.get_inputs()[0].name
        self.names = self._class_names(path)
        # A batch gains nothing on a CPU; elsewhere it has few sizes, because onnxruntime
        # keeps memory for every shape that it has seen.
        self._chunk = 1 if self.device == "cpu" else batch

    def __call__(self, images: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
        """Raw output for each RGB image, shape (n, height, width, 3) -> (4 + classes, anchors)."""
        # Of a power of two: when memory is full, half as many frames come.
        chunk = min(self._chunk, 1 << max(0, len(images) - 1).bit_length())
        for start in range(0, len(images), chunk):
            pixels = images[start : start + chunk]
            missing = chunk - len(pixels)
            filled = np.pad(pixels, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else pixels
            planes = np.ascontiguousarray(filled.transpose(0, 3, 1, 2), np.float32) / 255
            (raw,) = self._session.run(None, {self._input: planes})
            yield from raw[: len(pixels)]

    def _confirm(self, asked: str) -> None:
        """onnxruntime falls back to the CPU without a word."""
        if self._session.get_providers()[0] != _CPU:
            return
        if asked not in ("auto", "cpu"):
            raise DetectorUnavailable(
                f"{asked} was asked for and onnxruntime {onnxruntime.__version__} uses the CPU",
                hint="install the onnxruntime of that device, or set the device to auto",
            )
        self.device = "cpu"

    def _class_names(self, path: Path) -> Mapping[int, str]:
        about = self._session.get_modelmeta().custom_metadata_map
        if about.get("task") != "detect" or "names" not in about:
            raise ModelError(
                f"{path} does not say which classes it detects",
                hint="use an export that carries its task and names, as NudeNet's do",
            )
        names: Mapping[int, str] = ast.literal_eval(about["names"])
        return names


def _providers(name: str) -> tuple[str, list[Any]]:
    """The device to try and its providers, best first.

    `auto` leaves CoreML out, which compiles the network anew for each size of video.
    """
    kind, _, index = name.partition(":")
    if kind == "auto":
        kind = "cuda"
    if kind == "cpu":
        return "cpu", [_CPU]
    if kind not in _ACCELERATORS or not (index or "0").isdecimal():
        raise DetectorUnavailable(
            f"there is no kind of device named {name}", hint="use auto, cpu, mps, cuda or cuda:N"
        )
    provider = _ACCELERATORS[kind]
    if provider not in onnxruntime.get_available_providers():
        return kind, [_CPU]
    if kind == "cuda":
        return f"cuda:{index or 0}", [(provider, {"device_id": int(index or 0)}), _CPU]
    return kind, [provider, _CPU]
