"""Scans made by hand, for tests of what stores, shows or sends them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from moderation.errors import MediaFault
from moderation.evidence import Evidence, Producer
from moderation.scan import Failure, Scan, Timing, Video
from moderation.timeline import Span
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

__all__ = ["POLICY", "make_evidence", "make_failed_scan", "make_scan"]

POLICY = PolicyRef(name="by hand", version="1", digest=hashlib.sha256(b"by hand").hexdigest())

_OBJECTS = Producer("objects", "1.0", "yolo11n", hashlib.sha256(b"weights").hexdigest())


def make_evidence(
    label: str = "Violence/Weapons/Knife",
    score: float = 0.8,
    start_s: float = 1.0,
    end_s: float | None = None,
    **fields: Any,
) -> Evidence:
    """Evidence of `objects`; `fields` are those of `Evidence`."""
    span = Span.from_seconds(start_s, start_s if end_s is None else end_s)
    return Evidence(label=label, score=score, span=span, **{"producer": _OBJECTS, **fields})


def make_scan(
    *evidence: Evidence,
    name: str = "clip.mp4",
    action: Action = Action.REVIEW,
    severity: Severity = Severity.HIGH,
    policy: PolicyRef = POLICY,
    **fields: Any,
) -> Scan:
    """A minute of video under a verdict with one segment and one reason for each evidence.

    Each `name` has bytes of its own; `fields` are those of `Scan`.
    """
    verdict = Verdict(
        action=action,
        severity=severity,
        reasons=tuple(_reason(each, action, severity) for each in evidence),
        segments=tuple(_segment(each) for each in evidence),
        missing=("objects examined 30 of 60 samples",) if action is Action.INCOMPLETE else (),
        policy=policy,
    )
    examined = 30 if action is Action.INCOMPLETE else 60
    status = CoverageStatus.COMPLETE if examined == 60 else CoverageStatus.PARTIAL
    covered = Coverage(detector="objects", status=status, planned=60, examined=examined)
    return Scan(
        **{
            "id": f"scan of {name}",
            "video": _video(name),
            "evidence": evidence,
            "coverage": (covered,),
            "verdict": verdict,
            "timing": Timing(load_s=1.5, scan_s=2.25, detectors={"objects": 2.0}),
            "engine_version": "0.1.0",
            "scanned_at": datetime(2026, 11, 20, 15, tzinfo=UTC),
            **fields,
        }
    )


def make_failed_scan(
    fault: MediaFault = MediaFault.UNREADABLE, *, name: str = "broken.mp4", **fields: Any
) -> Scan:
    """A video that could not be read: without evidence, under the verdict `incomplete`."""
    scan = make_scan(name=name, action=Action.INCOMPLETE, **fields)
    failure = Failure(fault=fault, message=f"{name} cannot be scanned ({fault.value})")
    return replace(scan, video=Video(uri=name), failure=failure)


def _video(name: str) -> Video:
    return Video(
        uri=name,
        sha256=hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(),
        bytes=1_000_000,
        duration_us=60_000_000,
        width=1280,
        height=720,
        fps=29.97,
        has_video=True,
        has_audio=True,
        container="mov,mp4,m4a,3gp,3g2,mj2",
        codecs=("h264", "aac"),
    )


def _reason(evidence: Evidence, action: Action, severity: Severity) -> Reason:
    return Reason(
        rule=evidence.label.rpartition("/")[2].lower(),
        action=action,
        severity=severity,
        label=evidence.label,
        score=evidence.score,
        span=evidence.span,
        evidence_ids=(evidence.id,),
        values={"score": evidence.score},
        thresholds={"min_score": 0.5},
        description=f"{evidence.label} is shown",
    )


def _segment(evidence: Evidence) -> Segment:
    return Segment(
        label=evidence.label,
        score=evidence.score,
        span=evidence.span,
        best=evidence.best,
        best_id=evidence.id,
        evidence_ids=(evidence.id,),
        detectors=(evidence.detector,),
        subject=evidence.subject,
        text=evidence.text,
    )
