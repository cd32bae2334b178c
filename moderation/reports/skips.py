"""Skips: a CSV of what nobody looked at, a row for each.

    video, sha256, scan_id  which video; its digest is empty when it could not be read
    what       coverage: a detector did not see all, or not with its best means
               failure: the video could not be scanned at all
               cut_short: another look may see more
               item: a person left the review item to others
    detector, status, planned, examined, unit   of coverage, as in the JSON report
    reason     why: the detector's, the failure, or the code that a person gave
    person, item_id, at, note, decided          of an item: who left it, which, when, with which
               words, and whether somebody has decided since (yes or no)

A video that was looked at as the policy wants it has no row, and neither has what does not apply
to it. A detector that the operator has switched off has one: nobody looked all the same.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TextIO

from moderation.decision import Decision, Outcome, standing
from moderation.reports.csv_report import BOM, Cell, Row, defused
from moderation.reports.options import ReportOptions
from moderation.scan import Scan
from moderation.verdict import Coverage, CoverageStatus

__all__ = ["COLUMNS", "skips", "write_skips"]

COLUMNS: Final = (
    "video", "sha256", "scan_id", "what", "detector", "status", "planned", "examined", "unit",
    "reason", "person", "item_id", "at", "note", "decided",
)  # fmt: skip

_SEEN: Final = (CoverageStatus.COMPLETE, CoverageStatus.NOT_APPLICABLE)


def write_skips(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
    """RFC 4180, UTF-8; nothing but the header where all was looked at."""
    stream.write(BOM if options.bom else "")
    writer = csv.DictWriter(stream, COLUMNS, quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    for scan in scans:
        for row in skips(scan, options.decisions(scan)):
            writer.writerow(defused(row))


def skips(scan: Scan, decisions: Sequence[Decision]) -> Iterator[Row]:
    """The rows of one video, not yet defused."""
    about = {"video": scan.video.uri, "sha256": scan.video.sha256, "scan_id": scan.id}
    for row in (*_unseen(scan), *_left(decisions)):
        yield about | row


def _unseen(scan: Scan) -> Iterator[dict[str, Cell]]:
    if scan.failure is not None:
        said = f"{scan.failure.fault}: {scan.failure.message}"
        yield {"what": "failure", "reason": said}
    if scan.cut_short:
        yield {"what": "cut_short", "reason": scan.cut_short}
    for each in scan.coverage:
        if each.status not in _SEEN:
            yield _coverage(each)


def _coverage(coverage: Coverage) -> dict[str, Cell]:
    return {
        "what": "coverage",
        "detector": coverage.detector,
        "status": coverage.status.value,
        "planned": coverage.planned,
        "examined": coverage.examined,
        "unit": coverage.unit,
        "reason": coverage.reason,
    }


def _left(decisions: Sequence[Decision]) -> Iterator[dict[str, Cell]]:
    decided = "yes" if standing(decisions) else "no"
    for each in decisions:
        if each.outcome is Outcome.SKIP:
            yield {
                "what": "item",
                "reason": each.reason,
                "person": each.person,
                "item_id": each.item_id,
                "at": each.decided_at.isoformat(),
                "note": each.note,
                "decided": decided,
            }
