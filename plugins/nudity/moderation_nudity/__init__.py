"""Exposed and covered body parts, and faces, in sampled frames, by NudeNet's weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moderation import Detector, hookimpl
from moderation_nudity.detector import Nudity

__all__ = ["Nudity"]


@hookimpl
def register_detectors(register: Callable[[type[Detector[Any]]], None]) -> None:
    register(Nudity)
