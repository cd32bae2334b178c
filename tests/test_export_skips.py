"""Skips: all that nobody looked at, and nothing else."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import Any

import pytest

from moderation.decision import Decision, Outcome
from moderation.reports import FORMATS, ReportOptions
from moderation.reports import skips as explained
from moderation.reports.skips import COLUMNS
from moderation.scan import Scan
from moderation.testing.decisions import make_decision
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.verdict import Coverage, CoverageStatus


def rows_of(*scans: Scan, decisions: tuple[Decision, ...] = ()) -> list[dict[str, str]]:
    stream = io.StringIO(newline="")
    FORMATS["skips"](iter(scans), stream, ReportOptions(decisions=lambda _: decisions))
    return list(csv.DictReader(io.StringIO(stream.getvalue(), newline="")))


def covered(status: CoverageStatus, **fields: Any) -> Scan:
    coverage = Coverage(detector="speech", status=status, **fields)
    return replace(make_scan(), coverage=(coverage,))


@pytest.mark.parametrize(
    "status", [CoverageStatus.COMPLETE, CoverageStatus.NOT_APPLICABLE], ids=lambda each: each.value
)
def test_what_was_looked_at_has_no_row(status: CoverageStatus) -> None:
    assert rows_of(covered(status), make_scan(make_evidence())) == []


@pytest.mark.parametrize(
    "status",
    [
        CoverageStatus.PARTIAL,
        CoverageStatus.DEGRADED,
        CoverageStatus.FAILED,
        CoverageStatus.UNAVAILABLE,
        CoverageStatus.DISABLED,
    ],
    ids=lambda each: each.value,
)
def test_a_detector_that_did_not_see_all_has_a_row_with_the_reason(status: CoverageStatus) -> None:
    scan = covered(status, planned=60, examined=12.5, unit="seconds", reason="no memory")
    (row,) = rows_of(scan)
    assert (row["video"], row["sha256"], row["scan_id"]) == (
        "clip.mp4",
        scan.video.sha256,
        "scan of clip.mp4",
    )
    assert (row["what"], row["detector"], row["status"]) == ("coverage", "speech", status.value)
    assert (row["planned"], row["examined"], row["unit"]) == ("60", "12.5", "seconds")
    assert row["reason"] == "no memory"


def test_a_video_that_could_not_be_scanned_has_a_row() -> None:
    rows = rows_of(make_failed_scan())
    assert [each["what"] for each in rows] == ["failure", "coverage"]
    assert rows[0]["reason"] == "unreadable: broken.mp4 cannot be scanned (unreadable)"


def test_a_look_that_was_cut_short_has_a_row() -> None:
    (row,) = rows_of(make_scan(cut_short="a rule has rejected it"))
    assert (row["what"], row["reason"]) == ("cut_short", "a rule has rejected it")


def test_an_item_that_somebody_left_has_a_row_and_says_whether_it_was_decided() -> None:
    left = make_decision(outcome=Outcome.SKIP, reason="language", note="I read no Thai")
    (row,) = rows_of(make_scan(), decisions=(left,))
    assert (row["what"], row["item_id"], row["person"]) == ("item", "abcdefghij", "anna")
    assert (row["reason"], row["note"], row["at"]) == (
        "language",
        "I read no Thai",
        "2026-11-21T09:30:00+00:00",
    )
    assert row["decided"] == "no"
    (row,) = rows_of(make_scan(), decisions=(left, make_decision(outcome=Outcome.UPHOLD)))
    assert row["decided"] == "yes"


def test_the_header_stands_alone_where_all_was_looked_at() -> None:
    stream = io.StringIO(newline="")
    FORMATS["skips"]([make_scan()], stream, ReportOptions(bom=True))
    assert stream.getvalue() == "\ufeff" + ",".join(f'"{name}"' for name in COLUMNS) + "\r\n"


def test_every_column_is_explained() -> None:
    assert set(COLUMNS) <= set(re.findall(r"\w+", explained.__doc__ or ""))


def test_no_text_begins_a_formula() -> None:
    text = '=HYPERLINK("x")'
    coverage = Coverage(detector=text, status=CoverageStatus.FAILED, reason=text, unit=text)
    scan = replace(make_scan(name=text), coverage=(coverage,))
    left = make_decision(outcome=Outcome.SKIP, reason=text, note=text, person=text, item_id=text)
    for row in rows_of(scan, decisions=(left,)):
        assert not any((cell or "").startswith("=") for cell in row.values())
