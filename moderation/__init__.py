"""Moderate user-uploaded video: detectors look, a policy judges, people decide."""

import os
from importlib import metadata

# Before any engine is loaded: onnxruntime and the model hub would report to their makers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from moderation.detector import Audio, Degraded, Detector, Device, Frames, Text
from moderation.evidence import Box, Evidence, Word
from moderation.hookspecs import hookimpl
from moderation.media.frames import AudioChunk, Frame, FrameBatch
from moderation.timeline import Instant, Span

__version__ = metadata.version("moderation")

__all__ = [
    "Audio",
    "AudioChunk",
    "Box",
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
