"""CSV: a row for each segment or video, and nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from moderation.reports import FORMATS, ReportOptions, Rows, csv_report
from moderation.reports.csv_report import CELL_LIMIT, SEGMENT_COLUMNS, VIDEO_COLUMNS, defuse
from moderation.scan import Scan
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.verdict import Action, Coverage, CoverageStatus

PAYLOADS = [
    f"{before}{trigger}{formula}"
    for trigger in ("=", "+", "-", "@", "\t=", "\r=", "\n=", "＝", "＋", "－", "＠")
    for before in ("", " ", "\u00a0", "\u200b", "\ufeff", "\x00")
    for formula in ("1+1", "cmd|' /C calc'!A0")
]


def rows_of(*scans: Scan, rows: Rows = "segments") -> list[dict[str, str]]:
    text = written(*scans, options=ReportOptions(rows=rows))
    return list(csv.DictReader(io.StringIO(text, newline="")))


def written(*scans: Scan, options: ReportOptions) -> str:
    stream = io.StringIO(newline="")
    FORMATS["csv"](iter(scans), stream, options)
    return stream.getvalue()


def test_each_segment_has_a_row() -> None:
    scan = make_scan(make_evidence(), make_evidence("Nudity/Exposed", 0.9, 5, 7, subject="one"))
    first, second = rows_of(scan)
    assert (first["label"], first["score"], first["start_s"], first["rules"]) == (
        "Violence/Weapons/Knife",
        "0.8",
        "1.0",
        "knife",
    )
    assert (second["end_s"], second["subject"], second["detectors"]) == ("7.0", "one", "objects")
    assert first["video"] == second["video"] == "clip.mp4"
    assert first["verdict"] == "review"


def test_a_segment_that_no_rule_used_names_none() -> None:
    scan = make_scan(make_evidence())
    scan = replace(scan, verdict=replace(scan.verdict, reasons=()))
    assert [row["rules"] for row in rows_of(scan)] == [""]


def test_a_video_without_segments_has_one_row_all_the_same() -> None:
    approved, failed = rows_of(make_scan(action=Action.APPROVE), make_failed_scan())
    assert (approved["verdict"], approved["label"]) == ("approve", "")
    assert (failed["verdict"], failed["failure"]) == (
        "incomplete",
        "unreadable: broken.mp4 cannot be scanned (unreadable)",
    )


def test_each_video_has_a_row() -> None:
    scan = make_scan(make_evidence(start_s=5), make_evidence("Nudity/Exposed", start_s=3))
    unseen = Coverage(detector="speech", status=CoverageStatus.UNAVAILABLE)
    row, _ = rows_of(replace(scan, coverage=(unseen,)), make_scan(), rows="videos")
    assert (row["rules"], row["labels"]) == (
        "knife; exposed",
        "Violence/Weapons/Knife; Nudity/Exposed",
    )
    assert (row["first_s"], row["duration_s"], row["has_audio"]) == ("3.0", "60.0", "yes")
    assert row["not_covered"] == "speech unavailable"


def test_what_was_not_looked_at_itself_is_told() -> None:
    seen = Coverage(
        detector="objects", status=CoverageStatus.COMPLETE, planned=60, examined=60, inherited=48
    )
    scan = make_scan(cut_short="a rule has rejected it", sandbox=("rlimits", "seccomp"))
    (row,) = rows_of(replace(scan, coverage=(seen,)), rows="videos")
    assert row["inherited"] == "objects 48 of 60 samples"
    assert row["cut_short"] == "a rule has rejected it"
    assert row["sandbox"] == "rlimits; seccomp"


@pytest.mark.parametrize("rows", ["segments", "videos"])
def test_every_column_is_explained(rows: Rows) -> None:
    columns = SEGMENT_COLUMNS if rows == "segments" else VIDEO_COLUMNS
    explained = re.findall(r"\w+", csv_report.__doc__ or "")
    assert set(columns) <= set(explained)


@pytest.mark.parametrize("rows", ["segments", "videos"])
def test_the_columns_stand_in_the_first_row(rows: Rows) -> None:
    header = written(options=ReportOptions(rows=rows)).removesuffix("\r\n")
    columns = SEGMENT_COLUMNS if rows == "segments" else VIDEO_COLUMNS
    assert header == ",".join(f'"{name}"' for name in columns)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_begins_a_formula(payload: str) -> None:
    scan = make_scan(make_evidence(payload, text=payload, subject=payload), name=payload)
    (row,) = rows_of(scan)
    for name in ("video", "label", "text", "subject"):
        assert row[name].startswith("'"), name
        assert row[name].endswith(payload.rpartition("=")[2].lstrip()[-3:]), name


def test_negative_numbers_stay_numbers() -> None:
    (row,) = rows_of(make_scan(make_evidence(start_s=-1.5)))
    assert row["start_s"] == "-1.5"


@pytest.mark.parametrize("text", ["a=b", "1-2", "mail@example.org", "", "'quoted'", "限时优惠"])
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert defuse(text) == text


def test_quotes_commas_and_line_breaks_stay_in_their_cell() -> None:
    text = 'say "hi", then\nleave; =1+1'
    (row,) = rows_of(make_scan(make_evidence(text=text)))
    assert row["text"] == text


def test_controls_and_lone_surrogates_are_no_part_of_a_cell() -> None:
    (row,) = rows_of(make_scan(make_evidence(text="a\x00\x1b[31m\u202eb\ud800")))
    assert row["text"] == "a[31mb\ufffd"


def test_a_cell_that_excel_would_break_is_cut_visibly() -> None:
    (row,) = rows_of(make_scan(make_evidence(text="=" + "x" * 1_000_000)))
    assert len(row["text"]) == CELL_LIMIT
    assert row["text"].endswith("…")


def test_a_byte_order_mark_comes_first_on_demand() -> None:
    assert written(options=ReportOptions(bom=True)).startswith('\ufeff"video"')
