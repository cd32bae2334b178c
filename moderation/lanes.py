"""Lanes: which detectors run together on one decode, in one kind of worker.

`[lanes]` among the settings: `gpu = ["objects", "nudity"]`, `cpu = ["*"]`. `*` stands for all that
no other lane names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from moderation.detector import Detector, Text
from moderation.errors import ConfigurationError

__all__ = ["CONTROL", "assign", "check"]

CONTROL: Final = "control"
"""Where videos are taken in and judged, and text is read; every worker serves it as well."""

REST: Final = "*"


def check(lanes: Mapping[str, Sequence[str]]) -> None:
    """Raises `ConfigurationError` for lanes that leave open where a detector runs."""
    named = [name for names in lanes.values() for name in names]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ConfigurationError(
            f"[lanes] names {', '.join(twice)} more than once", hint="leave each in one lane"
        )
    if REST not in named:
        raise ConfigurationError(
            '[lanes] has no lane with "*", for detectors that none names',
            hint='add it to one of them, as in cpu = ["*"]',
        )
    if CONTROL in lanes:
        raise ConfigurationError(
            f"[lanes] names a lane {CONTROL}, which is taken", hint="call it otherwise"
        )


def assign(
    lanes: Mapping[str, Sequence[str]], detectors: Collection[Detector[Any]]
) -> dict[str, list[str]]:
    """The names of the detectors of each lane that has any, and of `CONTROL`, who read text."""
    check(lanes)
    home = {name: lane for lane, names in lanes.items() for name in names}
    found: dict[str, list[str]] = {CONTROL: []}
    for each in detectors:
        reads = isinstance(each.wants, Text)
        lane = CONTROL if reads else home.get(each.name, home[REST])
        found.setdefault(lane, []).append(each.name)
    return found
