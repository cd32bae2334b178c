"""Faces in sampled frames, followed over time, and people on the operator's watch list."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moderation import hookimpl

if TYPE_CHECKING:
    import click

    from moderation import Detector


@hookimpl
def register_detectors(register: Callable[[type[Detector[Any]]], None]) -> None:
    from moderation_faces.detector import Faces

    register(Faces)


@hookimpl
def register_commands(register: Callable[[click.Command], None]) -> None:
    from moderation_faces.commands import faces

    register(faces)
