"""Table, CSV, JSON and HTML with what people decided: who, what, why, and how long it took."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from moderation.decision import Decision, Outcome, Purpose, Remedy
from moderation.reports import FORMATS, ReportOptions, Rows, document, schema
from moderation.reports.csv_report import SEGMENT_COLUMNS, VIDEO_COLUMNS
from moderation.scan import Scan
from moderation.testing.decisions import confirmed, corrected, make_decision, rejected
from moderation.testing.scans import make_evidence, make_scan

KNIFE, WORD = make_evidence(), make_evidence("Language/Profanity", start_s=5)
TOY = make_evidence("Violence/Weapons/Other", start_s=9)
SCAN = make_scan(KNIFE, WORD, TOY)
LEFT = make_decision(outcome=Outcome.SKIP, person="berta", id=1)
SAID = make_decision(
    corrected(KNIFE, "Violence/Weapons/Firearm", Remedy.BLUR),
    rejected(WORD),
    id=2,
    number=2,
    reason="weapon",
    note="look at 1.5",
)


def written(form: str, scan: Scan, decisions: Sequence[Decision], **options: Any) -> str:
    stream = io.StringIO(newline="")
    told = ReportOptions(decisions=lambda _: decisions, **options)
    FORMATS[form](iter([scan]), stream, told)
    return stream.getvalue()


def rows_of(decisions: Sequence[Decision], rows: Rows = "segments") -> list[dict[str, str]]:
    text = written("csv", SCAN, decisions, rows=rows)
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_columns_of_before_stay_where_they_were() -> None:
    assert SEGMENT_COLUMNS[:3] == ("video", "sha256", "verdict")
    assert SEGMENT_COLUMNS.index("scan_id") == 20
    assert VIDEO_COLUMNS.index("engine_version") == 22
    assert SEGMENT_COLUMNS[21] == "judgement"
    assert VIDEO_COLUMNS[23] == "remedies"


def test_a_row_of_csv_says_what_was_decided_of_its_segment() -> None:
    knife, word, toy = rows_of([LEFT, SAID])
    assert (knife["judgement"], knife["correct_label"], knife["remedy"]) == (
        "correct",
        "Violence/Weapons/Firearm",
        "blur",
    )
    assert (word["judgement"], word["correct_label"], word["remedy"]) == ("reject", "", "none")
    assert (toy["judgement"], toy["correct_label"], toy["remedy"]) == ("", "", "")


@pytest.mark.parametrize("rows", ["segments", "videos"])
def test_a_row_of_csv_says_who_decided_why_and_how_long_it_took(rows: Rows) -> None:
    row = rows_of([LEFT, SAID], rows)[0]
    assert (row["decision"], row["reviewer"], row["reviewers"]) == (
        "partial",
        "anna",
        "berta; anna",
    )
    assert (row["decision_reason"], row["decision_note"]) == ("weapon", "look at 1.5")
    assert (row["decided_at"], row["decision_s"]) == ("2026-11-21T09:30:00+00:00", "12.5")


def test_a_row_of_a_video_lists_the_remedies_that_it_needs() -> None:
    said = make_decision(confirmed(KNIFE, Remedy.BLUR), confirmed(WORD, Remedy.MUTE))
    (row,) = rows_of([said], "videos")
    assert row["remedies"] == "blur; mute"


@pytest.mark.parametrize("rows", ["segments", "videos"])
def test_without_a_decision_its_columns_are_empty(rows: Rows) -> None:
    for decisions in ([], [LEFT]):
        row = rows_of(decisions, rows)[0]
        assert (row["decision"], row["reviewer"], row["decision_s"]) == ("", "", "")
    assert row["reviewers"] == "berta"


def test_the_appeal_is_what_stands() -> None:
    appeal = make_decision(
        outcome=Outcome.OVERTURN,
        purpose=Purpose.APPEAL,
        person="clara",
        decided_at=datetime(2026, 12, 1, tzinfo=UTC),
    )
    row = rows_of([SAID, appeal])[0]
    assert (row["decision"], row["reviewer"]) == ("overturn", "clara")


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_a_document_has_every_decision_and_says_which_stands(form: str) -> None:
    made = json.loads(written(form, SCAN, [LEFT, SAID]))
    (made,) = made if form == "json" else [made]
    left, said = made["decisions"]
    assert (left["outcome"], left["person"], left["stands"]) == ("skip", "berta", False)
    assert said["segments"][0] == {
        "label": "Violence/Weapons/Knife",
        "subject": None,
        "start_s": 1.0,
        "end_s": 1.0,
        "judgement": "correct",
        "corrected": "Violence/Weapons/Firearm",
        "remedy": "blur",
        "evidence_ids": [KNIFE.id],
    }
    del said["segments"]
    assert said == {
        "item_id": "abcdefghij",
        "number": 2,
        "purpose": "verdict",
        "person": "anna",
        "outcome": "partial",
        "reason": "weapon",
        "note": "look at 1.5",
        "seconds": 12.5,
        "decided_at": "2026-11-21T09:30:00Z",
        "stands": True,
    }


def test_a_document_with_decisions_keeps_to_its_schema() -> None:
    made = json.loads(document(SCAN, [LEFT, SAID]).model_dump_json(by_alias=True))
    jsonschema.validate(made, schema())
    assert document(SCAN).decisions == []


def test_the_page_shows_each_decision_with_its_segments() -> None:
    page = written("html", SCAN, [LEFT, SAID])
    assert "<h3>Decisions</h3>" in page
    assert "<bdi>berta</bdi>" in page
    assert "<b>partial</b> (stands)" in page
    assert "look at 1.5" in page
    assert "Violence › Weapons › Firearm" in page
    assert "<h3>Decisions</h3>" not in written("html", SCAN, [])


def test_the_page_shows_what_a_person_says_and_runs_none_of_it() -> None:
    text = "<img src=x onerror=alert(1)>\u202e"
    said = make_decision(corrected(KNIFE, text), person=text, reason=text, note=text)
    page = written("html", SCAN, [said])
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") == 4


def test_the_table_says_what_stands_and_by_whom() -> None:
    assert "partial by anna" in written("table", SCAN, [LEFT, SAID])
    assert "by" not in written("table", make_scan(), [LEFT])
