"""Opens YOLO weights: a checkpoint (.pt), an ONNX export (.onnx) or a TensorRT engine (.engine)."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from moderation.detector import Device
from moderation.errors import DetectorUnavailable, ModelError
from moderation.models import Model
from moderation_objects.network import Network
from moderation_objects.upstream import AutoBackend

__all__ = ["open_network", "torch_device"]

FORMATS = (".pt", ".onnx", ".engine")

_UNREADABLE = (TypeError, ValueError, RuntimeError, EOFError, ImportError, pickle.UnpicklingError)
"""What ultralytics, torch and onnxruntime raise for bytes that are no network of theirs."""


def open_network(model: Model, device: Device, half: bool | None = None) -> Network:
    """Bring weights into memory; `half` precision on CUDA alone when None.

    Raises `ModelError` for a file that is no YOLO detector or that may not be trusted, and
    `DetectorUnavailable` for a device or a library that is not there.
    """
    suffix = model.path.suffix.lower()
    if suffix not in FORMATS:
        raise ModelError(
            f"{model.path.name} is of no format that objects can run",
            hint=f"give a file that ends in {', '.join(FORMATS)}",
        )
    if suffix != ".onnx" and not model.listed:
        raise ModelError(
            f"{model.path} can run code when it is opened, and no manifest lists its sha256",
            hint="list it in the manifest.toml of a model directory, if you trust its origin",
        )
    try:
        if suffix == ".onnx":
            return _open_onnx(model.path, device)
        return _open_torch(model.path, device, half)
    except _UNREADABLE as error:
        raise ModelError(
            f"{model.path} cannot be opened as a YOLO detector ({_first_line(error)})",
            hint="export it again, or choose another model",
        ) from None


def torch_device(name: str) -> torch.device:
    """The device of that name; `auto` is the best there is.

    Raises `DetectorUnavailable` for one that this machine does not have.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if cuda else "mps" if mps else "cpu"
    kind, _, index = name.partition(":")
    there = {"cpu": 1, "mps": int(mps), "cuda": torch.cuda.device_count() if cuda else 0}
    if kind not in there or not (index or "0").isdecimal():
        raise DetectorUnavailable(
            f"there is no kind of device named {name}", hint="use auto, cpu, mps, cuda or cuda:N"
        )
    if int(index or 0) >= there[kind]:
        raise DetectorUnavailable(
            f"the device {name} was asked for and torch {torch.__version__} does not see it",
            hint="check the driver and that torch is built for it, or set the device to auto",
        )
    return torch.device(kind, int(index or 0)) if kind == "cuda" else torch.device(kind)


def _open_torch(path: Path, device: Device, half: bool | None) -> Network:
    """A checkpoint or a TensorRT engine, through ultralytics."""
    place = torch_device(device.name)
    engine = path.suffix.lower() == ".engine"
    if engine and place.type != "cuda":
        raise DetectorUnavailable(
            f"{path.name} is a TensorRT engine, which runs on cuda alone",
            hint="set the device to cuda, or choose a .pt or .onnx model",
        )
    if device.threads:
        torch.set_num_threads(device.threads)
    fp16 = place.type == "cuda" if half is None else half
    backend = AutoBackend(str(path), device=place, fp16=fp16, verbose=False).eval()
    task = backend.task if engine else backend.model.task
    if task != "detect":
        raise ModelError(f"{path} does not detect objects: its task is {task}")
    return Network(
        forward=lambda pixels: _predictions(backend(pixels)),
        names=backend.names,
        device=str(place),
        dtype=torch.float16 if backend.fp16 else torch.float32,
        size=_square(path, *backend.imgsz) if engine and not backend.dynamic else None,
        end2end=bool(backend.end2end),
    )


def _predictions(outputs: Any) -> torch.Tensor:
    """The predictions, without what some networks return beside them for training."""
    first: torch.Tensor = outputs[0] if isinstance(outputs, list | tuple) else outputs
    return first


def _open_onnx(path: Path, device: Device) -> Network:
    """An export, through onnxruntime itself: ultralytics would not pass on the thread limit."""
    try:
        import onnxruntime
        from onnxruntime.capi import (
            onnxruntime_pybind11_state as fault,
        )
    except ImportError:
        raise DetectorUnavailable(
            f"{path.name} needs onnxruntime, which is not installed",
            hint="install moderation-objects[onnx]",
        ) from None
    place = torch_device(device.name)
    providers: list[Any] = ["CPUExecutionProvider"]
    if place.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": place.index}))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = device.threads
    # Threads that wait leave the core to other detectors' engines.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except (fault.Fail, fault.InvalidGraph, fault.InvalidProtobuf, fault.NotImplemented) as error:
        raise ValueError(str(error)) from None
    # onnxruntime falls back to the CPU without a word.
    on_cuda = session.get_providers()[0] == "CUDAExecutionProvider"
    if not on_cuda and device.name not in ("auto", "cpu"):
        raise DetectorUnavailable(
            f"{device.name} was asked for and onnxruntime runs {path.name} on the CPU",
            hint="install onnxruntime-gpu with its CUDA libraries, or set the device to auto",
        )
    return _onnx_network(session, path, str(place) if on_cuda else "cpu")


def _onnx_network(session: Any, path: Path, device: str) -> Network:
    about = session.get_modelmeta().custom_metadata_map
    if about.get("task") != "detect" or "names" not in about:
        raise ModelError(
            f"{path} does not say which classes it detects",
            hint="export it with ultralytics, which writes its task and names into the file",
        )
    images = session.get_inputs()[0]
    count, _, height, width = images.shape
    chunk = count if isinstance(count, int) else None

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        found = [
            session.run(None, {images.name: each})[0]
            for each in _chunks(pixels.cpu().numpy(), chunk)
        ]
        return torch.from_numpy(np.concatenate(found)[: len(pixels)])

    return Network(
        forward=forward,
        names=ast.literal_eval(about["names"]),
        device=device,
        dtype=torch.float16 if "float16" in images.type else torch.float32,
        size=_square(path, height, width) if isinstance(height, int) else None,
        end2end=bool(ast.literal_eval(about.get("args", "{}")).get("nms"))
        or about.get("end2end") == "True",
    )


def _chunks(images: NDArray[Any], count: int | None) -> Iterator[NDArray[Any]]:
    """As many images as a fixed export takes at once, the last chunk filled up with black ones."""
    count = count or len(images)
    missing = -len(images) % count
    filled = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else images
    for start in range(0, len(filled), count):
        yield filled[start : start + count]


def _square(path: Path, height: int, width: int) -> int:
    if height != width:
        raise ModelError(
            f"{path} takes pictures of {width}x{height} pixels alone",
            hint="export it for a square, or with dynamic=True",
        )
    return height


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
