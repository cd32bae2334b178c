"""Decisions: what a person said of a review item. Never overwritten, only followed by another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from moderation.timeline import Span

__all__ = ["Decision", "Judgement", "Outcome", "Purpose", "Remedy", "SegmentDecision", "standing"]


class Outcome(StrEnum):
    """Of the whole item, against the verdict that it is about."""

    UPHOLD = "uphold"
    """What the verdict says is there, is there."""
    OVERTURN = "overturn"
    """It is not, or breaks no rule; of an approval: something is there that breaks one."""
    PARTIAL = "partial"
    """Some of its segments are right and some are not."""
    ESCALATE = "escalate"
    """Somebody with a higher role is to decide."""
    SKIP = "skip"
    """Not by this person; the item goes back to the queue."""

    @property
    def is_final(self) -> bool:
        """Whether the item is decided with it."""
        return self not in (Outcome.ESCALATE, Outcome.SKIP)


class Purpose(StrEnum):
    """Why a person is asked."""

    VERDICT = "verdict"
    """The verdict leaves it open."""
    AUDIT = "audit"
    """An approved video, drawn by lot: what do the detectors miss?"""
    SECOND_LOOK = "second_look"
    """Drawn by lot among what was decided: what do people miss? Without knowing what was said."""
    THIRD_LOOK = "third_look"
    """Two people disagree; a lead decides."""
    APPEAL = "appeal"
    """Whoever the decision is about does not agree; somebody who did not decide it does."""


_STANDS: Final = (Purpose.VERDICT, Purpose.AUDIT, Purpose.THIRD_LOOK, Purpose.APPEAL)
"""Whose decision counts, the last most. A second look only asks the question."""


class Judgement(StrEnum):
    """Of one segment."""

    CONFIRM = "confirm"
    REJECT = "reject"
    CORRECT = "correct"
    """Something else is there: `SegmentDecision.corrected` says what."""


class Remedy(StrEnum):
    """What is to be done about one segment before the video may be shown."""

    NONE = "none"
    BLUR = "blur"
    MUTE = "mute"
    CUT = "cut"
    AGE_RESTRICT = "age_restrict"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDecision:
    """What a person said of one segment of a verdict.

    label, span, subject  of the segment, as the verdict has them
    evidence_ids          what was seen in it
    corrected             the label that is right, where the judgement is `correct`
    """

    label: str
    span: Span
    judgement: Judgement
    remedy: Remedy = Remedy.NONE
    corrected: str = ""
    subject: str | None = None
    evidence_ids: tuple[str, ...] = ()

    @property
    def true_label(self) -> str | None:
        """What is there; `None` for nothing."""
        match self.judgement:
            case Judgement.CONFIRM:
                return self.label
            case Judgement.CORRECT:
                return self.corrected
            case Judgement.REJECT:
                return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one person said of one item.

    number   of the item's decisions, from 1
    reason   a code of the policy's, or empty; in words, it stands in the note
    seconds  from the claim to the decision
    """

    id: int
    item_id: str
    number: int
    person: str
    outcome: Outcome
    reason: str
    note: str
    segments: tuple[SegmentDecision, ...]
    seconds: float
    decided_at: datetime
    purpose: Purpose = Purpose.VERDICT


def standing(decisions: Iterable[Decision]) -> Decision | None:
    """Of all that was said about a verdict, what counts; `None` while nobody has decided."""
    final = [each for each in decisions if each.outcome.is_final and each.purpose in _STANDS]
    # The id, too: a clock may give two decisions one moment.
    return max(
        final,
        key=lambda each: (_STANDS.index(each.purpose), each.decided_at, each.id),
        default=None,
    )
