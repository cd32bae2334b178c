"""How people share the review queue: `[review]` among the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["ReviewSettings"]

SeverityName = Literal["none", "low", "medium", "high", "critical"]
"""As `moderation.verdict.Severity` has them, which settings do not know."""

_DUE_H: Final[Mapping[SeverityName, float]] = {
    "critical": 1,
    "high": 24,
    "medium": 48,
    "low": 168,
    "none": 168,
}


class ReviewSettings(BaseModel):
    """Patience, promises, and what is looked at twice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lease_s: float = Field(
        600,
        gt=0,
        description="seconds that somebody who does nothing keeps an item; longer than most "
        "decisions take, and shorter than a break",
    )
    undo_s: float = Field(
        10, ge=0, description="seconds in which a decision can be taken back without a reason"
    )
    due_h: Mapping[SeverityName, float] = Field(
        default_factory=lambda: dict(_DUE_H),
        description="hours until an item of a severity is to be decided; it orders those of one "
        "severity",
    )
    audit_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="share of approved videos that a person sees all the same: nothing else shows "
        "what the detectors miss",
    )
    second_look_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of decided items that somebody else decides too, without knowing: "
        "nothing else shows what people miss",
    )
    require_reason: bool = Field(
        False, description="whether a decision needs a reason; its codes stand in the policy"
    )

    @model_validator(mode="after")
    def _promised(self) -> Self:
        if missing := set(_DUE_H) - set(self.due_h):
            raise ValueError(f"due_h lacks {', '.join(sorted(missing))}")
        if any(hours <= 0 for hours in self.due_h.values()):
            raise ValueError("due_h has hours above 0")
        return self
