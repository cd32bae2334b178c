"""What a page shows is gathered right: windows, veils, lines, and times of day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from moderation.reports.page import Cut
from moderation.review_settings import Cover, ReviewSettings
from moderation.testing.scans import make_evidence, make_scan
from moderation.timeline import MICROSECONDS, Span
from moderation.verdict import Action, Severity
from moderation.web.filters import due, file_name, is_past, left, moment, since
from moderation.web.views.moments import (
    JUDGED,
    MOMENTS,
    asked_about,
    flagged,
    judged_segments,
    moments,
)
from moderation.web.views.transcript import LINES, transcript
from moderation.web.views.veil import covers
from moderation.web.views.windows import Window, windows

NOW = datetime.now(UTC)

END_US = 60 * MICROSECONDS


def seconds(found: list[Window]) -> list[tuple[float, float]]:
    return [(start / MICROSECONDS, end / MICROSECONDS) for start, end in found]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([(10, 12)], [(7, 15)]),
        ([(1, 2)], [(0, 5)]),
        ([(59, 60)], [(56, 60)]),
        ([(10, 12), (18, 19)], [(7, 22)]),
        ([(10, 12), (18.5, 19)], [(7, 15), (15.5, 22)]),
        ([(30, 31), (10, 40)], [(7, 43)]),
        ([(90, 95)], [(60, 60)]),
    ],
)
def test_windows_have_context_and_those_that_touch_are_one(
    spans: list[tuple[float, float]], expected: list[tuple[float, float]]
) -> None:
    given = [Span.from_seconds(*each) for each in spans]
    assert seconds(windows(given, 3 * MICROSECONDS, END_US)) == expected


def test_a_window_without_context_is_what_was_flagged() -> None:
    assert windows([Span.from_seconds(10, 12)], 0, END_US) == [(10_000_000, 12_000_000)]


@pytest.mark.parametrize(
    ("veil", "labels", "expected"),
    [
        ({}, ["Violence/Weapons"], {"blur", "grey", "mute"}),
        ({"Language": ["mute"]}, ["Language/Profanity"], {"mute"}),
        ({"language": ["mute"]}, ["Language/Profanity"], {"mute"}),
        ({"Language": ["mute"]}, ["Language/Profanity", "Hate/Slur"], {"blur", "grey", "mute"}),
        ({"Language": ["mute"], "Hate": ["blur"]}, ["Language/X", "Hate/Slur"], {"blur", "mute"}),
        ({"high": ["blur"]}, ["Violence/Weapons"], {"blur"}),
        ({"high": ["blur"], "Violence": []}, ["Violence/Weapons"], set()),
        ({"low": []}, [], {"blur", "grey", "mute"}),
        ({"high": []}, [], set()),
        ({"Violense": []}, ["Violence/Weapons"], {"blur", "grey", "mute"}),
    ],
)
def test_a_veil_is_as_the_settings_say_for_family_or_severity(
    veil: dict[str, list[Cover]], labels: list[str], expected: set[str]
) -> None:
    settings = ReviewSettings.model_validate({"veil": veil})
    found = make_scan(*(make_evidence(label) for label in labels)).verdict.segments
    on = covers(settings.veil, Severity.HIGH, found)
    assert {name for name, is_on in on.items() if is_on} == expected


def test_moments_are_the_weightiest_in_time_order() -> None:
    evidence = [make_evidence(start_s=n / 100, score=n / 2_000) for n in range(MOMENTS + 200)]
    scan = make_scan(*evidence)
    every = flagged(scan.verdict)
    found = moments(scan, every, every)
    starts = [each.segment.span.start.us for each in found]
    assert len(found) == MOMENTS
    assert starts == sorted(starts)
    assert min(each.segment.score for each in found) >= 0.1


def test_what_made_a_rule_fire_weighs_more_than_what_is_surer() -> None:
    scan = make_scan(make_evidence(score=0.6), make_evidence("Alcohol", score=0.9, start_s=5))
    reasons = scan.verdict.reasons[:1]
    verdict = type(scan.verdict)(
        action=scan.verdict.action,
        severity=scan.verdict.severity,
        reasons=reasons,
        segments=scan.verdict.segments,
        missing=(),
        policy=scan.verdict.policy,
    )
    assert [each.label for each in flagged(verdict)] == ["Violence/Weapons/Knife", "Alcohol"]
    assert [each.label for each in asked_about(verdict, flagged(verdict))] == [
        "Violence/Weapons/Knife"
    ]


def test_a_decision_is_asked_about_all_that_was_seen_where_no_rule_fired() -> None:
    scan = make_scan(make_evidence(), make_evidence("Alcohol", start_s=5))
    verdict = replace(scan.verdict, action=Action.INCOMPLETE, reasons=())
    assert asked_about(verdict, flagged(verdict)) == flagged(verdict)


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"), [(10, 20, [12]), (9, 13, [12]), (12.5, 20, []), (2, 11, [])]
)
def test_a_rule_fired_on_what_lies_within_its_place_though_its_reason_does_not_name_it(
    start_s: float, end_s: float, expected: list[int]
) -> None:
    near = make_evidence(start_s=12, end_s=13)
    scan = make_scan(make_evidence(start_s=1), near, make_evidence("Alcohol", start_s=12))
    reason = replace(scan.verdict.reasons[0], span=Span.from_seconds(start_s, end_s))
    verdict = replace(scan.verdict, reasons=(reason,))
    asked = asked_about(verdict, flagged(verdict))
    assert [int(each.span.start.seconds) for each in asked] == [1, *expected]


def test_a_rule_that_fired_more_often_than_it_has_reasons_fired_wherever_its_label_is() -> None:
    scan = make_scan(*(make_evidence(start_s=n * 5) for n in range(3)), make_evidence("Alcohol"))
    reason = replace(scan.verdict.reasons[0], values={"occurrences": 3})
    verdict = replace(scan.verdict, reasons=(reason,))
    labels = [each.label for each in asked_about(verdict, flagged(verdict))]
    assert labels == ["Violence/Weapons/Knife"] * 3


def test_each_judged_segment_has_its_place_in_the_form() -> None:
    scan = make_scan(*(make_evidence(start_s=n / 10) for n in range(JUDGED + 5)))
    judged = judged_segments(scan.verdict)
    every = flagged(scan.verdict)
    found = moments(scan, every, every)
    placed = {each.index: each.segment for each in found if each.index >= 0}
    assert len(judged) == JUDGED
    assert [placed[index] for index in range(JUDGED)] == judged
    assert sum(each.index == -1 for each in found) == 5


def test_of_a_long_transcript_what_is_flagged_stays() -> None:
    said = [
        make_evidence("Context/Speech", start_s=n, text=f"line {n}") for n in range(LINES + 100)
    ]
    flag = make_evidence("Hate/Slur", start_s=LINES + 50, text=f"line {LINES + 50}")
    scan = make_scan(*said, flag)
    found = flagged(scan.verdict)
    near = windows([flag.span], 3 * MICROSECONDS, 1000 * MICROSECONDS)
    cut = transcript(scan, "Context/Speech", found, near)
    starts = [int(line.span.start.seconds) for line in cut.shown]
    assert (len(cut.shown), cut.more) == (LINES, 100)
    assert starts == sorted(starts)
    assert {LINES + n for n in (47, 50, 53)} <= set(starts)
    assert [line.labels for line in cut.shown if line.labels] == [("Hate/Slur",)]


def test_a_short_transcript_is_whole() -> None:
    scan = make_scan(make_evidence("Context/Speech", text="hello"))
    cut = transcript(scan, "Context/Speech", [], [])
    assert cut == Cut(cut.shown, 0)
    assert [line.text for line in cut.shown] == ["hello"]


@pytest.mark.parametrize(
    ("away", "expected"),
    [
        (timedelta(seconds=30), "in less than a minute"),
        (timedelta(minutes=5, seconds=30), "in 5 min"),
        (timedelta(hours=3, minutes=30), "in 3 h"),
        (timedelta(days=1, hours=1), "in 1 day"),
        (timedelta(days=6, hours=1), "in 6 days"),
        (timedelta(hours=-2, minutes=-1), "2 h late"),
    ],
)
def test_when_something_is_due_is_told_from_now(away: timedelta, expected: str) -> None:
    at = datetime.now(UTC) + away
    assert due(at) == expected
    assert is_past(at) == (away < timedelta())


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(570, "9 more minutes"), (90, "1 more minute"), (30, "less than a minute"), (-5, "less than")],
)
def test_for_how_long_somebody_has_something_is_told_in_minutes(
    seconds: int, expected: str
) -> None:
    assert left(datetime.now(UTC) + timedelta(seconds=seconds)).startswith(expected)


def test_times_of_day_say_their_zone() -> None:
    assert moment(datetime(2026, 11, 21, 15, 4, 30, tzinfo=UTC)) == "2026-11-21 15:04 UTC"
    assert since(NOW - timedelta(hours=5)) == "5 h"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://bucket/a/b.mp4?versionId=x/y", "b.mp4"),
        ("/srv/uploads/a b.mp4", "a b.mp4"),
        ("clip.mp4", "clip.mp4"),
        ("/", "/"),
    ],
)
def test_a_video_is_called_by_the_end_of_its_place(uri: str, name: str) -> None:
    assert file_name(uri) == name
