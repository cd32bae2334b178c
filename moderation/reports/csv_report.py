"""CSV for reviewers' spreadsheets: a row for each segment, or for each video.

Times are seconds from the start of the video; several names in a cell have `; ` between them.

    of both       video (path or URI), sha256 (empty when it could not be read), verdict, severity,
                  missing (what the policy requires and nobody saw), cut_short (why another look
                  may see more), failure (why nothing was seen), policy, policy_digest, scanned_at,
                  scan_id
    of a segment  label, score (0 to 1), start_s, end_s, best_s (the frame to show), samples
                  (instants at which it was seen), detectors, subject (whose voice or face), text,
                  rules (that it made fire), and at the end judgement (confirm, reject or correct;
                  empty where nobody judged it), correct_label, remedy
    of a video    duration_s, width, height, fps, has_audio (yes or no), rules, labels, first_s
                  (when the first rule fired), not_covered (detectors that did not see all, and
                  why), inherited (of the samples examined, how many look like one that was looked
                  at), sandbox (what held the decoder), engine_version, and at the end remedies
                  (that its segments need)
    of both, at the end
                  decision (uphold, overturn or partial; empty while nobody has decided),
                  reviewer, decision_reason (a code of the policy's), decision_note, decided_at,
                  decision_s (seconds from claim to decision), reviewers (all who said something,
                  oldest first)
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TextIO, TypeAlias

from moderation.decision import Decision, Remedy, standing
from moderation.reports.highlights import gaps
from moderation.reports.judged import Judged, judged
from moderation.reports.options import ReportOptions
from moderation.reports.text import visible
from moderation.scan import Scan
from moderation.timeline import Instant
from moderation.verdict import Coverage

__all__ = [
    "BOM",
    "CELL_LIMIT",
    "SEGMENT_COLUMNS",
    "VIDEO_COLUMNS",
    "Cell",
    "Row",
    "defuse",
    "defused",
    "write_csv",
]

CELL_LIMIT: Final = 32_767
"""Characters in a cell: Excel breaks longer ones over the next rows."""

_TRIGGERS: Final = tuple("=+-@\t\r\n＝＋－＠")
"""A spreadsheet takes a cell that begins with one of these for a formula, quoted or not (OWASP)."""

BOM: Final = "\ufeff"

Cell: TypeAlias = str | int | float | None
Row: TypeAlias = Mapping[str, Cell]

_VIDEO: Final = ("video", "sha256", "verdict", "severity")
_SCAN: Final = (
    "missing", "cut_short", "failure", "policy", "policy_digest", "scanned_at", "scan_id",
)  # fmt: skip
_DECISION: Final = (
    "decision", "reviewer", "decision_reason", "decision_note", "decided_at", "decision_s",
    "reviewers",
)  # fmt: skip
SEGMENT_COLUMNS: Final = (
    *_VIDEO, "label", "score", "start_s", "end_s", "best_s", "samples", "detectors", "subject",
    "text", "rules", *_SCAN, "judgement", "correct_label", "remedy", *_DECISION,
)  # fmt: skip
VIDEO_COLUMNS: Final = (
    *_VIDEO, "duration_s", "width", "height", "fps", "has_audio", "rules", "labels", "first_s",
    "not_covered", "inherited", "sandbox", *_SCAN, "engine_version",
    "remedies", *_DECISION,
)  # fmt: skip


def write_csv(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
    """RFC 4180, UTF-8; a video without segments has one row too, with those cells empty."""
    by_video = options.rows == "videos"
    columns, rows = (VIDEO_COLUMNS, _video_rows) if by_video else (SEGMENT_COLUMNS, _segment_rows)
    stream.write(BOM if options.bom else "")
    writer = csv.DictWriter(stream, columns, quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    for scan in scans:
        for row in rows(scan, options.decisions(scan)):
            writer.writerow(defused(row))


def defuse(text: str) -> str:
    """Text that no spreadsheet runs: what could be a formula gets an apostrophe in front."""
    shown = visible(text)
    dangerous = text.startswith(_TRIGGERS) or shown.lstrip().startswith(_TRIGGERS)
    return _cut(f"'{shown}" if dangerous else shown)


def defused(row: Row) -> Row:
    """A row whose texts no spreadsheet runs."""
    return {name: _cell(value) for name, value in row.items()}


def _cut(text: str) -> str:
    return text if len(text) <= CELL_LIMIT else f"{text[: CELL_LIMIT - 1]}…"


def _cell(value: Cell) -> Cell:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return defuse(value) if isinstance(value, str) else value


def _segment_rows(scan: Scan, decisions: Sequence[Decision]) -> Iterator[Row]:
    about = _about(scan) | _decided(decisions)
    rules = defaultdict(list)
    for reason in scan.verdict.reasons:
        for used in reason.evidence_ids:
            rules[used].append(reason.rule)
    for each in judged(scan, decisions):
        seen = each.segment.evidence_ids
        fired = _listed(rule for one in seen for rule in rules.get(one, ()))
        yield about | _segment(each) | {"rules": fired}
    if not scan.verdict.segments:
        yield about


def _segment(each: Judged) -> dict[str, Cell]:
    segment, said = each.segment, each.decision
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
        "judgement": said.judgement.value if said else None,
        "correct_label": said.corrected if said else None,
        "remedy": each.remedy.value if said else None,
    }


def _video_rows(scan: Scan, decisions: Sequence[Decision]) -> Iterator[Row]:
    video, reasons = scan.video, scan.verdict.reasons
    first = min((reason.span.start for reason in reasons), default=None)
    unseen = (f"{each.detector} {each.status}" for each in gaps(scan))
    remedies = (each.remedy for each in judged(scan, decisions) if each.remedy is not Remedy.NONE)
    yield (
        _about(scan)
        | _decided(decisions)
        | {
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
            "remedies": _listed(each.value for each in remedies),
        }
    )


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


def _decided(decisions: Sequence[Decision]) -> dict[str, Cell]:
    """The columns of `_DECISION`."""
    decision = standing(decisions)
    people: dict[str, Cell] = {"reviewers": _listed(each.person for each in decisions)}
    if decision is None:
        return people
    return people | {
        "decision": decision.outcome.value,
        "reviewer": decision.person,
        "decision_reason": decision.reason,
        "decision_note": decision.note,
        "decided_at": decision.decided_at.isoformat(),
        "decision_s": decision.seconds,
    }


def _listed(names: Iterable[str]) -> str:
    """Each name once, in the order of their first."""
    return "; ".join(dict.fromkeys(names))
