"""What a policy makes of the evidence: a verdict with its reasons, and what was not looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from moderation.timeline import Instant, Span

__all__ = [
    "Action",
    "Coverage",
    "CoverageStatus",
    "PolicyRef",
    "Reason",
    "Segment",
    "Severity",
    "Verdict",
]


class Action(StrEnum):
    """What is to happen with a video."""

    APPROVE = "approve"
    REVIEW = "review"
    REJECT = "reject"
    INCOMPLETE = "incomplete"
    """A detector that the policy requires did not see enough: a person decides."""

    @property
    def needs_person(self) -> bool:
        return self in (Action.REVIEW, Action.INCOMPLETE)


class Severity(StrEnum):
    """How much harm a missed violation does; orders the review queue."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for none up to 4 for critical."""
        return _RANKS[self]


class CoverageStatus(StrEnum):
    """How much of its plan a detector carried out."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    """Some of the plan was not examined; the reason says which."""
    DEGRADED = "degraded"
    """Examined with less than the detector's best means; `examined` says how much of it."""
    FAILED = "failed"
    """The detector raised, hung, ended early or saw more than could be kept; the rest is kept."""
    UNAVAILABLE = "unavailable"
    """Not installed, or without weights: it saw nothing."""
    NOT_APPLICABLE = "not_applicable"
    """Nothing in this video for it to look at, such as speech in a video without audio."""
    DISABLED = "disabled"
    """Switched off by the operator."""


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What one detector planned and what it really examined.

    `planned` and `examined` count in `unit`: samples (frames), seconds (audio) or texts.
    `inherited` of the examined look like one that was looked at, and what was seen there holds.
    """

    detector: str
    status: CoverageStatus
    planned: float = 0
    examined: float = 0
    unit: str = "samples"
    reason: str = ""
    inherited: float = 0

    @property
    def share(self) -> float:
        """Examined of planned, 0..1; 0 for what saw nothing, 1 where nothing was to be seen."""
        if self.status is CoverageStatus.NOT_APPLICABLE:
            return 1.0
        if self.status in (CoverageStatus.UNAVAILABLE, CoverageStatus.DISABLED):
            return 0.0
        if not self.planned:
            return 0.0 if self.status is CoverageStatus.FAILED else 1.0
        return min(1.0, self.examined / self.planned)


class Segment(NamedTuple):
    """Neighbouring evidence of one label (and subject), merged: what a person is shown.

    A tuple, because a video has hundreds: a frozen dataclass takes five times as long to make.
    """

    label: str
    score: float
    """The highest score in it, 0..1."""
    span: Span
    best: Instant
    """The frame to show."""
    best_id: str
    """The evidence seen at `best`."""
    evidence_ids: tuple[str, ...]
    detectors: tuple[str, ...]
    subject: str | None = None
    text: str | None = None
    samples: int = 1
    """Different instants at which it was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule that fired: which, on what evidence, with which values against which thresholds."""

    rule: str
    action: Action
    severity: Severity
    label: str
    score: float
    span: Span
    evidence_ids: tuple[str, ...]
    values: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRef:
    """Which policy judged: enough to judge again and get the same answer."""

    name: str
    version: str
    digest: str
    """sha256 of the policy's canonical form, hex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the policy says of one video."""

    action: Action
    severity: Severity
    reasons: tuple[Reason, ...]
    segments: tuple[Segment, ...]
    missing: tuple[str, ...]
    """One sentence for each coverage requirement that was not met."""
    policy: PolicyRef
