"""Rekognition's shape: checked against the model by which AWS's own client reads the answer."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from moderation.decision import Decision, Outcome
from moderation.reports import FORMATS, ReportOptions
from moderation.reports.rekognition import content_moderation
from moderation.reports.rekognition_labels import ladder
from moderation.scan import Scan
from moderation.taxonomy import Taxonomy
from moderation.testing.decisions import corrected, make_decision, rejected
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.verdict import Action

TOP = {
    "Alcohol",
    "Drugs & Tobacco",
    "Explicit",
    "Gambling",
    "Hate Symbols",
    "Non-Explicit Nudity of Intimate parts and Kissing",
    "Rude Gestures",
    "Swimwear or Underwear",
    "Violence",
    "Visually Disturbing",
}


def written(*scans: Scan, **options: Any) -> list[Any]:
    stream = io.StringIO()
    FORMATS["rekognition"](iter(scans), stream, ReportOptions(**options))
    return [json.loads(line, parse_constant=pytest.fail) for line in stream.getvalue().splitlines()]


def names(scan: Scan, *decisions: Decision) -> list[tuple[int, str, str]]:
    labels = content_moderation(scan, decisions)["ModerationLabels"]
    told = [(each["Timestamp"], each["ModerationLabel"]) for each in labels]
    return [(at, label["ParentName"], label["Name"]) for at, label in told]


@pytest.mark.parametrize("aggregate_by", ["TIMESTAMPS", "SEGMENTS"])
@pytest.mark.parametrize("uri", ["s3://uploads/a b/clip.mp4?versionId=x1", "clip.mp4"])
def test_the_answer_fits_the_model_of_the_service(aggregate_by: str, uri: str) -> None:
    session = pytest.importorskip("botocore.session").get_session()
    validate = pytest.importorskip("botocore.validate").ParamValidator().validate
    service = session.get_service_model("rekognition")
    shape = service.operation_model("GetContentModeration").output_shape
    scan = make_scan(make_evidence(), make_evidence("Hate/Slur", start_s=3))
    scan = replace(scan, video=replace(scan.video, uri=uri))
    scans = (scan, make_failed_scan(), make_scan(action=Action.INCOMPLETE))
    for answer in written(*scans, aggregate_by=aggregate_by):
        assert validate(answer, shape).generate_report() == ""


def test_a_label_stands_beside_its_parents_under_their_names() -> None:
    assert names(make_scan(make_evidence(start_s=1.5))) == [
        (1500, "", "Violence"),
        (1500, "Violence", "Weapons"),
    ]


def test_what_rekognition_has_no_word_for_keeps_our_names() -> None:
    assert names(make_scan(make_evidence("Hate/Slur"), make_evidence("New kind/Thing"))) == [
        (1000, "", "Hate"),
        (1000, "", "New kind"),
        (1000, "Hate", "Slur"),
        (1000, "New kind", "Thing"),
    ]


def test_context_is_left_out_but_where_rekognition_has_a_label_for_it() -> None:
    assert names(make_scan(make_evidence("Context/Person"))) == []
    found = names(make_scan(make_evidence("Context/Alcohol/Wine glass")))
    assert found == [(1000, "", "Alcohol"), (1000, "Alcohol", "Alcoholic Beverages")]


def test_every_label_of_the_taxonomy_has_a_place_in_rekognitions_tree() -> None:
    known = [label for label in Taxonomy.default() if label.rekognition]
    assert {ladder(label.path)[0].name for label in known} == TOP
    for label in known:
        path = ladder(label.path)
        assert path[-1].name == label.rekognition
        assert [each.level for each in path] == list(range(1, len(path) + 1))
        assert [each.parent for each in path] == ["", *(each.name for each in path[:-1])]
        assert len(path) <= 3


def test_confidence_runs_to_a_hundred_and_what_is_below_fifty_is_left_out() -> None:
    scan = make_scan(make_evidence(score=0.4999), make_evidence("Gambling", 0.5, 2))
    (label,) = content_moderation(scan, ())["ModerationLabels"]
    assert label["ModerationLabel"] == {
        "Name": "Gambling",
        "ParentName": "",
        "Confidence": 50.0,
        "TaxonomyLevel": 1,
    }


def test_a_parent_of_two_labels_is_said_once_with_the_higher_score() -> None:
    scan = make_scan(
        make_evidence("Nudity/Exposed/Anus", 0.7), make_evidence("Nudity/Exposed/Buttocks", 0.9)
    )
    labels = [each["ModerationLabel"] for each in content_moderation(scan, ())["ModerationLabels"]]
    assert [(each["Name"], each["Confidence"]) for each in labels] == [
        ("Explicit", 90.0),
        ("Explicit Nudity", 90.0),
        ("Exposed Buttocks or Anus", 90.0),
    ]


def test_by_segments_a_label_has_its_start_end_and_length() -> None:
    scan = make_scan(make_evidence("Gambling", start_s=1, end_s=3.5))
    answer = content_moderation(scan, (), "SEGMENTS")
    assert answer["GetRequestMetadata"] == {"SortBy": "TIMESTAMP", "AggregateBy": "SEGMENTS"}
    (label,) = answer["ModerationLabels"]
    assert label["StartTimestampMillis"] == 1000
    assert label["EndTimestampMillis"] == 3500
    assert label["DurationMillis"] == 2500


def test_by_timestamps_each_sight_of_a_segment_is_told() -> None:
    first, second = (make_evidence("Gambling", start_s=at) for at in (1, 2))
    scan = make_scan(first, second)
    segment = scan.verdict.segments[0]._replace(evidence_ids=(first.id, second.id))
    scan = replace(scan, verdict=replace(scan.verdict, segments=(segment,)))
    assert [at for at, _, _ in names(scan)] == [1000, 2000]


def test_what_a_person_rejected_is_left_out_and_what_was_corrected_is_told_right() -> None:
    knife, slot = make_evidence(), make_evidence("Gambling", start_s=4)
    scan = make_scan(knife, slot)
    assert names(scan, make_decision(rejected(knife))) == [(4000, "", "Gambling")]
    assert (1000, "", "Rude Gestures") in names(
        scan, make_decision(corrected(knife, "Rude gestures"))
    )
    assert names(scan, make_decision(outcome=Outcome.OVERTURN)) == []


def test_what_nobody_saw_is_the_status_message() -> None:
    failed, incomplete, whole = written(
        make_failed_scan(), make_scan(action=Action.INCOMPLETE), make_scan()
    )
    assert failed["JobStatus"] == "FAILED"
    assert "cannot be scanned" in failed["StatusMessage"]
    assert incomplete["StatusMessage"] == "objects examined 30 of 60 samples"
    assert (whole["JobStatus"], "StatusMessage" in whole) == ("SUCCEEDED", False)


def test_an_object_of_s3_is_named_by_its_parts() -> None:
    scan = make_scan(name="s3://uploads/a/b.mp4?versionId=x1")
    named = {"Bucket": "uploads", "Name": "a/b.mp4", "Version": "x1"}
    assert content_moderation(scan, ())["Video"] == {"S3Object": named}


def test_hostile_text_and_no_number_leave_strict_json_on_one_line() -> None:
    scan = make_scan(make_evidence("a\n\ud800/\u2028b\x85"), name="s3://a/b\n\ud800")
    scan = replace(scan, id="x\ny", video=replace(scan.video, fps=float("nan")))
    stream = io.StringIO(newline="")
    FORMATS["rekognition"]([scan], stream, ReportOptions())
    assert stream.getvalue().count("\n") == 1
    answer = json.loads(stream.getvalue().encode("utf-8"), parse_constant=pytest.fail)
    assert "FrameRate" not in answer["VideoMetadata"]
