"""The whole extension surface. Hooks register; the core runs what they registered.

A plugin is a module named by an entry point of the group `moderation`:

    [project.entry-points.moderation]
    objects = "moderation_objects"

It implements any of these with `@moderation.hookimpl`. A hook that raises costs its plugin, and
nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from moderation.detector import Detector

__all__ = ["NAMESPACE", "hookimpl", "hookspec"]

NAMESPACE = "moderation"
"""The name of pluggy's project and of the entry point group."""

hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)


@hookspec
def register_detectors(register: Callable[[type[Detector[Any]]], None]) -> None:
    """Called once, when plugins are loaded: `register` each detector class."""


@hookspec
def register_commands(register: Callable[[click.Command], None]) -> None:
    """Called once, when the command line starts: `register` commands of the plugin's own."""
