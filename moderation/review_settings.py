"""How people share the review queue: `[review]` among the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Cover", "ReviewSettings"]

SeverityName = Literal["none", "low", "medium", "high", "critical"]
"""As `moderation.verdict.Severity` has them, which settings do not know."""

Cover = Literal["blur", "grey", "mute"]
"""Something between a video and whoever watches it."""

_DUE_H: Final[Mapping[SeverityName, float]] = {
    "critical": 1,
    "high": 24,
    "medium": 48,
    "low": 168,
    "none": 168,
}

_WEIGHTS: Final[Mapping[SeverityName, float]] = {
    "critical": 4,
    "high": 2,
    "medium": 1,
    "low": 0.5,
    "none": 0.25,
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
    exposure_weights: Mapping[SeverityName, float] = Field(
        default_factory=lambda: dict(_WEIGHTS),
        description="what a second of a video of a severity counts as; nobody has measured it, so "
        "each counts twice the one below",
    )
    exposure_cap_s: float = Field(
        14_400,
        ge=0,
        description="weighted seconds that one person sees in a day (UTC) before nothing more is "
        "given to them; 0: no end. The default is half a working day of medium severity, or an "
        "hour of critical",
    )
    exposure_beat_s: float = Field(
        30,
        gt=0,
        description="seconds that one message of the page may add: it sends one about every ten; a "
        "computer that slept showed nothing",
    )
    pause_after_s: float = Field(
        1800,
        ge=0,
        description="seconds of watching without a pause after which the page suggests one; 0: "
        "never. Half an hour of video is about an hour of work on a screen",
    )
    pause_s: float = Field(
        300, gt=0, description="seconds in which nothing is watched that count as a pause"
    )

    context_s: float = Field(
        3,
        ge=0,
        le=60,
        description="seconds that play before and after what was flagged: enough to understand it, "
        "and little more of what may harm whoever watches",
    )
    veil: Mapping[str, tuple[Cover, ...]] = Field(
        default_factory=dict,
        description="which of blur, grey and mute are on when an item opens, by family of label or "
        'by severity, the family first: {"Language": ["mute"], "low": ["mute"]}. What is not '
        "named, and so what is misspelt, has all three",
    )

    @model_validator(mode="after")
    def _promised(self) -> Self:
        if missing := set(_DUE_H) - set(self.due_h):
            raise ValueError(f"due_h lacks {', '.join(sorted(missing))}")
        if any(hours <= 0 for hours in self.due_h.values()):
            raise ValueError("due_h has hours above 0")
        if missing := set(_WEIGHTS) - set(self.exposure_weights):
            raise ValueError(f"exposure_weights lacks {', '.join(sorted(missing))}")
        if any(weight < 0 for weight in self.exposure_weights.values()):
            raise ValueError("exposure_weights has no weights below 0")
        return self
