"""Moderate user-uploaded video: detectors look, a policy judges, people decide."""

from importlib import metadata

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
