"""The JSON document of one video, `moderation.report/v1`, and its JSON Schema.

Times are seconds from the start of the video, exact to the microsecond; boxes are fractions of
the frame as displayed. Fields may be added within v1; none is renamed or removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from moderation import decision as decided
from moderation import evidence as seen
from moderation import scan as scanned
from moderation import verdict as judged
from moderation.reports.text import plain
from moderation.timeline import Instant

__all__ = ["SCHEMA", "Document", "document", "schema"]

SCHEMA: Final = "moderation.report/v1"

Text: TypeAlias = Annotated[str, BeforeValidator(plain)]
"""Any text, made whole: JSON in UTF-8 has no lone surrogates."""
Json: TypeAlias = Annotated[dict[str, Any], BeforeValidator(plain)]
Seconds: TypeAlias = Annotated[
    float, BeforeValidator(lambda at: at.seconds if isinstance(at, Instant) else at)
]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True, use_attribute_docstrings=True)


class Video(_Part):
    """What is in the file; `sha256` is empty when it could not be read."""

    uri: Text
    sha256: Text
    bytes: int
    duration_s: Seconds
    width: int
    height: int
    fps: float
    has_video: bool
    has_audio: bool
    container: Text
    codecs: list[Text]


class Reason(_Part):
    """One rule that fired, with its values against its thresholds."""

    rule: Text
    action: judged.Action
    severity: judged.Severity
    label: Text
    score: Share
    start_s: Seconds
    end_s: Seconds
    evidence_ids: list[Text]
    values: Json
    thresholds: Json
    description: Text


class Segment(_Part):
    """Neighbouring evidence of one label and subject, merged: what a person is shown."""

    label: Text
    score: Share
    start_s: Seconds
    end_s: Seconds
    best_s: Seconds
    best_id: Text
    evidence_ids: list[Text]
    detectors: list[Text]
    subject: Text | None
    text: Text | None
    samples: int


class Policy(_Part):
    name: Text
    version: Text
    digest: Text


class Verdict(_Part):
    action: judged.Action
    severity: judged.Severity
    reasons: list[Reason]
    segments: list[Segment]
    missing: list[Text]
    """One sentence for each coverage requirement that was not met."""
    policy: Policy


class Coverage(_Part):
    """What a detector planned and what it examined, in `unit`."""

    status: judged.CoverageStatus
    planned: float
    examined: float
    unit: Text
    reason: Text
    inherited: float
    """Of the examined, how many look like one that was looked at."""


class Box(_Part):
    left: Share
    top: Share
    width: Share
    height: Share


class Word(_Part):
    text: Text
    start_s: Seconds
    end_s: Seconds
    score: float
    speaker: Text | None


class Producer(_Part):
    version: Text
    model: Text
    digest: Text


class Evidence(_Part):
    id: Text
    detector: Text
    label: Text
    score: Share
    start_s: Seconds
    end_s: Seconds
    best_s: Seconds
    box: Box | None
    text: Text | None
    words: list[Word]
    subject: Text | None
    detail: Json
    producer: Producer


class Timing(_Part):
    """Seconds; loading the models apart from the scan."""

    load_s: float
    scan_s: float
    detectors: dict[Text, float]


class Failure(_Part):
    fault: Text
    message: Text


class SegmentDecision(_Part):
    """What a person said of one segment, which `label`, `subject` and its times name."""

    label: Text
    subject: Text | None
    start_s: Seconds
    end_s: Seconds
    judgement: decided.Judgement
    corrected: Text
    """The right label, where the judgement is `correct`."""
    remedy: decided.Remedy
    evidence_ids: list[Text]


class Decision(_Part):
    """What one person said of the verdict, why, and how long it took."""

    item_id: Text
    number: int
    """Of the item's decisions, from 1."""
    purpose: decided.Purpose
    """Why the person was asked."""
    person: Text
    outcome: decided.Outcome
    reason: Text
    note: Text
    segments: list[SegmentDecision]
    seconds: float
    """From the claim to the decision."""
    decided_at: datetime
    stands: bool
    """Whether it is the one that counts."""


class Document(_Part):
    """One video under one policy."""

    schema_: Literal["moderation.report/v1"] = Field(SCHEMA, alias="schema")
    id: Text
    video: Video
    verdict: Verdict
    coverage: dict[Text, Coverage]
    evidence: list[Evidence]
    timing: Timing
    failure: Failure | None
    """Why the video could not be scanned at all."""
    cut_short: Text
    """Why another look may see more; empty for a whole one."""
    sandbox: list[Text]
    """What held the decoder."""
    engine_version: Text
    scanned_at: datetime
    decisions: list[Decision]
    """What people said of it, oldest first; empty while nobody has."""


def document(scan: scanned.Scan, decisions: Sequence[decided.Decision] = ()) -> Document:
    """The document of a scan; JSON by `model_dump_json(by_alias=True)`."""
    stands = decided.standing(decisions)
    return Document(
        id=scan.id,
        video=_video(scan.video),
        verdict=_verdict(scan.verdict),
        coverage={each.detector: Coverage.model_validate(each) for each in scan.coverage},
        evidence=[_evidence(each) for each in scan.evidence],
        timing=Timing.model_validate(scan.timing),
        failure=scan.failure and Failure.model_validate(scan.failure),
        cut_short=scan.cut_short,
        sandbox=list(scan.sandbox),
        engine_version=scan.engine_version,
        scanned_at=scan.scanned_at,
        decisions=[_decision(each, stands=each is stands) for each in decisions],
    )


def schema() -> dict[str, Any]:
    """JSON Schema of a `Document`; the JSON report is an array of them."""
    generated = Document.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA, **generated}


def _video(video: scanned.Video) -> Video:
    return Video.model_validate({**_fields(video), "duration_s": Instant(video.duration_us)})


def _verdict(verdict: judged.Verdict) -> Verdict:
    return Verdict.model_validate(
        {
            **_fields(verdict),
            "reasons": [_timed(reason) for reason in verdict.reasons],
            "segments": [_timed(segment) for segment in verdict.segments],
        }
    )


def _decision(decision: decided.Decision, *, stands: bool) -> Decision:
    segments = [_timed(each) for each in decision.segments]
    own = {"segments": segments, "stands": stands}
    return Decision.model_validate({**_fields(decision), **own})


def _evidence(evidence: seen.Evidence) -> Evidence:
    words = [_timed(word) for word in evidence.words]
    own = {"id": evidence.id, "detector": evidence.detector, "words": words}
    return Evidence.model_validate({**_timed(evidence), **own})


def _timed(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that has a span, and perhaps a best instant."""
    own = _fields(value)
    times = {"start_s": value.span.start, "end_s": value.span.end, "best_s": own.get("best")}
    return {**own, **times}


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, judged.Segment):
        return value._asdict()
    return {field.name: getattr(value, field.name) for field in fields(value)}
