"""What the API says of review items and decisions, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Self, TypeAlias

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from moderation import decision as decided
from moderation.person import Person, Right
from moderation.reports.document import Document, Failure, Text, document
from moderation.reports.document import SegmentDecision as SegmentSaid
from moderation.review import CloseReason, ItemState, ReviewCase, ReviewItem
from moderation.timeline import Span
from moderation.verdict import Action, Severity
from moderation.web.views.place import case_for, item_for

__all__ = [
    "Appeal",
    "AppealMade",
    "Case",
    "DecisionMade",
    "HeldUntil",
    "Item",
    "ItemId",
    "Items",
    "Note",
    "Reopening",
    "Ruling",
]

_LONGEST_NOTE: Final = 10_000
"""Letters: some pages; nobody reads more of one, and every export carries it along."""

_LONGEST_NAME: Final = 500
"""Letters of a reason code, a label or a subject: policies and taxonomies have shorter ones."""

_LARGEST: Final = 2**31 - 1
"""That the column of an item's version takes."""

_LONGEST_S: Final = 10**9
"""Seconds; no video lasts for thirty years."""

ItemId: TypeAlias = Annotated[
    str, Path(pattern=r"^[a-z2-7]{10}$", description="ten letters and digits")
]
Note: TypeAlias = Annotated[str, Field(max_length=_LONGEST_NOTE)]
Name: TypeAlias = Annotated[str, Field(max_length=_LONGEST_NAME)]
Seconds: TypeAlias = Annotated[
    float, Field(ge=-_LONGEST_S, le=_LONGEST_S, allow_inf_nan=False, strict=True)
]


class _Told(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True, use_attribute_docstrings=True)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Item(_Told):
    """One video that a person is to look at, or has decided."""

    id: str
    state: ItemState
    closed_reason: CloseReason | None
    uri: Text
    sha256: str
    scan_id: Text
    action: Action
    severity: Severity
    why: Text
    """One line: what fired with its times, or what is missing."""
    failure: Failure | None
    purpose: decided.Purpose
    """Why a person is asked."""
    case: str
    """The id of the first item about this verdict."""
    role: str
    """The least that somebody must be to be given it."""
    created_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    holder: Text
    """Who has it; empty for nobody, and for somebody else where the caller may not know whom."""
    held_until: datetime | None
    version: int
    """Counts its changes: whoever decides says which one they saw."""
    note: Text
    """What whoever asked for it says."""

    @classmethod
    def of(cls, item: ReviewItem, by: Person) -> Self:
        """As somebody may see it."""
        told = cls.model_validate(item_for(by, item))
        if item.holder == by.name or by.may(Right.ASSIGN):
            return told
        return told.model_copy(update={"holder": "", "held_until": None})


class Items(_Told):
    """A page of them, in the order to work on them."""

    items: list[Item]
    total: int
    """On all pages."""


class Case(_Told):
    """An item, and all that a person needs to decide it."""

    item: Item
    reasons: dict[Text, Text]
    """Codes for a decision, and what they mean; none: any is taken."""
    report: Document
    """Verdict, evidence and coverage, and what was said of it before, as the caller may know."""

    @classmethod
    def of(cls, case: ReviewCase, reasons: Mapping[str, str], by: Person) -> Self:
        told = case_for(by, case)
        return cls(
            item=Item.of(case.item, by),
            reasons=dict(reasons),
            report=document(told.scan, told.decisions),
        )


class HeldUntil(_Told):
    """Until when the item is the caller's, unless something is done."""

    held_until: datetime


class SegmentRuling(_Asked):
    """What is said of one segment, which `label` and its times name as the verdict has them."""

    label: Name
    start_s: Seconds
    end_s: Seconds
    judgement: decided.Judgement
    remedy: decided.Remedy = decided.Remedy.NONE
    corrected: Name = ""
    """The right label, where the judgement is `correct`."""
    subject: Name | None = None
    evidence_ids: list[Name] = Field(default_factory=list)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_s < self.start_s:
            raise ValueError("a segment cannot end before it starts")
        return self

    @property
    def decision(self) -> decided.SegmentDecision:
        return decided.SegmentDecision(
            label=self.label,
            span=Span.from_seconds(self.start_s, self.end_s),
            judgement=self.judgement,
            remedy=self.remedy,
            corrected=self.corrected,
            subject=self.subject,
            evidence_ids=tuple(self.evidence_ids),
        )


class Ruling(_Asked):
    """What whoever has the item says of it."""

    version: Annotated[StrictInt, Field(ge=0, le=_LARGEST)]
    """Of the item, as they saw it."""
    outcome: decided.Outcome
    reason: Name = ""
    note: Note = ""
    segments: list[SegmentRuling] = Field(default_factory=list)


class DecisionMade(_Told):
    """What one person said of one item. Nothing of it is ever changed."""

    id: int
    item_id: str
    number: int
    """Of the item's decisions, from 1."""
    purpose: decided.Purpose
    person: Text
    outcome: decided.Outcome
    reason: Text
    note: Text
    segments: list[SegmentSaid]
    seconds: float
    """From the claim to the decision."""
    decided_at: datetime

    @classmethod
    def of(cls, decision: decided.Decision) -> Self:
        segments = [_said(each) for each in decision.segments]
        names = [name for name in cls.model_fields if name != "segments"]
        return cls(segments=segments, **{name: getattr(decision, name) for name in names})


class Reopening(_Asked):
    reason: Annotated[str, Field(max_length=_LONGEST_NOTE, pattern=r"\S")]
    """Why it is to be decided again."""


class Appeal(_Asked):
    """Whoever the decision is about does not agree."""

    note: Note
    """What they say."""


class AppealMade(_Told):
    item: str
    """The id of the item that asks again."""


def _said(segment: decided.SegmentDecision) -> SegmentSaid:
    return SegmentSaid(
        label=segment.label,
        subject=segment.subject,
        start_s=segment.span.start.seconds,
        end_s=segment.span.end.seconds,
        judgement=segment.judgement,
        corrected=segment.corrected,
        remedy=segment.remedy,
        evidence_ids=list(segment.evidence_ids),
    )
