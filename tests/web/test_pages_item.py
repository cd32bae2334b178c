"""The page of an item has all that a decision needs, for whoever may make it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from moderation.decision import Outcome
from moderation.errors import MediaFault
from moderation.evidence import Box, Producer
from moderation.person import Role
from moderation.pictures import shown
from moderation.policy import Policy
from moderation.review import ReviewItem, ReviewQueue
from moderation.review_settings import ReviewSettings
from moderation.scan import Scan
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.verdict import Action, Coverage, CoverageStatus
from moderation.web import Installation
from tests.web.conftest import ADMIN, POLICY, ReviewedScan
from tests.web.html import Html
from tests.web.visitor import Visitor

RULES = """
[[rules]]
id = "weapon"
description = "a weapon is shown"
label = "Violence/Weapons"
except = ["Violence/Weapons/Blunt object"]
min_samples = 2
min_duration = "1500ms"
action = "review"
"""

SPEECH, TERMS = Producer("speech", "1.0"), Producer("terms", "1.0")


@pytest.fixture
def rut(installation: Installation, token: Callable[..., str]) -> Visitor:
    return Visitor(installation, token(Role.REVIEWER, "rut"))


@pytest.fixture
def lea(installation: Installation, token: Callable[..., str]) -> Visitor:
    return Visitor(installation, token(Role.LEAD, "lea"))


def save(installation: Installation, scan: Scan, policy: str = POLICY) -> str:
    """Store it as that policy judged it; the id of the item that waits last."""
    judge = Policy.parse(policy, "ours.toml")
    judged = replace(scan, verdict=replace(scan.verdict, policy=judge.ref))
    installation.store.save(judged, judge, fingerprint="all")
    return installation.queue.list(ADMIN)[-1].id


def opened(visitor: Visitor, item: ReviewItem) -> Html:
    """By who has it from now on."""
    return visitor.follow(visitor.post(f"/items/{item.id}/claim"))


def test_there_is_a_lane_for_each_detector(rut: Visitor, reviewed_scan: ReviewedScan) -> None:
    item = reviewed_scan(
        make_evidence(),
        coverage=(
            Coverage(detector="objects", status=CoverageStatus.COMPLETE, planned=60, examined=60),
            Coverage(detector="nudity", status=CoverageStatus.UNAVAILABLE, reason="no weights"),
        ),
    )
    page = opened(rut, item)
    lanes = [each for each in page.all("div") if "data-detector" in each]
    assert [each["data-detector"] for each in lanes] == ["objects", "nudity"]
    drawings = [each["aria-label"] for each in page.all("svg", role="img")]
    assert drawings[0].startswith("objects: 1 sighting, the surest Violence/Weapons/Knife")
    assert drawings[1] == "nudity: not seen, unavailable"
    assert "family-violence" in page.one("path", class_="shape family-violence")["class"]


def test_what_was_flagged_plays_with_a_few_seconds_around_it(
    rut: Visitor, reviewed_scan: ReviewedScan
) -> None:
    near = [make_evidence(start_s=20), make_evidence(start_s=25, end_s=26)]
    context = make_evidence("Context/Person", start_s=40)
    item = reviewed_scan(make_evidence(start_s=1), *near, context)
    case = opened(rut, item).case
    assert case["windows"] == [[0, 4_000_000], [17_000_000, 29_000_000]]
    assert [each["start_us"] for each in case["moments"]] == [1_000_000, 20_000_000, 25_000_000]


def test_what_no_rule_fired_on_stands_last_and_does_not_play(
    rut: Visitor, installation: Installation
) -> None:
    scan = make_scan(make_evidence("Alcohol", start_s=5, score=0.99), make_evidence(start_s=30))
    judged = replace(scan, verdict=replace(scan.verdict, reasons=scan.verdict.reasons[1:]))
    page = opened(rut, installation.queue.show(save(installation, judged), ADMIN).item)
    assert page.case["windows"] == [[27_000_000, 33_000_000]]
    assert [each["asked"] for each in page.case["moments"]] == [False, True]
    buttons = [each for each in page.all("button") if "moment" in each.get("class")]
    assert [each["data-best-us"] for each in buttons] == ["30000000", "5000000"]
    assert page.one("h2", id="moments-title").words == "Flagged moments 1"
    assert "no rule fired on it" in page.one("p", class_="besides quiet").words


def test_a_moment_says_what_was_seen_and_where(rut: Visitor, reviewed_scan: ReviewedScan) -> None:
    item = reviewed_scan(make_evidence(score=0.9, box=Box(0.1, 0.2, 0.3, 0.4)))
    page = opened(rut, item)
    (moment,) = page.case["moments"]
    assert (moment["label"], moment["family"]) == ("Violence/Weapons/Knife", "Violence")
    assert (moment["box"], moment["segment"]) == ([0.1, 0.2, 0.3, 0.4], 0)
    (button,) = [each for each in page.all("button") if "moment" in each.get("class")]
    assert button["data-best-us"] == "1000000"
    assert button.words == "Knife 0:01.0 0.90"
    assert page.one("fieldset", id="segment-0")["data-start-us"] == "1000000"


def test_what_is_said_and_written_can_be_gone_to(rut: Visitor, reviewed_scan: ReviewedScan) -> None:
    said = make_evidence("Context/Speech", start_s=7, text="you slur you", producer=SPEECH)
    written = make_evidence("Context/Screen text", start_s=9, text="call now")
    slur = make_evidence("Hate/Slur", start_s=7, text="slur", producer=TERMS)
    page = opened(rut, reviewed_scan(said, written, slur))
    flagged, plain = [each for each in page.all("li") if each.around[-1].tag == "ol"]
    assert flagged["class"] == "flagged"
    assert "you slur you Hate › Slur" in flagged.words
    assert "call now" in plain.words
    seeks = [each["data-seek-us"] for each in page.all("button") if plain in each.around]
    assert seeks == ["9000000"]


def test_the_rule_that_fired_is_told_with_its_thresholds_and_the_policys_text(
    rut: Visitor, installation: Installation
) -> None:
    evidence = make_evidence(score=0.8)
    scan = make_scan(evidence)
    (reason,) = scan.verdict.reasons
    fired = replace(
        reason,
        rule="weapon",
        values={"score": 0.8, "samples": 3, "duration_s": 2.0},
        thresholds={"min_score": 0.5, "min_samples": 2, "min_duration_s": 1.5},
    )
    judged = replace(scan, verdict=replace(scan.verdict, reasons=(fired,)))
    id = save(installation, judged, POLICY.replace("\n[reasons]", RULES + "\n[reasons]"))
    article = opened(rut, installation.queue.show(id, ADMIN).item).one("article", id="rule-1")
    assert "a weapon is shown" in article.words
    assert "score 0.80 asked 0.50 samples 3 asked 2 duration 2.00 s asked 1.50 s" in article.words
    assert (
        "Violence/Weapons with a score of 0.50 or more, but for Violence/Weapons/Blunt object, "
        "at 2 instants or more or for 1.5 s or longer"
    ) in article.words


def test_no_reason_is_asked_for_where_the_policy_has_none(
    rut: Visitor, reviewed_scan: ReviewedScan
) -> None:
    policy, _, _ = POLICY.partition("[reasons]")
    page = opened(rut, reviewed_scan(policy=policy))
    assert "reason" not in page.form()
    assert rut.decide(page.case["id"], outcome="uphold").status_code == 303


def test_reasons_are_offered_with_what_they_mean(rut: Visitor, reviewed_scan: ReviewedScan) -> None:
    select = opened(rut, reviewed_scan()).one("select", name="reason")
    assert select.words == "what looks like a weapon is a toy (toy)"


def test_what_was_not_looked_at_is_told_in_words(rut: Visitor, reviewed_scan: ReviewedScan) -> None:
    cut = Coverage(
        detector="objects",
        status=CoverageStatus.PARTIAL,
        planned=60,
        examined=30,
        reason="the file is cut off",
    )
    page = opened(rut, reviewed_scan(action=Action.INCOMPLETE, coverage=(cut,)))
    (notice,) = page.all("section", class_="notice")
    assert "Not everything was looked at objects examined 30 of 60 samples" in notice.words
    looked = page.one("li", class_="partial")
    assert looked.words == "objects looked at 30 of 60 samples (50 %): the file is cut off"
    assert any(each["action"].endswith("/rescan") for each in page.all("form"))


def test_a_video_that_could_not_be_scanned_can_be_decided(
    rut: Visitor, installation: Installation
) -> None:
    failed = make_failed_scan(MediaFault.ENCRYPTED)
    page = opened(rut, installation.queue.show(save(installation, failed), ADMIN).item)
    assert "broken.mp4 cannot be scanned (encrypted)" in page.text
    assert not page.all("video")
    assert page.case["video"] == ""
    assert page.all("form", id="decision")


def test_a_video_without_a_picture_says_so(rut: Visitor, installation: Installation) -> None:
    scan = make_scan(make_evidence("Context/Speech", text="hello", producer=SPEECH))
    sound = replace(scan, video=replace(scan.video, has_video=False, width=0, height=0, fps=0.0))
    page = opened(rut, installation.queue.show(save(installation, sound), ADMIN).item)
    assert "No picture: this upload is sound alone." in page.text
    assert "sound-only" in page.one("div", id="stage")["class"]


def test_a_reviewer_sees_only_what_they_have(rut: Visitor, reviewed_scan: ReviewedScan) -> None:
    item = reviewed_scan()
    assert rut.get(f"/items/{item.id}").status_code == 403
    assert rut.get(f"/items/{item.id}/report.json").status_code == 403


def test_a_lead_sees_what_somebody_else_has_and_decides_nothing(
    rut: Visitor, lea: Visitor, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    opened(rut, item)
    page = lea.page(f"/items/{item.id}")
    assert "rut has it until" in page.text
    assert not page.all("form", id="decision")
    assert not page.case["held_by_me"]


def test_an_item_that_there_is_not_is_not_found(lea: Visitor) -> None:
    assert lea.get("/items/nothing").status_code == 404


def test_a_second_look_knows_nothing_of_the_first(
    rut: Visitor, lea: Visitor, installation: Installation, reviewed_scan: ReviewedScan
) -> None:
    twice = ReviewQueue(installation.store, ReviewSettings(second_look_share=1, undo_s=0))
    item = reviewed_scan()
    version = twice.claim(item.id, rut.person).item.version
    uphold, note = Outcome.UPHOLD, "it is real"
    twice.decide(item.id, rut.person, version=version, outcome=uphold, note=note)
    page = lea.follow(lea.post("/work"))
    assert "A second look" in page.text
    assert "it is real" not in page.text
    assert not page.all("h2", id="decisions-title")


def test_an_appeal_says_what_they_say_and_what_was_decided(
    rut: Visitor, lea: Visitor, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    rut.post(f"/items/{item.id}/claim")
    rut.decide(item.id, outcome="uphold", note="a real knife", next="")
    lea.post(f"/items/{item.id}/appeal", why="it is a toy")
    page = lea.follow(lea.post("/work"))
    assert "An appeal" in page.text
    assert page.all("blockquote")[0].words == "it is a toy"
    (before,) = page.all("ul", class_="decisions")
    assert "Uphold stands by rut" in before.words
    assert "a real knife" in before.words


def test_an_item_with_a_newer_verdict_is_shown_closed(
    lea: Visitor, installation: Installation, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    save(installation, replace(make_scan(make_evidence(score=0.7)), id="newer"))
    page = lea.page(f"/items/{item.id}")
    assert "A newer verdict has taken its place." in page.text
    assert not page.all("form", id="decision")


def test_the_whole_case_is_a_json_report(lea: Visitor, reviewed_scan: ReviewedScan) -> None:
    item = reviewed_scan(make_evidence(), make_evidence(start_s=3))
    answer = lea.get(f"/items/{item.id}/report.json")
    assert answer.json()["schema"] == "moderation.report/v1"
    assert len(answer.json()["evidence"]) == 2
    assert "attachment" in answer.headers["content-disposition"]


def test_everything_is_veiled_when_the_page_opens(
    rut: Visitor, installation: Installation, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    page = opened(rut, item)
    assert page.case["defaults"] == {"blur": True, "grey": True, "mute": True}
    assert {"veiled", "grey"} <= set(page.one("div", id="stage")["class"].split())
    video = page.one("video", id="video")
    assert "src" not in video
    assert "muted" in video
    assert "autoplay" not in video
    assert video["preload"] == "none"
    assert [each.us for each in shown(installation.queue.show(item.id, ADMIN).scan)] == [1_000_000]


def test_row_139_without_scripts_there_are_veiled_pictures_and_no_other(
    rut: Visitor, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan(*(make_evidence(start_s=second) for second in range(1, 40, 3)))
    page = opened(rut, item)
    pictures = [each["src"] for each in page.all("img")] + [page.one("video")["poster"]]
    assert len(pictures) > 13
    assert all("veiled" in each for each in pictures)
    stills = [x for x in page.all("img") if any(y.tag == "noscript" for y in x.around)]
    assert len(stills) == 12
    assert all(each["src"].startswith("/media/picture/") for each in stills)
    sheets = [x["href"] for x in page.all("link") if any(y.tag == "noscript" for y in x.around)]
    assert sheets == ["/static/no-script.css"]


def test_a_long_list_is_cut_and_counted(rut: Visitor, reviewed_scan: ReviewedScan) -> None:
    evidence = [make_evidence(start_s=n / 10) for n in range(400)]
    lines = [make_evidence("Context/Speech", start_s=n, text=f"line {n}") for n in range(500)]
    page = opened(rut, reviewed_scan(*evidence, *lines))
    assert "340 more in the timeline" in page.text
    assert "200 more lines" in page.text
    assert "392 more places" in page.text
    assert "250 more cannot be judged one by one here" in page.text
    reports = [each for each in page.all("a") if each["href"].endswith("/report.json")]
    assert len(reports) >= 4
