"""The boxes that a person decided about: what a detector can be trained with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from moderation.decision import Decision, SegmentDecision, standing
from moderation.evidence import Box, Evidence
from moderation.scan import Scan

__all__ = ["DecidedBox", "decided_boxes"]


class DecidedBox(NamedTuple):
    """A box whose label a person confirmed or corrected."""

    label: str
    box: Box
    evidence: Evidence
    said: SegmentDecision


def decided_boxes(scan: Scan, decisions: Sequence[Decision]) -> Iterator[DecidedBox]:
    """Those of the decision that stands, in time order, each once for each label.

    None where nobody decided, none of a segment that was rejected or not judged by itself: to
    uphold a verdict is not to look at every box.
    """
    decision = standing(decisions)
    seen = {each.id: each for each in scan.evidence if each.box is not None}
    found = dict(_found(decision, seen)) if decision else {}
    yield from sorted(found.values(), key=lambda each: (each.evidence.best, each.evidence.id))


def _found(
    decision: Decision, seen: dict[str, Evidence]
) -> Iterator[tuple[tuple[str, str], DecidedBox]]:
    for said in decision.segments:
        label = said.true_label
        for evidence in (seen[each] for each in said.evidence_ids if each in seen):
            if label is not None and evidence.box is not None:
                yield (label, evidence.id), DecidedBox(label, evidence.box, evidence, said)
