"""Redaction: which edits carry the remedies of a video's segments out.

Remedies come from what people decided, or from a list of labels. Which pictures and which words
they are about, the evidence says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from moderation.covers import Part, covers
from moderation.decision import Decision, Remedy
from moderation.errors import ConfigurationError
from moderation.evidence import Evidence
from moderation.scan import Scan
from moderation.taxonomy import CONTEXT, is_within, parents
from moderation.timeline import MICROSECONDS, Instant, Span
from moderation.verdict import Segment

__all__ = ["Edit", "Treatment", "decided", "edits", "labelled", "sampling_us"]

_WORD_US = 100_000
"""Times of words are as exact as this."""

_USUAL_PERIOD_US = MICROSECONDS
"""How far apart frames are looked at where nothing says."""

_ABOUT_PICTURES, _ABOUT_SOUND = "samples", "seconds"
"""Units of the coverage of detectors that look at frames, and of those that listen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """A segment, and what is to be done about it.

    evidence_ids  what was seen in it; without any, all of its label and subject at the time
    decision      that says so; `None` when an operator did
    """

    label: str
    span: Span
    remedy: Remedy
    subject: str | None = None
    evidence_ids: tuple[str, ...] = ()
    decision: Decision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What happens to a file for one treatment.

    parts  when, and for a blur where; empty for a remedy that changes nothing in a file
    bleep  a tone takes the place of the words
    note   what is not as one may expect
    """

    label: str
    span: Span
    remedy: Remedy
    parts: tuple[Part, ...] = ()
    bleep: bool = False
    subject: str | None = None
    decision: Decision | None = None
    note: str = ""

    @property
    def changes_file(self) -> bool:
        return self.remedy in (Remedy.BLUR, Remedy.MUTE, Remedy.CUT)


def decided(decision: Decision) -> tuple[Treatment, ...]:
    """What a person decided about each segment, as it was seen; nothing about what they reject."""
    return tuple(
        Treatment(
            label=each.label,
            span=each.span,
            remedy=each.remedy,
            subject=each.subject,
            evidence_ids=each.evidence_ids,
            decision=decision,
        )
        for each in decision.segments
        if each.true_label is not None
    )


def labelled(
    segments: Iterable[Segment], remedies: Mapping[str, Remedy], everything: Remedy | None = None
) -> tuple[Treatment, ...]:
    """Remedies by label: of a label itself, else of the nearest above it, else `everything`.

    `everything` is about violations only.
    """
    treated = []
    for each in segments:
        named = (remedies.get(path) for path in (each.label, *parents(each.label)))
        usual = None if is_within(each.label, CONTEXT) else everything
        remedy = next(filter(None, named), usual)
        if remedy is not None:
            treated.append(
                Treatment(
                    label=each.label,
                    span=each.span,
                    remedy=remedy,
                    subject=each.subject,
                    evidence_ids=each.evidence_ids,
                )
            )
    return tuple(treated)


def sampling_us(scans: Iterable[Scan]) -> Mapping[str, int]:
    """By detector, microseconds between the frames that it looked at: one second, or more."""
    periods: dict[str, int] = {}
    for scan in scans:
        for each in scan.coverage:
            if each.unit == _ABOUT_PICTURES and each.planned:
                period_us = max(_USUAL_PERIOD_US, round(scan.video.duration_us / each.planned))
                periods[each.detector] = max(period_us, periods.get(each.detector, 0))
    return periods


def edits(
    treatments: Sequence[Treatment], scans: Sequence[Scan], *, bleep: bool = False
) -> tuple[Edit, ...]:
    """What carries the treatments out.

    scans  of the same video, with the evidence that the treatments name
    bleep  put a tone in the place of muted words

    Raises `ConfigurationError` for a treatment whose evidence is not there any more.
    """
    evidence = {each.id: each for scan in scans for each in scan.evidence}
    covered = [each for scan in scans for each in scan.coverage]
    heard = frozenset(each.detector for each in covered if each.unit == _ABOUT_SOUND)
    editor = _Editor(evidence, sampling_us(scans), heard, bleep)
    return tuple(map(editor.edit, treatments))


@dataclass(frozen=True, slots=True)
class _Editor:
    """Makes edits of treatments.

    periods  by detector, microseconds between the frames that it looked at
    heard    detectors that listen: without a break
    """

    evidence: Mapping[str, Evidence]
    periods: Mapping[str, int]
    heard: Set[str]
    bleep: bool

    def edit(self, treatment: Treatment) -> Edit:
        parts, note = self._parts(treatment)
        return Edit(
            label=treatment.label,
            span=treatment.span,
            remedy=treatment.remedy,
            parts=parts,
            bleep=self.bleep and treatment.remedy is Remedy.MUTE,
            subject=treatment.subject,
            decision=treatment.decision,
            note=note,
        )

    def _parts(self, treatment: Treatment) -> tuple[tuple[Part, ...], str]:
        match treatment.remedy:
            case Remedy.BLUR:
                return self._covers(treatment)
            case Remedy.MUTE:
                return tuple(self._heard(treatment)), ""
            case Remedy.CUT:
                return tuple(map(Part, self._cut(treatment))), ""
        return (), ""

    def _covers(self, treatment: Treatment) -> tuple[tuple[Part, ...], str]:
        seen = [self._in_place(each) for each in self._seen(treatment)]
        if not seen:
            return (Part(_padded(treatment.span, self._unknown_us // 2)),), ""
        groups: dict[tuple[str, str | None], list[Evidence]] = defaultdict(list)
        for each in seen:
            groups[each.detector, each.subject].append(each)
        found = [covers(group, self._period_us(group[0])) for group in groups.values()]
        notes = {note for _, note in found if note}
        return tuple(part for parts, _ in found for part in parts), "; ".join(sorted(notes))

    def _in_place(self, seen: Evidence) -> Evidence:
        """A term was read in a line, and stands where the line does."""
        return self._origin(seen) if seen.box is not None else seen

    def _origin(self, seen: Evidence) -> Evidence:
        """What a term was read in, or heard."""
        return self.evidence.get(str(seen.detail.get("source", "")), seen)

    def _heard(self, treatment: Treatment) -> Iterator[Part]:
        seen = self._seen(treatment)
        for each in seen:
            if each.words:
                for word in each.words:
                    yield Part(_padded(word.span, _WORD_US))
            else:
                yield Part(_padded(each.span, self._around_us(each)))
        if not seen:
            yield Part(_padded(treatment.span, self._unknown_us // 2))

    def _cut(self, treatment: Treatment) -> Iterator[Span]:
        seen = self._seen(treatment)
        around_us = max(map(self._around_us, seen), default=self._unknown_us // 2)
        yield _padded(treatment.span, around_us)

    def _around_us(self, seen: Evidence) -> int:
        """How far around its span it may be there: what was heard, was heard without a break; what
        was seen, with its place or without, was looked for in single frames.
        """
        origin = self._origin(seen)
        if seen.words or origin.words or origin.detector in self.heard:
            return _WORD_US
        return self._period_us(origin) // 2

    def _period_us(self, seen: Evidence) -> int:
        return self.periods.get(seen.detector, _USUAL_PERIOD_US)

    @property
    def _unknown_us(self) -> int:
        """The period of what nobody knows who saw it."""
        return max(self.periods.values(), default=_USUAL_PERIOD_US)

    def _seen(self, treatment: Treatment) -> list[Evidence]:
        if not treatment.evidence_ids:
            return [each for each in self.evidence.values() if _belongs(each, treatment)]
        try:
            return [self.evidence[each] for each in treatment.evidence_ids]
        except KeyError as error:
            raise ConfigurationError(
                f"{treatment.label} at {treatment.span.start} cannot be placed: its evidence "
                f"{error.args[0]} is not stored any more",
                hint="scan the video again and decide anew, or give the edits with --edits",
            ) from None


def _belongs(seen: Evidence, treatment: Treatment) -> bool:
    return (
        seen.label == treatment.label
        and treatment.subject in (None, seen.subject)
        and seen.span.gap_us(treatment.span) == 0
    )


def _padded(span: Span, us: int) -> Span:
    return Span(Instant(max(0, span.start.us - us)), span.end + us)
