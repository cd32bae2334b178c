"""What the HTML page shows of one video: bounded, strongest first, and counted where it is cut."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Generic, TypeVar

from moderation.decision import Decision, standing
from moderation.errors import MediaFault
from moderation.evidence import Box, Producer
from moderation.reports.highlights import gaps, weightiest
from moderation.reports.lanes import Lane, family, lanes, ticks
from moderation.reports.lines import SCREEN_TEXT, SPEECH, Line, lines
from moderation.reports.options import Pictures
from moderation.scan import Scan
from moderation.taxonomy import CONTEXT
from moderation.timeline import Instant
from moderation.verdict import Action, Coverage, Reason, Segment, Severity

__all__ = ["Cut", "Shot", "Summary", "View", "Why", "view"]

PICTURES: Final = 24
"""Pictures of one video: at some 30 kB each, a page of many videos still opens at once."""
REASONS: Final = 30
SEGMENTS: Final = 200
LINES: Final = 500
DECISIONS: Final = 50
"""Rows of one video that a person still reads; the other formats have all of them."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cut(Generic[T]):
    """The first of many, and how many more there are."""

    shown: tuple[T, ...]
    more: int

    @classmethod
    def of(cls, items: Sequence[T], limit: int) -> Cut[T]:
        return cls(tuple(items[:limit]), max(0, len(items) - limit))


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame with what was seen in it; `jpeg` is base64."""

    at: Instant
    jpeg: str
    segments: tuple[Segment, ...]
    boxes: tuple[tuple[str, Box], ...]
    """Family and place of each thing seen there."""


@dataclass(frozen=True, slots=True)
class Why:
    """A reason, and the picture that shows it best."""

    reason: Reason
    shot: Shot | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The row of a video in the table at the top: all of it that stays in memory."""

    number: int
    name: str
    action: Action
    severity: Severity
    duration_us: int
    fault: MediaFault | None
    rules: Cut[str]
    gaps: tuple[Coverage, ...]


@dataclass(frozen=True, slots=True)
class View:
    """One video, ready to be written."""

    summary: Summary
    scan: Scan
    reasons: Cut[Why]
    findings: Cut[Segment]
    context: Cut[Segment]
    shots: tuple[Shot, ...]
    unpictured: int
    lanes: tuple[Lane, ...]
    families: tuple[str, ...]
    ticks: tuple[Instant, ...]
    speech: Cut[Line]
    screen_text: Cut[Line]
    producers: tuple[Producer, ...]
    decisions: Cut[Decision]
    stands: Decision | None


def view(scan: Scan, number: int, pictures: Pictures, decisions: Sequence[Decision] = ()) -> View:
    """Everything that the page says of a scan, the `number`-th of the run."""
    reasons = weightiest(scan)
    findings = [each for each in scan.verdict.segments if family(each.label) != CONTEXT]
    context = [each for each in scan.verdict.segments if family(each.label) == CONTEXT]
    instants = _instants(findings)
    shots = _shots(scan, instants[:PICTURES], findings, pictures)
    drawn = lanes(scan)
    return View(
        summary=_summary(scan, number, reasons),
        scan=scan,
        reasons=Cut.of([_why(each, shots) for each in reasons], REASONS),
        findings=Cut.of(findings, SEGMENTS),
        context=Cut.of(context, SEGMENTS),
        shots=shots,
        unpictured=len(instants) - len(shots),
        lanes=drawn,
        families=tuple(sorted({shape.family for lane in drawn for shape in lane.shapes})),
        ticks=ticks(scan.video.duration_us),
        speech=Cut.of(lines(scan, SPEECH, findings), LINES),
        screen_text=Cut.of(lines(scan, SCREEN_TEXT, findings), LINES),
        producers=tuple(dict.fromkeys(each.producer for each in scan.evidence)),
        decisions=Cut.of(decisions, DECISIONS),
        stands=standing(decisions),
    )


def _summary(scan: Scan, number: int, reasons: Iterable[Reason]) -> Summary:
    return Summary(
        number=number,
        name=PurePosixPath(scan.video.uri).name or scan.video.uri,
        action=scan.verdict.action,
        severity=scan.verdict.severity,
        duration_us=scan.video.duration_us,
        fault=scan.failure.fault if scan.failure else None,
        rules=Cut.of(list(dict.fromkeys(reason.rule for reason in reasons)), 3),
        gaps=gaps(scan),
    )


def _instants(findings: Iterable[Segment]) -> list[Instant]:
    """The best frames, each once, the surest first."""
    return list(dict.fromkeys(each.best for each in sorted(findings, key=lambda x: -x.score)))


def _shots(
    scan: Scan, instants: Iterable[Instant], findings: Sequence[Segment], pictures: Pictures
) -> tuple[Shot, ...]:
    found = ((at, pictures(scan, at)) for at in sorted(instants))
    return tuple(_shot(scan, at, jpeg, findings) for at, jpeg in found if jpeg is not None)


def _shot(scan: Scan, at: Instant, jpeg: bytes, findings: Iterable[Segment]) -> Shot:
    boxes = (
        (family(each.label), each.box)
        for each in scan.evidence
        if each.box is not None and each.best == at and family(each.label) != CONTEXT
    )
    return Shot(
        at=at,
        jpeg=b64encode(jpeg).decode(),
        segments=tuple(each for each in findings if each.best == at),
        boxes=tuple(boxes),
    )


def _why(reason: Reason, shots: Iterable[Shot]) -> Why:
    used = set(reason.evidence_ids)
    showing = (
        (segment.score, shot.at, shot)
        for shot in shots
        for segment in shot.segments
        if segment.best_id in used or used.intersection(segment.evidence_ids)
    )
    best = max(showing, key=lambda each: each[:2], default=None)
    return Why(reason, best[2] if best else None)
