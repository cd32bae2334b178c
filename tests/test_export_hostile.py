"""Every format, with whatever a stranger may write: valid when read back, and of bounded memory."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from moderation.decision import Outcome, Remedy
from moderation.evidence import Box
from moderation.reports import FORMATS, ReportOptions, Rows
from moderation.reports.csv_report import CELL_LIMIT, SEGMENT_COLUMNS, VIDEO_COLUMNS
from moderation.reports.skips import COLUMNS
from moderation.scan import Scan
from moderation.testing.decisions import confirmed, corrected, make_decision
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Coverage, CoverageStatus

FORMULAS = ("1+1", "cmd|' /C calc'!A0", 'HYPERLINK("http://x","y")', '"a";=1+1')
TRIGGERS = ("=", "+", "-", "@", "\t=", "\r=", "\n=", "\r\n=", "＝", "＋", "－", "＠")
QUOTED = ('"=1+1', "'=1+1", '",=1+1', '"\n=1+1', ";=1+1", '"";=1+1')
"""Of which a careless reader would make a cell of its own."""
PAYLOADS = [trigger + formula for trigger in TRIGGERS for formula in FORMULAS]
HIDDEN = [f"{before}=1+1" for before in (" ", "\u00a0", "\u200b", "\ufeff", "\x00", "\u202e")]
STRANGE = [
    *PAYLOADS[::5],
    *QUOTED,
    "a --> b",
    "]]>",
    "</script><script>alert(1)</script>",
    "a\nb\r\nc\rd\x85e\u2028f\u2029g",
    "\x00\x07\x1b[2J",
    "\ud800\udfff\ud83d",
    "{{ 7*7 }}",
    "; DROP TABLE video",
    "NaN",
    "x" * 1_000_000,
]


def hostile(text: str) -> tuple[Scan, ReportOptions]:
    """A scan and its decisions that say `text` wherever anybody could."""
    seen = [
        make_evidence(label, text=text, subject=text, box=Box(0.1, 0.1, 0.2, 0.2))
        for label in (text, f"Hate/{text}")
    ]
    coverage = Coverage(
        detector=text, status=CoverageStatus.FAILED, reason=text, unit=text, planned=float("nan")
    )
    scan = make_scan(*seen, name=text, cut_short=text, engine_version=text)
    scan = replace(scan, coverage=(coverage,), video=replace(scan.video, fps=float("inf")))
    fields: dict[str, Any] = {"person": text, "reason": text, "note": text, "item_id": text}
    said = (
        make_decision(outcome=Outcome.SKIP, **fields),
        make_decision(
            corrected(seen[0], text),
            confirmed(seen[1], Remedy.BLUR),
            seconds=float("nan"),
            **fields,
        ),
    )
    return scan, ReportOptions(decisions=lambda _: said)


def written(form: str, text: str, **options: Any) -> str:
    scan, told = hostile(text)
    stream = io.StringIO(newline="")
    FORMATS[form](iter([scan]), stream, replace(told, **options))
    return stream.getvalue()


def cells(text: str, columns: tuple[str, ...]) -> list[list[str]]:
    """As RFC 4180 has them, each row as long as the header."""
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert rows[0] == list(columns)
    assert {len(row) for row in rows} == {len(columns)}
    return rows[1:]


@pytest.mark.parametrize("text", STRANGE, ids=lambda text: ascii(text)[:20])
def test_every_format_is_utf_8_whatever_is_said(text: str) -> None:
    for form in FORMATS:
        assert written(form, text[:5000]).encode("utf-8").strip(), form


@pytest.mark.parametrize("text", STRANGE, ids=lambda text: ascii(text)[:20])
def test_json_is_strict_whatever_is_said(text: str) -> None:
    for form in ("json", "coco", "label-studio"):
        assert json.loads(written(form, text), parse_constant=pytest.fail), form


@pytest.mark.parametrize("text", STRANGE, ids=lambda text: ascii(text)[:20])
def test_a_video_is_one_line_of_strict_json_whatever_is_said(text: str) -> None:
    for form in ("jsonl", "rekognition", "dsa"):
        (line,) = written(form, text).removesuffix("\n").split("\n")
        assert json.loads(line, parse_constant=pytest.fail), form


@pytest.mark.parametrize("payload", [*PAYLOADS, *HIDDEN, *QUOTED], ids=ascii)
def test_row_125_no_cell_begins_a_formula(payload: str) -> None:
    found = [row for rows in ("segments", "videos", "skips") for row in rows_of(rows, payload)]
    for cell in (cell for row in found for cell in row):
        begin = cell.lstrip()
        assert not begin.startswith(("=", "+", "@", "＝", "＋", "－", "＠")), cell
        assert not cell.startswith(("\t", "\r", "\n")), cell
        assert not begin.startswith("-") or is_number(cell), cell


def test_row_125_has_sixty_payloads() -> None:
    assert len({*PAYLOADS, *HIDDEN, *QUOTED}) == 60


@pytest.mark.parametrize("rows", ["segments", "videos", "skips"])
def test_row_126_a_cell_of_a_megabyte_is_cut_and_no_number_is_empty(rows: str) -> None:
    found = rows_of(rows, "x" * 1_000_000)
    assert max(len(cell) for row in found for cell in row) == CELL_LIMIT
    assert not {"nan", "inf", "NaN"}.intersection(cell for row in found for cell in row)


def rows_of(rows: str, text: str) -> list[list[str]]:
    if rows == "skips":
        return cells(written("skips", text), COLUMNS)
    which: Rows = "videos" if rows == "videos" else "segments"
    columns = VIDEO_COLUMNS if which == "videos" else SEGMENT_COLUMNS
    return cells(written("csv", text, rows=which), columns)


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("form", ["csv", "jsonl", "rekognition", "dsa", "coco", "label-studio"])
def test_row_126_memory_does_not_grow_with_decided_videos(form: str) -> None:
    few, many = peak_memory(form, 10), peak_memory(form, 60)
    assert many < 2 * few


class _Sink(io.StringIO):
    written = 0

    def write(self, text: str) -> int:
        self.written += len(text)
        return len(text)


def peak_memory(form: str, videos: int) -> int:
    seen = [make_evidence(start_s=at, box=Box(0, 0, 0.5, 0.5), text="x" * 200) for at in range(50)]
    said = make_decision(*map(confirmed, seen))
    options = ReportOptions(decisions=lambda _: (said,))

    def scans(count: int) -> Iterator[Scan]:
        return (make_scan(*seen, name=str(number)) for number in range(count))

    FORMATS[form](scans(1), _Sink(), options)
    sink = _Sink()
    tracemalloc.start()
    FORMATS[form](scans(videos), sink, options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sink.written > videos * 100
    return peak
