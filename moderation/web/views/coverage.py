"""Coverage in words: what each detector looked at, and what it did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from moderation.scan import Scan
from moderation.verdict import Coverage, CoverageStatus

__all__ = ["Looked", "looked"]

_WORDS: Final = {
    CoverageStatus.COMPLETE: "looked at all of it",
    CoverageStatus.PARTIAL: "looked at {share}",
    CoverageStatus.DEGRADED: "looked at {share} with less than its best means",
    CoverageStatus.FAILED: "failed; it had looked at {share}",
    CoverageStatus.UNAVAILABLE: "did not look: it is not there",
    CoverageStatus.NOT_APPLICABLE: "had nothing to look at",
    CoverageStatus.DISABLED: "did not look: it is switched off",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """One detector: `sentence` goes on from its name."""

    coverage: Coverage
    sentence: str

    @property
    def is_whole(self) -> bool:
        return self.coverage.status in (CoverageStatus.COMPLETE, CoverageStatus.NOT_APPLICABLE)


def looked(scan: Scan) -> list[Looked]:
    """Every detector, those that did not see all first."""
    found = [Looked(each, _sentence(each)) for each in scan.coverage]
    return sorted(found, key=lambda each: each.is_whole)


def _sentence(coverage: Coverage) -> str:
    sentence = _WORDS[coverage.status].format(share=_share(coverage))
    return f"{sentence}: {coverage.reason}" if coverage.reason else sentence


def _share(coverage: Coverage) -> str:
    if not coverage.planned:
        return "what there was" if coverage.share else "nothing"
    counted = f"{coverage.examined:.4g} of {coverage.planned:.4g} {coverage.unit}"
    return f"{counted} ({int(coverage.share * 100)} %)"
