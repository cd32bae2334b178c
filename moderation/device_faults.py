"""Faults of a device: what the engines say when its memory is full, or when it is gone.

Every engine has errors of its own for that, often a plain `RuntimeError`. They are known by their
classes' names and by their texts, so that no engine is imported here.
"""

from __future__ import annotations

import gc
import re
import sys
import threading
from typing import Final

from moderation.errors import DeviceError, DeviceLost, OutOfMemory

__all__ = ["free_memory", "hang", "is_lost", "is_out_of_memory", "is_spent", "is_stuck", "spend"]

_FULL: Final = re.compile(
    r"out of memory"  # CUDA, MPS, CTranslate2
    r"|(CUBLAS|CUDNN|CUSOLVER)_STATUS_ALLOC_FAILED"
    r"|Failed to allocate memory for requested buffer"  # onnxruntime
    r"|DefaultCPUAllocator: (can't allocate|not enough) memory",  # torch without a GPU
    re.IGNORECASE,
)

_GONE: Final = re.compile(
    # After one of these every call fails until the process ends (cudaGetErrorString).
    r"\b(CUDA|HIP)\b.*("
    r"illegal memory access|illegal instruction|misaligned address|invalid program counter"
    r"|invalid address space|unspecified launch failure|launch timed out|device-side assert"
    r"|hardware stack error|uncorrectable (ECC|NVLink) error|busy or unavailable"
    r"|no CUDA-capable device|driver shutting down|context is destroyed|unknown error"
    r"|fallen off the bus|GPU is lost|GPU requires reset"
    r")",
    re.IGNORECASE | re.DOTALL,
)

_spent, _stuck = threading.Event(), threading.Event()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, the device's or the machine's, did not suffice for what was tried."""
    if isinstance(error, OutOfMemory | MemoryError):
        return True
    named = any(each.__name__ == "OutOfMemoryError" for each in type(error).__mro__)
    return named or bool(_FULL.search(str(error)))


def is_lost(error: BaseException) -> bool:
    """Whether nothing on the device will succeed in this process any more."""
    if isinstance(error, DeviceLost):
        return True
    return not is_out_of_memory(error) and bool(_GONE.search(str(error)))


def free_memory() -> None:
    """Give back what engines keep for later; call it when the failed attempt's frames are gone."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def spend(error: DeviceError) -> DeviceError:
    """Remember that a fresh process is needed after this error, and give it back to be raised."""
    _spent.set()
    return error


def hang() -> None:
    """Remember that a fresh process is needed: a detector that hangs cannot look at another video,
    and Python cannot end its thread.
    """
    _stuck.set()


def is_stuck() -> bool:
    """Whether a detector of this process hangs."""
    return _stuck.is_set()


def is_spent() -> bool:
    """Whether this process must not work on: a broken CUDA context never recovers."""
    return _spent.is_set()
