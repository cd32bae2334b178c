"""The table on the terminal: one row a video, in 80 columns, with or without colours."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from moderation.reports import FORMATS, ReportOptions
from moderation.scan import Scan
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.verdict import Action, Coverage, CoverageStatus


def written(*scans: Scan) -> str:
    stream = io.StringIO()
    FORMATS["table"](iter(scans), stream, ReportOptions())
    return stream.getvalue()


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def test_a_row_says_what_and_why() -> None:
    text = written(make_scan(make_evidence(start_s=62.5, end_s=65), name="videos/clip.mp4"))
    for part in ("clip.mp4", "review", "high", "knife", "0.80", "01:02-01:05"):
        assert part in text
    assert "videos/" not in text


def test_the_weightiest_reasons_come_first_and_the_others_are_counted() -> None:
    scan = make_scan(*(make_evidence(f"Hate/{n}", n / 10) for n in range(1, 6)))
    text = written(scan)
    shown = [line.split("0.")[1][0] for line in text.splitlines() if "  0." in line]
    assert shown == ["5", "4", "3"]
    assert "and 2 more" in text


def test_what_was_not_seen_is_named() -> None:
    gaps = (
        Coverage(detector="speech", status=CoverageStatus.UNAVAILABLE),
        Coverage(detector="objects", status=CoverageStatus.PARTIAL, planned=4, examined=3),
        Coverage(detector="nudity", status=CoverageStatus.COMPLETE, planned=4, examined=4),
    )
    scan = make_scan(action=Action.APPROVE)
    assert "not fully seen: speech unavailable, objects 75%" in written(
        replace(scan, coverage=gaps)
    ).replace("\n", " ").replace("  ", "")


def test_what_the_policy_misses_is_named() -> None:
    assert "missing: objects examined 30 of 60" in written(make_scan(action=Action.INCOMPLETE))


def test_a_scan_that_was_cut_short_says_so() -> None:
    text = written(make_scan(action=Action.APPROVE, cut_short="the decoder crashed"))
    assert "cut short: the decoder crashed" in text
    assert "nothing that the policy names" not in text


def test_a_video_without_findings_says_so() -> None:
    assert "nothing that the policy names" in written(make_scan(action=Action.APPROVE))


def test_a_failure_says_what_happened() -> None:
    assert "cannot be scanned" in written(make_failed_scan())


def test_no_line_is_wider_than_the_terminal() -> None:
    scan = make_scan(make_evidence("Hate/" + "x" * 90), name="n" * 200)
    assert max(map(len, written(scan).splitlines())) <= 80


def test_a_file_name_moves_no_cursor_and_sets_no_colour() -> None:
    text = written(make_scan(name="\x1b[2J\x1b[31m[red]\u202egpj.exe"))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]gpj.exe" in text


def test_no_videos_are_said_to_be_none() -> None:
    assert written() == "no videos\n"
