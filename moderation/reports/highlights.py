"""What a person reads first of a scan: its weightiest reasons, and what was not fully seen."""

from __future__ import annotations

from typing import Final

from moderation.scan import Scan
from moderation.verdict import Action, Coverage, CoverageStatus, Reason

__all__ = ["gaps", "weightiest"]

_AS_MEANT: Final = (
    CoverageStatus.COMPLETE,
    CoverageStatus.NOT_APPLICABLE,
    CoverageStatus.DISABLED,
)
"""All that was to be seen was; an operator who switches a detector off knows it."""


def weightiest(scan: Scan) -> list[Reason]:
    """The reasons: what rejects, then by severity, then by score."""
    return sorted(scan.verdict.reasons, key=_weight, reverse=True)


def gaps(scan: Scan) -> tuple[Coverage, ...]:
    """Coverage of the detectors that did not see all, or not with their best means."""
    return tuple(each for each in scan.coverage if each.status not in _AS_MEANT)


def _weight(reason: Reason) -> tuple[bool, int, float]:
    return (reason.action is Action.REJECT, reason.severity.rank, reason.score)
