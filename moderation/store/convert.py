"""Between the project's values and the rows that keep them. What goes in comes out equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from moderation.errors import MediaFault
from moderation.evidence import Box, Evidence, Producer, Word
from moderation.scan import Failure, Scan, Timing, Video
from moderation.store.models import (
    CoverageRow,
    EvidenceRow,
    PolicyRow,
    ProducerRow,
    ScanRow,
    VerdictRow,
    VideoRow,
)
from moderation.timeline import Instant, Span
from moderation.verdict import (
    Action,
    Coverage,
    CoverageStatus,
    PolicyRef,
    Reason,
    Segment,
    Severity,
    Verdict,
)

__all__ = [
    "coverage_from",
    "coverage_values",
    "evidence_from",
    "evidence_values",
    "failure_from",
    "scan_from",
    "scan_values",
    "verdict_from",
    "verdict_values",
]


def scan_values(scan: Scan) -> dict[str, Any]:
    """The columns of `scan` that come from the scan itself."""
    video, failure = scan.video, scan.failure
    return {
        "scan_id": scan.id,
        "bytes": video.bytes,
        "duration_us": video.duration_us,
        "width": video.width,
        "height": video.height,
        "fps": video.fps,
        "has_video": video.has_video,
        "has_audio": video.has_audio,
        "container": video.container,
        "codecs": list(video.codecs),
        "timing": asdict(scan.timing),
        "engine_version": scan.engine_version,
        "scanned_at": scan.scanned_at,
        "fault": failure and failure.fault.value,
        "fault_message": failure and failure.message,
        "sandbox": list(scan.sandbox),
        "cut_short": scan.cut_short,
    }


def scan_from(
    row: ScanRow,
    video: VideoRow,
    evidence: tuple[Evidence, ...],
    coverage: tuple[Coverage, ...],
    verdict: Verdict,
) -> Scan:
    return Scan(
        id=row.scan_id,
        video=Video(
            uri=video.uri,
            sha256=video.sha256,
            bytes=row.bytes,
            duration_us=row.duration_us,
            width=row.width,
            height=row.height,
            fps=row.fps,
            has_video=row.has_video,
            has_audio=row.has_audio,
            container=row.container,
            codecs=tuple(row.codecs),
        ),
        evidence=evidence,
        coverage=coverage,
        verdict=verdict,
        timing=Timing(**row.timing),
        engine_version=row.engine_version,
        scanned_at=row.scanned_at,
        failure=failure_from(row),
        sandbox=tuple(row.sandbox),
        cut_short=row.cut_short,
    )


def failure_from(row: ScanRow) -> Failure | None:
    if row.fault is None:
        return None
    return Failure(fault=MediaFault(row.fault), message=row.fault_message or "")


def evidence_values(evidence: Evidence) -> dict[str, Any]:
    """The columns of `evidence`, without the keys of its scan and producer."""
    box = evidence.box
    return {
        "evidence_id": evidence.id,
        "label": evidence.label,
        "score": evidence.score,
        "start_us": evidence.span.start.us,
        "end_us": evidence.span.end.us,
        "best_us": evidence.best.us,
        "box_left": box and box.left,
        "box_top": box and box.top,
        "box_width": box and box.width,
        "box_height": box and box.height,
        "text": evidence.text,
        "words": [_word_values(word) for word in evidence.words],
        "subject": evidence.subject,
        "detail": dict(evidence.detail),
    }


def evidence_from(row: EvidenceRow, producer: ProducerRow) -> Evidence:
    return Evidence(
        label=row.label,
        score=row.score,
        span=_span(row.start_us, row.end_us),
        best=Instant(row.best_us),
        box=_box(row),
        text=row.text,
        words=tuple(_word(values) for values in row.words),
        subject=row.subject,
        detail=row.detail,
        producer=Producer(producer.detector, producer.version, producer.model, producer.digest),
    )


def _span(start_us: int, end_us: int) -> Span:
    return Span(Instant(start_us), Instant(end_us))


def _box(row: EvidenceRow) -> Box | None:
    edges = (row.box_left, row.box_top, row.box_width, row.box_height)
    return None if None in edges else Box(*edges)  # type: ignore[arg-type]  # all four are set


def _word_values(word: Word) -> list[Any]:
    return [word.text, word.span.start.us, word.span.end.us, word.score, word.speaker]


def _word(values: Iterable[Any]) -> Word:
    text, start_us, end_us, score, speaker = values
    return Word(text, _span(start_us, end_us), score, speaker)


def coverage_values(coverage: Coverage) -> dict[str, Any]:
    return {**asdict(coverage), "status": coverage.status.value}


def coverage_from(row: CoverageRow) -> Coverage:
    return Coverage(
        detector=row.detector,
        status=CoverageStatus(row.status),
        planned=row.planned,
        examined=row.examined,
        unit=row.unit,
        reason=row.reason,
        inherited=row.inherited,
    )


def verdict_values(verdict: Verdict) -> dict[str, Any]:
    """The columns of `verdict`, without its keys."""
    return {
        "action": verdict.action.value,
        "severity": verdict.severity.value,
        "content": {
            "reasons": [_reason_values(reason) for reason in verdict.reasons],
            "segments": [_segment_values(segment) for segment in verdict.segments],
            "missing": list(verdict.missing),
        },
    }


def verdict_from(
    row: VerdictRow, policy: PolicyRow, content: Mapping[str, Any] | None = None
) -> Verdict:
    """The verdict; `content` in the place of the row's, for who needs less of it."""
    content = row.content if content is None else content
    return Verdict(
        action=Action(row.action),
        severity=Severity(row.severity),
        reasons=tuple(_reason(values) for values in content["reasons"]),
        segments=tuple(_segment(values) for values in content["segments"]),
        missing=tuple(content["missing"]),
        policy=PolicyRef(name=policy.name, version=policy.version, digest=policy.digest),
    )


def _reason_values(reason: Reason) -> dict[str, Any]:
    return {
        **{name: getattr(reason, name) for name in ("rule", "label", "score", "description")},
        "action": reason.action.value,
        "severity": reason.severity.value,
        "span": [reason.span.start.us, reason.span.end.us],
        "evidence_ids": list(reason.evidence_ids),
        "values": dict(reason.values),
        "thresholds": dict(reason.thresholds),
    }


def _reason(values: Mapping[str, Any]) -> Reason:
    return Reason(
        **{
            **values,
            "action": Action(values["action"]),
            "severity": Severity(values["severity"]),
            "span": _span(*values["span"]),
            "evidence_ids": tuple(values["evidence_ids"]),
        }
    )


def _segment_values(segment: Segment) -> dict[str, Any]:
    names = ("label", "score", "best_id", "subject", "text", "samples")
    return {
        **{name: getattr(segment, name) for name in names},
        "span": [segment.span.start.us, segment.span.end.us],
        "best": segment.best.us,
        "evidence_ids": list(segment.evidence_ids),
        "detectors": list(segment.detectors),
    }


def _segment(values: Mapping[str, Any]) -> Segment:
    return Segment(
        **{
            **values,
            "span": _span(*values["span"]),
            "best": Instant(values["best"]),
            "evidence_ids": tuple(values["evidence_ids"]),
            "detectors": tuple(values["detectors"]),
        }
    )
