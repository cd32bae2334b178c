"""What the figures were read on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any, Final

__all__ = ["described", "sentence"]

_LIBRARIES: Final = (
    "moderation",
    "av",
    "torch",
    "ultralytics",
    "onnxruntime",
    "nudenet",
    "rapidocr",
    "opencv-python-headless",
    "pocketsphinx",
    "faster-whisper",
)


def described() -> dict[str, Any]:
    """Processor, cores, load, versions, and the settings that the environment changes."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": [round(each, 2) for each in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in _LIBRARIES},
        "settings": {k: v for k, v in os.environ.items() if k.startswith(("MODERATION_", "OMP_"))},
    }


def sentence(machine: dict[str, Any]) -> str:
    """The same for people."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"Read on {machine['processor']}, {machine['cores']} cores, load average "
        f"{machine['load'][0]:g} at the start, Python {machine['python']}, {versions}."
    )


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
