"""Moderate user-uploaded video: detectors look, a policy judges, people decide."""

import os
from importlib import import_module

# Before any engine is loaded: onnxruntime and the model hub would report to their makers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moderation.client import AsyncClient, Client
    from moderation.detector import Audio, Degraded, Detector, Device, Frames, Text
    from moderation.evidence import Box, Evidence, Word
    from moderation.hookspecs import hookimpl
    from moderation.media.frames import AudioChunk, Frame, FrameBatch
    from moderation.timeline import Instant, Span

    __version__: str

__all__ = [
    "AsyncClient",
    "Audio",
    "AudioChunk",
    "Box",
    "Client",
    "Degraded",
    "Detector",
    "Device",
    "Evidence",
    "Frame",
    "FrameBatch",
    "Frames",
    "Instant",
    "Span",
    "Text",
    "Word",
    "hookimpl",
]

_HOMES = {
    "AsyncClient": "moderation.client",
    "Audio": "moderation.detector",
    "AudioChunk": "moderation.media.frames",
    "Box": "moderation.evidence",
    "Client": "moderation.client",
    "Degraded": "moderation.detector",
    "Detector": "moderation.detector",
    "Device": "moderation.detector",
    "Evidence": "moderation.evidence",
    "Frame": "moderation.media.frames",
    "FrameBatch": "moderation.media.frames",
    "Frames": "moderation.detector",
    "Instant": "moderation.timeline",
    "Span": "moderation.timeline",
    "Text": "moderation.detector",
    "Word": "moderation.evidence",
    "hookimpl": "moderation.hookspecs",
}


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: the process that decodes, and most commands, need little."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("moderation")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
