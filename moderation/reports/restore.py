"""A scan read back from its JSON document, by who has the document alone.

Fields that a later version has added are left out; decisions are the document's, not the scan's.
"""

from __future__ import annotations

from typing import Any

from moderation import evidence as seen
from moderation import scan as scanned
from moderation import verdict as judged
from moderation.errors import MediaFault
from moderation.reports.document import (
    Document,
    Evidence,
    Failure,
    Reason,
    Segment,
    Verdict,
    Video,
    Word,
)
from moderation.timeline import MICROSECONDS, Instant, Span

__all__ = ["restored"]


def restored(document: Document) -> scanned.Scan:
    """The scan that the document was made of, but for lone surrogates in its texts.

    Raises `ValueError` for a document that no scan was made into.
    """
    failure = document.failure
    return scanned.Scan(
        id=document.id,
        video=_video(document.video),
        evidence=tuple(map(_evidence, document.evidence)),
        coverage=tuple(
            judged.Coverage(detector=name, **vars(each)) for name, each in document.coverage.items()
        ),
        verdict=_verdict(document.verdict),
        timing=scanned.Timing(**vars(document.timing)),
        engine_version=document.engine_version,
        scanned_at=document.scanned_at,
        failure=_failure(failure) if failure else None,
        cut_short=document.cut_short,
        sandbox=tuple(document.sandbox),
    )


def _failure(failure: Failure) -> scanned.Failure:
    return scanned.Failure(fault=MediaFault(failure.fault), message=failure.message)


def _video(video: Video) -> scanned.Video:
    own = {**vars(video), "codecs": tuple(video.codecs)}
    return scanned.Video(duration_us=_instant(own.pop("duration_s")).us, **own)


def _verdict(verdict: Verdict) -> judged.Verdict:
    return judged.Verdict(
        action=verdict.action,
        severity=verdict.severity,
        reasons=tuple(map(_reason, verdict.reasons)),
        segments=tuple(map(_segment, verdict.segments)),
        missing=tuple(verdict.missing),
        policy=judged.PolicyRef(**vars(verdict.policy)),
    )


def _reason(reason: Reason) -> judged.Reason:
    own = _spanned(reason)
    return judged.Reason(evidence_ids=tuple(own.pop("evidence_ids")), **own)


def _segment(segment: Segment) -> judged.Segment:
    own = _spanned(segment)
    return judged.Segment(
        best=_instant(own.pop("best_s")),
        evidence_ids=tuple(own.pop("evidence_ids")),
        detectors=tuple(own.pop("detectors")),
        **own,
    )


def _evidence(evidence: Evidence) -> seen.Evidence:
    own = _spanned(evidence)
    del own["id"]  # it follows from the rest
    box, producer = own.pop("box"), own.pop("producer")
    return seen.Evidence(
        best=_instant(own.pop("best_s")),
        box=box and seen.Box(**vars(box)),
        words=tuple(seen.Word(**_spanned(word)) for word in own.pop("words")),
        producer=seen.Producer(own.pop("detector"), **vars(producer)),
        **own,
    )


def _spanned(part: Evidence | Reason | Segment | Word) -> dict[str, Any]:
    """The fields of a part, with its span for its two times."""
    own = dict(vars(part))
    own["span"] = Span(_instant(own.pop("start_s")), _instant(own.pop("end_s")))
    return own


def _instant(seconds: float) -> Instant:
    return Instant(round(seconds * MICROSECONDS))
