"""A job's plan: what ingest found out of an upload, for those who look at its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pydantic import TypeAdapter

from moderation.scan import Video
from moderation.section import Section, sections
from moderation.timeline import Instant

__all__ = ["AGAIN", "Plan"]

AGAIN: Final = "again"
"""In place of a plan: the bytes are to be looked at, known or not."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The video, the detectors of each lane that looks at it, and where it is cut."""

    video: Video
    lanes: Mapping[str, list[str]]
    cuts: tuple[Instant, ...] = ()
    fingerprint: str = ""
    """Of all detectors that are to look."""

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """What it is cut into; one where it is not."""
        return sections(self.cuts)

    def section(self, number: int) -> Section | None:
        """`None` for a video that is looked at in one piece."""
        return self.sections[number] if self.cuts else None

    @property
    def written(self) -> Any:
        """As JSON."""
        return _PLAN.dump_python(self, mode="json")

    @classmethod
    def read(cls, written: Any) -> Plan:
        return _PLAN.validate_python(written)


_PLAN: Final = TypeAdapter(Plan)
