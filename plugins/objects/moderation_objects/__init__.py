"""Weapons, vehicles and other listed objects in sampled frames, by YOLO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moderation import Detector, hookimpl
from moderation_objects.detector import Objects

__all__ = ["Objects"]


@hookimpl
def register_detectors(register: Callable[[type[Detector[Any]]], None]) -> None:
    register(Objects)
