"""CSV for reviewers' spreadsheets: a row for each segment, or for each video.

Times are seconds from the start of the video; several names in a cell have `; ` between them.

    of both       video (path or URI), sha256 (empty when it could not be read), verdict, severity,
                  missing (what the policy requires and nobody saw), cut_short (why another look
                  may see more), failure (why nothing was seen), policy, policy_digest, scanned_at,
                  scan_id
    of a segment  label, score (0 to 1), start_s, end_s, best_s (the frame to show), samples
                  (instants at which it was seen), detectors, subject (whose voice or face), text,
                  rules (that it made fire)
    of a video    duration_s, width, height, fps, has_audio (yes or no), rules, labels, first_s
                  (when the first rule fired), not_covered (detectors that did not see all, and
                  why), inherited (of the samples examined, how many look like one that was looked
                  at), sandbox (what held the decoder), engine_version
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TextIO, TypeAlias

from moderation.reports.highlights import gaps
from moderation.reports.options import ReportOptions
from moderation.reports.text import visible
from moderation.scan import Scan
from moderation.timeline import Instant
from moderation.verdict import Coverage, Segment

__all__ = ["CELL_LIMIT", "SEGMENT_COLUMNS", "VIDEO_COLUMNS", "defuse", "write_csv"]

CELL_LIMIT: Final = 32_767
"""Characters in a cell: Excel breaks longer ones over the next rows."""

_TRIGGERS: Final = tuple("=+-@\t\r\n＝＋－＠")
"""A spreadsheet takes a cell that begins with one of these for a formula, quoted or not (OWASP)."""

_BOM: Final = "\ufeff"

Cell: TypeAlias = str | int | float | None
Row: TypeAlias = Mapping[str, Cell]

_VIDEO: Final = ("video", "sha256", "verdict", "severity")
_SCAN: Final = (
    "missing", "cut_short", "failure", "policy", "policy_digest", "scanned_at", "scan_id",
)  # fmt: skip
SEGMENT_COLUMNS: Final = (
    *_VIDEO, "label", "score", "start_s", "end_s", "best_s", "samples", "detectors", "subject",
    "text", "rules", *_SCAN,
)  # fmt: skip
VIDEO_COLUMNS: Final = (
    *_VIDEO, "duration_s", "width", "height", "fps", "has_audio", "rules", "labels", "first_s",
    "not_covered", "inherited", "sandbox", *_SCAN, "engine_version",
)  # fmt: skip


def write_csv(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
    """RFC 4180, UTF-8; a video without segments has one row too, with those cells empty."""
    by_video = options.rows == "videos"
    columns, rows = (VIDEO_COLUMNS, _video_rows) if by_video else (SEGMENT_COLUMNS, _segment_rows)
    stream.write(_BOM if options.bom else "")
    writer = csv.DictWriter(stream, columns, quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    for scan in scans:
        for row in rows(scan):
            writer.writerow({name: _cell(value) for name, value in row.items()})


def defuse(text: str) -> str:
    """Text that no spreadsheet runs: what could be a formula gets an apostrophe in front."""
    shown = visible(text)
    dangerous = text.startswith(_TRIGGERS) or shown.lstrip().startswith(_TRIGGERS)
    return _cut(f"'{shown}" if dangerous else shown)


def _cut(text: str) -> str:
    return text if len(text) <= CELL_LIMIT else f"{text[: CELL_LIMIT - 1]}…"


def _cell(value: Cell) -> Cell:
    return defuse(value) if isinstance(value, str) else value


def _segment_rows(scan: Scan) -> Iterator[Row]:
    about = _about(scan)
    rules = defaultdict(list)
    for reason in scan.verdict.reasons:
        for used in reason.evidence_ids:
            rules[used].append(reason.rule)
    for segment in scan.verdict.segments:
        fired = _listed(rule for seen in segment.evidence_ids for rule in rules.get(seen, ()))
        yield about | _segment(segment) | {"rules": fired}
    if not scan.verdict.segments:
        yield about


def _segment(segment: Segment) -> dict[str, Cell]:
    return {
        "label": segment.label,
        "score": segment.score,
        "start_s": segment.span.start.seconds,
        "end_s": segment.span.end.seconds,
        "best_s": segment.best.seconds,
        "samples": segment.samples,
        "detectors": _listed(segment.detectors),
        "subject": segment.subject,
        "text": segment.text,
    }


def _video_rows(scan: Scan) -> Iterator[Row]:
    video, reasons = scan.video, scan.verdict.reasons
    first = min((reason.span.start for reason in reasons), default=None)
    unseen = (f"{each.detector} {each.status}" for each in gaps(scan))
    yield _about(scan) | {
        "duration_s": Instant(video.duration_us).seconds,
        "width": video.width,
        "height": video.height,
        "fps": video.fps,
        "has_audio": "yes" if video.has_audio else "no",
        "rules": _listed(reason.rule for reason in reasons),
        "labels": _listed(reason.label for reason in reasons),
        "first_s": first.seconds if first else None,
        "not_covered": _listed(unseen),
        "inherited": _listed(_inherited(each) for each in scan.coverage if each.inherited),
        "sandbox": _listed(scan.sandbox),
        "engine_version": scan.engine_version,
    }


def _inherited(coverage: Coverage) -> str:
    """As in `objects 48 of 60 samples`."""
    counts = f"{coverage.inherited:g} of {coverage.examined:g} {coverage.unit}"
    return f"{coverage.detector} {counts}"


def _about(scan: Scan) -> dict[str, Cell]:
    """The columns of `_VIDEO` and `_SCAN`."""
    verdict, policy, failure = scan.verdict, scan.verdict.policy, scan.failure
    return {
        "video": scan.video.uri,
        "sha256": scan.video.sha256,
        "verdict": verdict.action.value,
        "severity": verdict.severity.value,
        "missing": _listed(verdict.missing),
        "cut_short": scan.cut_short,
        "failure": f"{failure.fault}: {failure.message}" if failure else None,
        "policy": f"{policy.name} {policy.version}",
        "policy_digest": policy.digest,
        "scanned_at": scan.scanned_at.isoformat(),
        "scan_id": scan.id,
    }


def _listed(names: Iterable[str]) -> str:
    """Each name once, in the order of their first."""
    return "; ".join(dict.fromkeys(names))
