"""Faults of a device are known by what the engines say, with no engine imported."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from moderation import device_faults
from moderation.errors import DeviceLost, OutOfMemory

FULL = [
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB",
    "CUDA error: out of memory",
    "CUDA failed with error out of memory",
    "MPS backend out of memory (MPS allocated: 9.05 GB, max allowed: 9.07 GB)",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv "
    "node. bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 4194304",
    "CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size);",
]

GONE = [
    "CUDA error: all CUDA-capable devices are busy or unavailable",
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later",
    "CUDA error: device-side assert triggered",
    "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=node",
    "CUDA failed with error unspecified launch failure",
]

OTHER = [
    "CUDA error: no kernel image is available for execution on the device",
    "CUDA error: invalid device ordinal",
    "the GPU is lost in thought",
    "a bug",
    "",
]


@pytest.mark.parametrize("text", FULL)
def test_fault_080_a_full_memory_is_known_by_its_text(text: str) -> None:
    assert device_faults.is_out_of_memory(RuntimeError(text))
    assert not device_faults.is_lost(RuntimeError(text))


@pytest.mark.parametrize("text", GONE)
def test_fault_081_a_lost_device_is_known_by_its_text(text: str) -> None:
    assert device_faults.is_lost(RuntimeError(text))
    assert not device_faults.is_out_of_memory(RuntimeError(text))


@pytest.mark.parametrize("text", OTHER)
def test_what_a_detector_did_wrong_is_no_fault_of_its_device(text: str) -> None:
    assert not device_faults.is_lost(RuntimeError(text))
    assert not device_faults.is_out_of_memory(RuntimeError(text))


def test_our_own_errors_are_known() -> None:
    assert device_faults.is_out_of_memory(OutOfMemory("full"))
    assert device_faults.is_lost(DeviceLost("gone"))


def test_fault_005_numpy_that_gets_no_memory_is_known() -> None:
    with pytest.raises(MemoryError) as failed:
        np.empty(1 << 50)
    assert device_faults.is_out_of_memory(failed.value)


def test_fault_080_torch_that_gets_no_memory_is_known() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError) as failed:
        torch.empty(1 << 50)
    assert device_faults.is_out_of_memory(failed.value)
    assert device_faults.is_out_of_memory(torch.OutOfMemoryError())
    device_faults.free_memory()


def test_fault_082_an_engine_is_never_imported_for_it() -> None:
    code = (
        "import sys; from moderation import device_faults as d;"
        "d.free_memory(); d.is_lost(d.is_out_of_memory(MemoryError()) and OSError('CUDA'));"
        "sys.exit(sorted({'torch', 'onnxruntime'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
