"""Text on the screen, and listed terms in everything said or shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moderation import Detector, hookimpl
from moderation_text.screen_text import ScreenText
from moderation_text.terms import Terms

__all__ = ["ScreenText", "Terms"]


@hookimpl
def register_detectors(register: Callable[[type[Detector[Any]]], None]) -> None:
    register(ScreenText)
    register(Terms)
