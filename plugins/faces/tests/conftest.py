"""Fixtures for the tests of the plugin: weights, pictures, and small networks made on the spot."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from moderation.models import ModelStore

BIAS = 1000
"""What the tiny network adds, times the first row of its weights: without it no test could see in
which range the network is fed."""

Picture = NDArray[np.uint8]


@pytest.fixture(scope="session")
def weights(shared_data: Path) -> ModelStore:
    """Real weights: YuNet and MobileFaceNet."""
    return ModelStore((shared_data / "models",))


@pytest.fixture(scope="session")
def portrait(shared_data: Path) -> Callable[[str], Picture]:
    """Reads a picture of `faces/`, RGB."""

    def read(name: str) -> Picture:
        return np.asarray(Image.open(shared_data / "faces" / name).convert("RGB"))

    return read


@pytest.fixture(scope="session")
def projection() -> NDArray[np.float32]:
    """Random weights, shape (588, 128), whose columns do not see a change of brightness."""
    weights = np.random.default_rng(7).normal(size=(588, 128)).astype(np.float32)
    weights -= weights.mean(axis=0)
    return weights


@pytest.fixture(scope="session")
def sface(tmp_path_factory: pytest.TempPathFactory, projection: NDArray[np.float32]) -> Path:
    """An ONNX file with SFace's inputs and outputs: 8x8 means of the face, projected at random."""
    path = tmp_path_factory.mktemp("weights") / "tiny_sface.onnx"
    nodes = [
        _node("AveragePool", ["data"], "pooled", kernel_shape=(8, 8), strides=(8, 8)),
        _node("Flatten", ["pooled"], "flat"),
        _node("MatMul", ["flat", "projection"], "projected"),
        _node("Add", ["projected", "bias"], "fc1"),
    ]
    graph = b"".join(_field(1, node) for node in nodes)
    graph += _field(2, b"tiny") + _field(5, _tensor("projection", projection))
    graph += _field(5, _tensor("bias", BIAS * projection[0]))
    graph += _field(11, _value("data", (1, 3, 112, 112))) + _field(12, _value("fc1", (1, 128)))
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(2, 13)))
    return path


# ONNX is Protocol Buffers: a key (field << 3 | wire type), then an integer or length and bytes.
# The numbers are those of onnx.proto3.


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _node(kind: str, inputs: Sequence[str], output: str, **integers: Sequence[int]) -> bytes:
    encoded = b"".join(_field(1, name.encode()) for name in inputs) + _field(2, output.encode())
    encoded += _field(3, output.encode()) + _field(4, kind.encode())
    return encoded + b"".join(_field(5, _integers(*each)) for each in integers.items())


def _integers(name: str, values: Sequence[int]) -> bytes:
    return _field(1, name.encode()) + b"".join(_field(8, v) for v in values) + _field(20, 7)


def _tensor(name: str, values: NDArray[np.float32]) -> bytes:
    dims = b"".join(_field(1, size) for size in values.shape)
    raw = struct.pack(f"<{values.size}f", *values.ravel())
    return dims + _field(2, 1) + _field(8, name.encode()) + _field(9, raw)


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_field(1, _field(1, size)) for size in shape)
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))
