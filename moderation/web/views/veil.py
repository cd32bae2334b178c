"""Veils: what stands between an item's video and whoever opens it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, get_args

from moderation.reports.lanes import family
from moderation.review_settings import Cover
from moderation.verdict import Segment, Severity

__all__ = ["COVERS", "covers"]

COVERS: Final[tuple[Cover, ...]] = get_args(Cover)


def covers(
    veil: Mapping[str, tuple[Cover, ...]], severity: Severity, found: Iterable[Segment]
) -> dict[Cover, bool]:
    """Which are on: all that any of the families seen in it, or else its severity, asks for."""
    named = {name.casefold(): on for name, on in veil.items()}
    otherwise = named.get(severity.value, COVERS)
    families = {family(each.label).casefold() for each in found}
    asked = [named.get(each, otherwise) for each in families] or [otherwise]
    return {cover: any(cover in each for each in asked) for cover in COVERS}
