"""The JSON document: every field where the schema says, strict, and exact."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from moderation.errors import MediaFault
from moderation.evidence import Box, Word
from moderation.reports import FORMATS, ReportOptions, schema
from moderation.scan import Scan
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.timeline import Span
from moderation.verdict import Action


def written(form: str, *scans: Scan) -> str:
    stream = io.StringIO()
    FORMATS[form](iter(scans), stream, ReportOptions())
    return stream.getvalue()


def strictly(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def document_of(scan: Scan) -> Any:
    (document,) = strictly(written("json", scan))
    return document


@pytest.fixture
def scan() -> Scan:
    speech = make_evidence(
        "Context/Speech",
        0.9,
        1.000001,
        2.5,
        text="hello there",
        words=(Word("hello", Span.from_seconds(1.000001, 1.5), 0.95, "speaker 1"),),
        subject="speaker 1",
        detail={"language": "en"},
    )
    return make_scan(make_evidence(box=Box(0.1, 0.2, 0.3, 0.4)), speech)


def test_a_document_has_the_published_fields(scan: Scan) -> None:
    document = document_of(scan)
    assert document["schema"] == "moderation.report/v1"
    assert document.keys() >= {"video", "verdict", "coverage", "evidence", "timing", "failure"}
    assert document["video"] == {
        "uri": "clip.mp4",
        "sha256": scan.video.sha256,
        "bytes": 1_000_000,
        "duration_s": 60.0,
        "width": 1280,
        "height": 720,
        "fps": 29.97,
        "has_video": True,
        "has_audio": True,
        "container": "mov,mp4,m4a,3gp,3g2,mj2",
        "codecs": ["h264", "aac"],
    }
    assert document["coverage"]["objects"] == {
        "status": "complete",
        "planned": 60.0,
        "examined": 60.0,
        "unit": "samples",
        "reason": "",
        "inherited": 0.0,
    }
    assert (document["cut_short"], document["sandbox"]) == ("", [])
    assert document["timing"] == {"load_s": 1.5, "scan_s": 2.25, "detectors": {"objects": 2.0}}
    assert document["failure"] is None


def test_a_verdict_names_its_reasons_segments_and_policy(scan: Scan) -> None:
    verdict = document_of(scan)["verdict"]
    evidence_id = scan.evidence[0].id
    assert verdict["action"] == "review"
    assert verdict["policy"] == {
        "name": "by hand",
        "version": "1",
        "digest": scan.verdict.policy.digest,
    }
    reason, segment = verdict["reasons"][0], verdict["segments"][0]
    assert (reason["rule"], reason["start_s"], reason["evidence_ids"]) == (
        "knife",
        1,
        [evidence_id],
    )
    assert (reason["values"], reason["thresholds"]) == ({"score": 0.8}, {"min_score": 0.5})
    assert (segment["label"], segment["best_s"]) == ("Violence/Weapons/Knife", 1)


def test_evidence_says_where_when_and_with_which_words(scan: Scan) -> None:
    knife, speech = document_of(scan)["evidence"]
    assert knife["box"] == {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4}
    assert knife["id"] == scan.evidence[0].id
    assert knife["producer"]["model"] == "yolo11n"
    assert (speech["start_s"], speech["end_s"], speech["box"]) == (1.000001, 2.5, None)
    assert speech["words"] == [
        {"text": "hello", "start_s": 1.000001, "end_s": 1.5, "score": 0.95, "speaker": "speaker 1"}
    ]
    assert speech["detail"] == {"language": "en"}


def test_a_failure_names_its_fault() -> None:
    document = document_of(make_failed_scan(MediaFault.ENCRYPTED))
    assert document["failure"] == {
        "fault": "encrypted",
        "message": "broken.mp4 cannot be scanned (encrypted)",
    }


def test_documents_hold_to_the_schema(scan: Scan) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    validator = jsonschema.Draft202012Validator(schema())
    for each in (scan, make_failed_scan(), make_scan(action=Action.INCOMPLETE)):
        validator.validate(document_of(each))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**document_of(scan), "schema": "moderation.report/v2"})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [float("-inf")]}])
def test_what_is_no_number_becomes_null(value: object) -> None:
    detail = document_of(make_scan(make_evidence(detail={"value": value})))["evidence"][0]["detail"]
    assert detail["value"] in (None, {"deep": [None]})


def test_lone_surrogates_become_replacement_characters() -> None:
    text = "a\ud800b"
    scan = make_scan(make_evidence(text=text, subject=text, detail={text: [text]}), name=text)
    output = written("json", scan)
    output.encode()
    (document,) = strictly(output)
    evidence = document["evidence"][0]
    assert document["video"]["uri"] == "a\ufffdb"
    assert (evidence["text"], evidence["subject"]) == ("a\ufffdb", "a\ufffdb")
    assert evidence["detail"] == {"a\ufffdb": ["a\ufffdb"]}


def test_text_from_a_video_is_kept_as_it_is() -> None:
    text = "</script> \x00\x1b[31m \u202e \u200b = 限时"
    assert document_of(make_scan(make_evidence(text=text)))["evidence"][0]["text"] == text


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_is_one_array(scan: Scan, count: int) -> None:
    scans = [replace(scan, id=str(number)) for number in range(count)]
    assert [each["id"] for each in strictly(written("json", *scans))] == [x.id for x in scans]


def test_jsonl_is_one_document_on_each_line(scan: Scan) -> None:
    multiline = make_scan(make_evidence(text="two\nlines\u2028three"))
    lines = written("jsonl", scan, multiline).removesuffix("\n").split("\n")
    assert [strictly(line)["video"]["uri"] for line in lines] == ["clip.mp4", "clip.mp4"]
