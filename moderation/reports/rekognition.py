"""The answer of Amazon Rekognition's GetContentModeration, for programs that read it today.

One line of JSON for each video. Labels have Rekognition's names (model 7) and stand beside their
parents, as there; what Rekognition has no word for keeps our names, so that nothing found is left
out. Confidence runs to 100, and what is below `MIN_CONFIDENCE` is left out, as there. What a
person rejected is left out, what was corrected has the right label. `JobStatus` is FAILED for a
video that could not be scanned; what the policy requires and nobody saw is in `StatusMessage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TextIO, TypeAlias

from moderation.decision import Decision
from moderation.reports.judged import Judged, judged
from moderation.reports.options import Aggregation, ReportOptions
from moderation.reports.rekognition_labels import Name, ladder
from moderation.reports.text import json_line, plain
from moderation.scan import Scan
from moderation.timeline import Instant, Span

__all__ = ["MIN_CONFIDENCE", "content_moderation", "write_rekognition"]

MIN_CONFIDENCE: Final = 50.0
"""Rekognition's own, for who asks for none."""

Json: TypeAlias = dict[str, Any]


class _Sight(NamedTuple):
    span: Span
    name: Name
    score: float


def write_rekognition(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
    """One answer on each line; for one video, the file is the answer."""
    for scan in scans:
        answer = content_moderation(scan, options.decisions(scan), options.aggregate_by)
        stream.write(json_line(answer) + "\n")


def content_moderation(
    scan: Scan, decisions: Sequence[Decision], aggregate_by: Aggregation = "TIMESTAMPS"
) -> Json:
    """The answer for one video; by segments it has their start, end and length too."""
    answer: Json = {
        "JobId": scan.id,
        "JobStatus": "FAILED" if scan.failure else "SUCCEEDED",
        "StatusMessage": scan.failure.message if scan.failure else "; ".join(scan.verdict.missing),
        "ModerationLabels": _labels(scan, decisions, aggregate_by),
        "ModerationModelVersion": f"moderation {scan.engine_version}",
        "GetRequestMetadata": {"SortBy": "TIMESTAMP", "AggregateBy": aggregate_by},
    }
    if scan.video.uri.startswith("s3://"):
        answer["Video"] = {"S3Object": _object(scan.video.uri)}
    if not scan.failure:
        answer["VideoMetadata"] = _metadata(scan)
    return {name: value for name, value in answer.items() if value != ""}


def _metadata(scan: Scan) -> Json:
    video = scan.video
    metadata = {
        "Codec": next(iter(video.codecs), ""),
        "DurationMillis": video.duration_us // 1000,
        "Format": video.container,
        "FrameRate": video.fps,
        "FrameHeight": video.height,
        "FrameWidth": video.width,
    }
    return {name: value for name, value in metadata.items() if plain(value) is not None}


def _object(uri: str) -> Json:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    key, _, version = key.partition("?versionId=")
    return {"Bucket": bucket, "Name": key} | ({"Version": version} if version else {})


def _labels(scan: Scan, decisions: Sequence[Decision], aggregate_by: Aggregation) -> list[Json]:
    """By time, each label once at a time: with the highest score of those that it stands for."""
    best: dict[tuple[Span, Name], float] = {}
    for each in judged(scan, decisions):
        for sight in _sights(scan, each, aggregate_by):
            key = sight.span, sight.name
            best[key] = max(sight.score, best.get(key, 0.0))
    sights = sorted(_Sight(span, name, score) for (span, name), score in best.items())
    confident = (each for each in sights if each.score * 100 >= MIN_CONFIDENCE)
    return [_label(each, aggregate_by) for each in confident]


def _sights(scan: Scan, each: Judged, aggregate_by: Aggregation) -> Iterator[_Sight]:
    segment = each.segment
    names = ladder(each.label) if each.label is not None else ()
    if aggregate_by == "SEGMENTS":
        seen = [(segment.span, segment.score)]
    else:
        ids = set(segment.evidence_ids)
        seen = [(Span.at(one.best), one.score) for one in scan.evidence if one.id in ids]
    return (_Sight(span, name, score) for span, score in seen for name in names)


def _label(sight: _Sight, aggregate_by: Aggregation) -> Json:
    start, end = (_millis(at) for at in sight.span)
    moderation_label = {
        "Name": sight.name.name,
        "ParentName": sight.name.parent,
        "Confidence": round(sight.score * 100, 4),
        "TaxonomyLevel": sight.name.level,
    }
    label: Json = {"Timestamp": start, "ModerationLabel": moderation_label, "ContentTypes": []}
    if aggregate_by == "SEGMENTS":
        label |= {
            "StartTimestampMillis": start,
            "EndTimestampMillis": end,
            "DurationMillis": end - start,
        }
    return label


def _millis(at: Instant) -> int:
    return max(0, at.us // 1000)
