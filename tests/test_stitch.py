"""What was seen in sections, as if the video had been looked at in one piece."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moderation.examination import Examination
from moderation.plan import Plan
from moderation.scan import Video
from moderation.section import Section, sections
from moderation.stitch import stitch, unseen, with_silent
from moderation.testing.scans import make_evidence
from moderation.timeline import Instant
from moderation.verdict import Coverage, CoverageStatus

VIDEO = Video(uri="long.mp4", duration_us=30_000_000, has_video=True)
FIRST, SECOND, THIRD = PARTS = sections([Instant(10_000_000), Instant(20_000_000)])


def look(planned: float = 10, examined: float | None = None, reason: str = "") -> Examination:
    examined = planned if examined is None else examined
    status = CoverageStatus.COMPLETE if examined == planned else CoverageStatus.PARTIAL
    covered = Coverage(
        detector="eyes", status=status, planned=planned, examined=examined, reason=reason
    )
    return Examination(coverage=(covered,), seconds={"eyes": 2.0}, scan_s=3.0, decoded=Instant(1))


def covered(*looks: Examination) -> Coverage:
    (coverage,) = stitch(list(zip(PARTS, looks, strict=False)), VIDEO).coverage
    return coverage


def test_a_video_falls_into_sections_without_a_gap() -> None:
    assert [str(each) for each in PARTS] == [
        "0:00:00.000-0:00:10.000",
        "0:00:10.000-0:00:20.000",
        "0:00:20.000-end",
    ]
    for at in (0, 9_999_999, 10_000_000, 29_000_000, 99_000_000):
        assert sum(Instant(at) in each for each in PARTS) == 1


def test_a_plan_survives_the_database() -> None:
    plan = Plan(video=VIDEO, lanes={"cpu": ["eyes"]}, cuts=(Instant(10_000_000),))
    assert Plan.read(plan.written) == plan
    assert plan.section(1) == Section(1, Instant(10_000_000))
    whole = replace(plan, cuts=())
    assert (len(whole.sections), whole.section(0)) == (1, None)


def test_what_was_looked_at_adds_up() -> None:
    whole = stitch([(FIRST, look()), (SECOND, look()), (THIRD, look())], VIDEO)
    (coverage,) = whole.coverage
    assert (coverage.status, coverage.planned, coverage.examined) == ("complete", 30, 30)
    assert (whole.seconds, whole.scan_s) == ({"eyes": 6.0}, 3.0)


def test_the_worst_section_counts_and_is_named() -> None:
    coverage = covered(look(), look(examined=4, reason="it is cut off"), look())
    assert (coverage.status, coverage.examined) == (CoverageStatus.PARTIAL, 24)
    assert coverage.reason == "0:00:10.000-0:00:20.000: it is cut off"


def test_what_is_so_everywhere_is_said_once() -> None:
    assert covered(look(reason="a"), look(reason="a"), look(reason="a")).reason == "a"


def test_a_section_that_nobody_saw_lies_heavy_on_the_share() -> None:
    coverage = covered(look(), unseen(["eyes"], "the worker fell silent"), look())
    assert coverage.status is CoverageStatus.FAILED
    assert coverage.share == pytest.approx(2 / 3)
    assert coverage.reason == "0:00:10.000-0:00:20.000: the worker fell silent"


def test_what_two_sections_saw_of_one_instant_is_there_once() -> None:
    """A second look reaches over borders; who owns the instant is believed."""
    at, told, other = (make_evidence(start_s=s, score=0.9) for s in (10, 10.25, 10.5))
    looks = [
        replace(look(), evidence=(replace(told, score=0.8), other)),
        replace(look(), evidence=(at, told)),
        replace(look(), evidence=(other,)),
    ]
    whole = stitch(list(zip(PARTS, looks, strict=True)), VIDEO)
    assert sorted(whole.evidence, key=lambda each: each.span) == [at, told, other]


def test_people_told_apart_in_one_section_are_not_those_of_another() -> None:
    seen = [make_evidence(start_s=at, subject="face 1") for at in (5, 15)]
    looks = [replace(look(), evidence=(each,)) for each in seen]
    whole = stitch(list(zip((FIRST, SECOND), looks, strict=True)), VIDEO)
    assert [each.subject for each in whole.evidence] == ["face 1", "face 1 of section 2"]


def test_a_person_of_a_watch_list_is_the_same_everywhere() -> None:
    seen = make_evidence(subject="Agent 47")
    whole = stitch([(each, replace(look(), evidence=(seen,))) for each in (FIRST, SECOND)], VIDEO)
    assert {each.subject for each in whole.evidence} == {"Agent 47"}


def test_a_section_whose_worker_lacks_a_detector_is_not_complete() -> None:
    seen = covered(look(), with_silent(Examination(), ["eyes"]))
    assert (seen.status, seen.planned, seen.examined) == (CoverageStatus.FAILED, 20, 10)
    assert "does not bring it" in seen.reason
