"""What is said, when, and by whom: speech activity, transcription and diarization."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moderation import hookimpl

if TYPE_CHECKING:
    from moderation import Detector


@hookimpl
def register_detectors(register: Callable[[type[Detector[Any]]], None]) -> None:
    from moderation_speech.detector import Speech

    register(Speech)
