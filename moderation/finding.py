"""A finding: one line of `moderation doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Status"]

Status = Literal["ok", "warning", "bad", "off"]
"""`bad` would not work; `off` is not wanted here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was tried, and how it went.

    detail  one sentence; with the next step, unless all is well
    """

    what: str
    status: Status
    detail: str
