"""COCO and Label Studio: the boxes that people decided about, and no others."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from moderation.decision import Decision, Outcome
from moderation.evidence import Box, Evidence
from moderation.reports import FORMATS, DecisionsOf, ReportOptions
from moderation.scan import Scan
from moderation.testing.decisions import confirmed, corrected, make_decision, rejected
from moderation.testing.scans import make_evidence, make_scan
from moderation.timeline import Instant

BOX = Box(0.1, 0.2, 0.3, 0.4)
FIREARM = "Violence/Weapons/Firearm"


def written(form: str, *scans: Scan, decisions: DecisionsOf) -> Any:
    stream = io.StringIO()
    FORMATS[form](iter(scans), stream, ReportOptions(decisions=decisions))
    return json.loads(stream.getvalue().encode("utf-8"), parse_constant=pytest.fail)


def coco(*scans: Scan, decisions: DecisionsOf) -> Any:
    """A dataset whose every reference leads somewhere."""
    dataset = written("coco", *scans, decisions=decisions)
    assert dataset.keys() == {"info", "licenses", "images", "annotations", "categories"}
    ids = {name: [each["id"] for each in dataset[name]] for name in ("images", "categories")}
    numbers = [each["id"] for each in dataset["annotations"]]
    for each in (*ids.values(), numbers):
        assert len(set(each)) == len(each)
    for each in dataset["annotations"]:
        assert each["image_id"] in ids["images"]
        assert each["category_id"] in ids["categories"]
    return dataset


def regions(*scans: Scan, decisions: DecisionsOf) -> list[Any]:
    tasks = written("label-studio", *scans, decisions=decisions)
    return [each for task in tasks for each in task["annotations"][0]["result"]]


def labels(form: str, scan: Scan, *decisions: Decision) -> list[str]:
    """In time order, whichever the format."""
    if form == "label-studio":
        found = regions(scan, decisions=lambda _: decisions)
        return [label for each in found for label in each["value"]["labels"]]
    dataset = coco(scan, decisions=lambda _: decisions)
    names = {each["id"]: each["name"] for each in dataset["categories"]}
    return [names[each["category_id"]] for each in dataset["annotations"]]


@pytest.fixture
def knife() -> Evidence:
    return make_evidence(start_s=2, box=BOX)


@pytest.fixture(params=["coco", "label-studio"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_confirmed_box_has_the_label_that_was_seen(form: str, knife: Evidence) -> None:
    assert labels(form, make_scan(knife), make_decision(confirmed(knife))) == [knife.label]


def test_a_corrected_box_has_the_right_label(form: str, knife: Evidence) -> None:
    said = make_decision(corrected(knife, FIREARM))
    assert labels(form, make_scan(knife), said) == [FIREARM]


def test_a_rejected_box_is_left_out(form: str, knife: Evidence) -> None:
    other = make_evidence(start_s=5, box=BOX)
    said = make_decision(rejected(knife), confirmed(other))
    assert labels(form, make_scan(knife, other), said) == [knife.label]
    assert labels(form, make_scan(knife), make_decision(rejected(knife))) == []


def test_what_nobody_decided_is_left_out(form: str, knife: Evidence) -> None:
    assert labels(form, make_scan(knife)) == []
    for outcome in (Outcome.SKIP, Outcome.ESCALATE):
        said = make_decision(confirmed(knife), outcome=outcome)
        assert labels(form, make_scan(knife), said) == []


def test_a_verdict_upheld_as_a_whole_says_nothing_of_its_boxes(form: str, knife: Evidence) -> None:
    assert labels(form, make_scan(knife), make_decision(outcome=Outcome.UPHOLD)) == []


def test_the_last_decision_of_the_same_weight_counts(form: str, knife: Evidence) -> None:
    first = make_decision(confirmed(knife))
    later = make_decision(
        corrected(knife, FIREARM), id=2, decided_at=first.decided_at.replace(hour=12)
    )
    assert labels(form, make_scan(knife), first, later) == [FIREARM]


def test_what_has_no_box_is_left_out(form: str) -> None:
    word = make_evidence("Language/Profanity", text="damn")
    assert labels(form, make_scan(word), make_decision(confirmed(word))) == []


def test_evidence_that_is_gone_is_left_out(form: str, knife: Evidence) -> None:
    assert labels(form, make_scan(), make_decision(confirmed(knife))) == []


def test_coco_has_boxes_in_pixels_and_frames_by_video_and_time(knife: Evidence) -> None:
    scan = make_scan(knife)
    dataset = coco(scan, decisions=lambda _: [make_decision(confirmed(knife))])
    (image,), (annotation,) = dataset["images"], dataset["annotations"]
    assert annotation["bbox"] == [128.0, 144.0, 384.0, 288.0]
    assert (annotation["area"], annotation["iscrowd"]) == (384 * 288, 0)
    assert image == {
        "id": 1,
        "file_name": f"{scan.video.sha256}/2000000.jpg",
        "width": 1280,
        "height": 720,
        "video": "clip.mp4",
        "time_s": 2.0,
    }
    assert dataset["categories"] == [
        {"id": 1, "name": knife.label, "supercategory": "Violence/Weapons"}
    ]


def test_coco_has_each_frame_once_and_numbers_over_all_videos(knife: Evidence) -> None:
    beside = make_evidence(FIREARM, start_s=2, box=Box(0.6, 0.6, 0.1, 0.1))
    said = make_decision(confirmed(knife), confirmed(beside))
    scans = [make_scan(knife, beside, name=name) for name in ("a.mp4", "b.mp4")]
    dataset = coco(*scans, decisions=lambda _: [said])
    assert [each["video"] for each in dataset["images"]] == ["a.mp4", "b.mp4"]
    assert sorted(each["image_id"] for each in dataset["annotations"]) == [1, 1, 2, 2]
    assert len(dataset["categories"]) == 2


def test_label_studio_has_boxes_in_percent_at_frames_from_one(knife: Evidence) -> None:
    scan = make_scan(knife)
    scan = replace(scan, video=replace(scan.video, fps=25.0))
    (region,) = regions(scan, decisions=lambda _: [make_decision(confirmed(knife))])
    assert (region["type"], region["from_name"], region["to_name"]) == (
        "videorectangle",
        "box",
        "video",
    )
    value = region["value"]
    assert (value["framesCount"], value["duration"]) == (1500, 60.0)
    assert value["sequence"] == [
        {
            "frame": 51,
            "time": 2.0,
            "enabled": False,
            "rotation": 0,
            "x": 10.0,
            "y": 20.0,
            "width": 30.0,
            "height": 40.0,
        }
    ]


def test_label_studio_follows_what_was_followed_to_its_last_frame() -> None:
    path = [[1_000_000, 0.1, 0.2, 0.3, 0.4], [3_000_000, 0.5, 0.2, 0.3, 0.4]]
    seen = make_evidence(start_s=1, end_s=3, box=BOX, detail={"path": path})
    (region,) = regions(make_scan(seen), decisions=lambda _: [make_decision(confirmed(seen))])
    keys = [(each["frame"], each["enabled"], each["x"]) for each in region["value"]["sequence"]]
    assert keys == [(31, True, 10.0), (91, False, 50.0)]


def test_a_box_is_where_it_was_seen_best_and_nowhere_else(form: str) -> None:
    seen = make_evidence(start_s=1, end_s=3, best=Instant(2_000_000), box=BOX)
    scan, said = make_scan(seen), make_decision(confirmed(seen))
    if form == "coco":
        (image,) = coco(scan, decisions=lambda _: [said])["images"]
        assert image["time_s"] == 2.0
    else:
        (region,) = regions(scan, decisions=lambda _: [said])
        assert [each["frame"] for each in region["value"]["sequence"]] == [61]


def test_a_task_says_how_long_a_person_took(knife: Evidence) -> None:
    said = make_decision(confirmed(knife))
    (task,) = written("label-studio", make_scan(knife), decisions=lambda _: [said])
    assert task["data"]["video"] == "clip.mp4"
    (annotation,) = task["annotations"]
    assert annotation["lead_time"] == 12.5
    assert annotation["created_at"] == "2026-11-21T09:30:00+00:00"
    assert (annotation["was_cancelled"], annotation["ground_truth"]) == (False, True)


def test_hostile_text_and_no_number_leave_strict_json(form: str) -> None:
    text = 'a\n"\ud800]]></script>'
    seen = make_evidence(text, box=BOX)
    scan = make_scan(seen, name=text)
    scan = replace(scan, id=text, video=replace(scan.video, uri=text, fps=float("nan")))
    said = make_decision(corrected(seen, text), note=text, person=text)
    assert labels(form, scan, said) == ['a\n"\ufffd]]></script>']
