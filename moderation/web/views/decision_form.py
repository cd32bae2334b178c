"""The decision form: what was typed, kept whatever becomes of it, and what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self, TypeVar

from starlette.datastructures import FormData

from moderation.decision import Judgement, Outcome, Remedy, SegmentDecision
from moderation.errors import ConfigurationError, ReviewConflict
from moderation.reports.text import visible
from moderation.taxonomy import Taxonomy
from moderation.verdict import Segment, Verdict
from moderation.web import forms
from moderation.web.views.moments import JUDGED, judged_segments

__all__ = ["OUTCOMES", "DecisionForm", "SegmentFields"]

OUTCOMES: Final[Mapping[Outcome, str]] = {
    Outcome.UPHOLD: "the verdict is right",
    Outcome.OVERTURN: "the verdict is wrong",
    Outcome.PARTIAL: "some is right, some is not",
    Outcome.ESCALATE: "a higher role is to decide",
    Outcome.SKIP: "not me; back to the queue",
}
"""In the order of their keys, with what they mean."""

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class SegmentFields:
    """What is chosen for one segment; empty texts for nothing."""

    judgement: str = ""
    corrected: str = ""
    remedy: str = Remedy.NONE.value
    label: str = ""
    start_us: str = ""
    end_us: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionForm:
    """All fields as they were sent: text that still has to hold."""

    version: str = ""
    outcome: str = ""
    reason: str = ""
    note: str = ""
    segments: Mapping[int, SegmentFields] = field(default_factory=dict)

    @classmethod
    def read(cls, posted: FormData) -> Self:
        """`at_once` is a button that decides by itself; it goes before what is chosen."""
        return cls(
            version=forms.field(posted, "version"),
            outcome=forms.field(posted, "at_once") or forms.field(posted, "outcome"),
            reason=forms.field(posted, "reason"),
            note=forms.field(posted, "note").replace("\r\n", "\n"),
            segments=dict(_segments(posted)),
        )

    def at(self, version: int) -> Self:
        """The same said about another version of the item."""
        return replace(self, version=str(version))

    def of(self, index: int) -> SegmentFields:
        return self.segments.get(index, SegmentFields())

    @property
    def is_blank(self) -> bool:
        """Whether nothing of it is worth keeping."""
        return not (self.outcome or self.reason or self.note.strip() or self.segments)

    def said_version(self) -> int:
        """Raises `ReviewConflict` for a form that does not say which."""
        if not self.version.isascii() or not self.version.isdigit():
            raise ReviewConflict("the form does not say what it is about", hint="send it again")
        return int(self.version[:18])

    def said_outcome(self) -> Outcome:
        """Raises `ConfigurationError` for none."""
        if not self.outcome:
            raise ConfigurationError("nothing is decided yet", hint="choose one of the outcomes")
        return _chosen(Outcome, self.outcome)

    def said_segments(self, verdict: Verdict) -> tuple[SegmentDecision, ...]:
        """Raises `ReviewConflict` for a segment of another verdict, and `ConfigurationError`."""
        known = judged_segments(verdict)
        return tuple(
            _decision(_same(known, index, fields), fields)
            for index, fields in sorted(self.segments.items())
        )


_FIELDS: Final = tuple(SegmentFields.__dataclass_fields__)
_NOTHING: Final = ("", Remedy.NONE)


def _segments(posted: FormData) -> Iterator[tuple[int, SegmentFields]]:
    for index in range(JUDGED):
        prefix = f"segment-{index}-"
        fields = SegmentFields(*(forms.field(posted, f"{prefix}{name}") for name in _FIELDS))
        if fields.judgement or fields.corrected.strip() or fields.remedy not in _NOTHING:
            yield index, fields


def _same(known: Sequence[Segment], index: int, fields: SegmentFields) -> Segment:
    """The segment at that place, if it is the one that was judged."""
    if index < len(known):
        span, label = known[index].span, visible(known[index].label)
        shown = (label, str(span.start.us), str(span.end.us))
        if shown == (fields.label, fields.start_us, fields.end_us):
            return known[index]
    raise ReviewConflict("what was flagged is not what you saw", hint="look at it again")


def _decision(segment: Segment, fields: SegmentFields) -> SegmentDecision:
    if not fields.judgement:
        raise ConfigurationError(
            f"of {segment.label} at {segment.span.start} it is not said whether it is there",
            hint="confirm, correct or reject it",
        )
    judgement = _chosen(Judgement, fields.judgement)
    is_there = judgement is not Judgement.REJECT
    return SegmentDecision(
        label=segment.label,
        span=segment.span,
        subject=segment.subject,
        evidence_ids=segment.evidence_ids,
        judgement=judgement,
        remedy=_chosen(Remedy, fields.remedy or Remedy.NONE) if is_there else Remedy.NONE,
        corrected=_corrected(fields.corrected) if judgement is Judgement.CORRECT else "",
    )


def _corrected(typed: str) -> str:
    """A label of the taxonomy, as it is spelt there."""
    if not typed.strip():
        raise ConfigurationError(
            "a segment is something else, and it is not said what", hint="give it the right label"
        )
    return Taxonomy.default().get(typed.strip()).path


def _chosen(kind: type[Choice], written: str) -> Choice:
    try:
        return kind(written)
    except ValueError:
        known = ", ".join(kind)
        raise ConfigurationError(f"{written!r} is no choice", hint=f"give one of {known}") from None
