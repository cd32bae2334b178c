"""Forms of an item's page: what is sent is done once, and what is refused loses nothing typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moderation.config import Settings
from moderation.decision import Judgement, Outcome, Remedy
from moderation.person import Role
from moderation.review import ItemState, ReviewItem
from moderation.review_settings import ReviewSettings
from moderation.testing.scans import make_evidence
from moderation.web import Installation
from tests.web.conftest import ADMIN, ReviewedScan
from tests.web.html import Html
from tests.web.visitor import Visitor


@pytest.fixture
def rut(installation: Installation, token: Callable[..., str]) -> Visitor:
    return Visitor(installation, token(Role.REVIEWER, "rut"))


@pytest.fixture
def lea(installation: Installation, token: Callable[..., str]) -> Visitor:
    return Visitor(installation, token(Role.LEAD, "lea"))


@pytest.fixture
def item(reviewed_scan: ReviewedScan, rut: Visitor) -> ReviewItem:
    """With two segments; rut has it."""
    item = reviewed_scan(make_evidence(), make_evidence("Hate/Slur", start_s=5, text="slur"))
    rut.post(f"/items/{item.id}/claim")
    return item


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Installation]:
    """In which a decision needs a reason."""
    review = ReviewSettings(audit_share=0, second_look_share=0, require_reason=True)
    with Installation.open(Settings(home=tmp_path / "home", review=review)) as installation:
        yield installation


def state(installation: Installation, item: ReviewItem) -> ItemState:
    return installation.queue.show(item.id, ADMIN).item.state


def alert(page: Html) -> str:
    return page.one("div", role="alert").words


def test_a_decision_is_taken_and_the_next_item_shown(
    rut: Visitor, item: ReviewItem, installation: Installation, reviewed_scan: ReviewedScan
) -> None:
    following = reviewed_scan(name="next.mp4")
    answer = rut.decide(item.id, outcome="overturn", reason="toy", note="plastic\r\nand pink")
    page = rut.follow(answer)
    assert page.case["id"] == following.id
    (decision,) = installation.queue.show(item.id, ADMIN).decisions
    assert (decision.outcome, decision.reason) == (Outcome.OVERTURN, "toy")
    assert decision.note == "plastic\nand pink"


def test_after_the_last_item_one_is_back_at_work(rut: Visitor, item: ReviewItem) -> None:
    page = rut.follow(rut.decide(item.id, outcome="uphold"))
    assert page.one("h1").words == "Nothing waits"
    assert page.one("div", id="undo-bar").words.startswith("Decided: uphold")


def test_segments_are_judged_one_by_one(
    rut: Visitor, item: ReviewItem, installation: Installation
) -> None:
    fields = {
        "segment-0-judgement": "correct",
        "segment-0-corrected": "Violence/Weapons/Firearm",
        "segment-0-remedy": "blur",
        "segment-1-judgement": "reject",
    }
    rut.follow(rut.decide(item.id, outcome="partial", **fields))
    case = installation.queue.show(item.id, ADMIN)
    first, second = case.decisions[0].segments
    assert (first.judgement, first.corrected) == (Judgement.CORRECT, "Violence/Weapons/Firearm")
    assert (first.remedy, second.judgement) == (Remedy.BLUR, Judgement.REJECT)
    assert first.evidence_ids == (case.scan.evidence[0].id,)


@pytest.mark.parametrize("outcome", ["skip", "escalate"])
def test_a_button_decides_at_once(
    rut: Visitor, item: ReviewItem, installation: Installation, outcome: str
) -> None:
    rut.decide(item.id, outcome="uphold", at_once=outcome)
    case = installation.queue.show(item.id, ADMIN)
    assert case.item.state is ItemState.OPEN
    assert [each.outcome.value for each in case.decisions] == [outcome]


def test_a_decision_can_be_taken_back_for_a_while(
    rut: Visitor, item: ReviewItem, installation: Installation
) -> None:
    page = rut.follow(rut.decide(item.id, outcome="uphold"))
    form = page.one("form", id="undo")
    assert 0 < int(page.one("div", id="undo-bar")["data-seconds"]) <= 10
    again = rut.follow(rut.post(form["action"]))
    assert again.case["held_by_me"]
    assert state(installation, item) is ItemState.OPEN


def test_what_cannot_be_taken_back_any_more_is_not_offered(rut: Visitor, item: ReviewItem) -> None:
    address = rut.decide(item.id, outcome="uphold").headers["location"]
    (until,) = [part for part in address.split("&") if part.startswith("until=")]
    assert not rut.page(address.replace(until, "until=1000")).all("form", id="undo")


@pytest.mark.parametrize("id", ["../sign-out", "a/../../sign-out?", "A", ""])
def test_the_undo_bar_leads_nowhere_else(rut: Visitor, id: str) -> None:
    page = rut.page(f"/work?undo={id}&said=uphold&until=99999999999")
    assert not page.all("form", id="undo")


def test_nothing_is_decided_without_an_outcome(
    rut: Visitor, item: ReviewItem, installation: Installation
) -> None:
    answer = rut.decide(item.id, note="hm, let me think")
    page = Html.of(answer.text)
    assert answer.status_code == 422
    assert alert(page) == "nothing is decided yet choose one of the outcomes"
    assert page.field("note") == "hm, let me think"
    assert state(installation, item) is ItemState.OPEN


def test_a_missing_reason_is_told_and_nothing_typed_is_lost(
    strict: Installation, token: Callable[..., str], reviewed_scan: ReviewedScan
) -> None:
    rut = Visitor(strict, token(Role.REVIEWER, "rut"))
    item = reviewed_scan()
    rut.post(f"/items/{item.id}/claim")
    typed = {
        "outcome": "uphold",
        "note": " two\nlines",
        "segment-0-judgement": "confirm",
        "segment-0-remedy": "cut",
    }
    answer = rut.decide(item.id, **typed)
    page = Html.of(answer.text)
    assert answer.status_code == 422
    assert alert(page) == "a decision needs a reason give one of toy"
    assert {name: page.field(name) for name in typed} == typed
    again = rut.post(f"/items/{item.id}/decide", **{**page.form(), "reason": "toy"})
    assert again.status_code == 303


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("outcome", "perhaps", "'perhaps' is no choice"),
        ("reason", "nonsense", "the policy has no reason nonsense"),
        ("segment-0-judgement", "maybe", "'maybe' is no choice"),
        ("segment-0-remedy", "blur", "it is not said whether it is there"),
    ],
)
def test_what_does_not_hold_is_told(
    rut: Visitor, item: ReviewItem, field: str, value: str, told: str
) -> None:
    answer = rut.decide(item.id, **{"outcome": "uphold", field: value})
    assert answer.status_code == 422
    assert told in alert(Html.of(answer.text))


@pytest.mark.parametrize(
    ("corrected", "told"),
    [("", "give it the right label"), ("Violence/Weapons/Knive", "Violence/Weapons/Knife")],
)
def test_a_correction_is_a_label_of_the_taxonomy(
    rut: Visitor, item: ReviewItem, corrected: str, told: str
) -> None:
    fields = {"segment-0-judgement": "correct", "segment-0-corrected": corrected}
    answer = rut.decide(item.id, outcome="partial", **fields)
    page = Html.of(answer.text)
    assert answer.status_code == 422
    assert told in alert(page)
    assert page.field("segment-0-corrected") == corrected


def test_row_116_what_has_changed_meanwhile_is_looked_at_again(
    rut: Visitor, item: ReviewItem, installation: Installation
) -> None:
    form = rut.page(f"/items/{item.id}").form()
    rut.post(f"/items/{item.id}/release")
    rut.post(f"/items/{item.id}/claim")
    answer = rut.post(f"/items/{item.id}/decide", **{**form, "outcome": "uphold", "note": "mine"})
    page = Html.of(answer.text)
    assert answer.status_code == 409
    assert "has changed since you saw it" in alert(page)
    assert page.field("note") == "mine"
    assert rut.post(f"/items/{item.id}/decide", **page.form()).status_code == 303
    assert state(installation, item) is ItemState.DECIDED


def test_row_116_a_double_click_decides_once(
    rut: Visitor, item: ReviewItem, installation: Installation
) -> None:
    form = {**rut.page(f"/items/{item.id}").form(), "outcome": "uphold", "note": "once"}
    first, second = (rut.post(f"/items/{item.id}/decide", **form) for _ in range(2))
    assert (first.status_code, second.status_code) == (303, 303)
    assert len(installation.queue.show(item.id, ADMIN).decisions) == 1


def test_who_has_lost_an_item_is_told_who_has_it_and_keeps_what_was_typed(
    rut: Visitor, lea: Visitor, item: ReviewItem, installation: Installation
) -> None:
    form = rut.page(f"/items/{item.id}").form()
    installation.queue.free(item.id, ADMIN)
    lea.post(f"/items/{item.id}/claim")
    typed = {"outcome": "partial", "note": "long thought", "segment-1-judgement": "reject"}
    answer = rut.post(f"/items/{item.id}/decide", **{**form, **typed})
    page = Html.of(answer.text)
    assert answer.status_code == 409
    assert alert(page) == f"lea has the review item {item.id} now"
    assert "long thought" in page.text
    lea.post(f"/items/{item.id}/release")
    (again,) = page.all("form", action=f"/items/{item.id}/claim")
    hidden = [x for x in page.all("input", type="hidden") if again in x.around]
    answer = rut.post(again["action"], **{each["name"]: each["value"] for each in hidden})
    restored = Html.of(answer.text)
    assert {name: restored.field(name) for name in typed} == typed
    assert rut.post(f"/items/{item.id}/decide", **restored.form()).status_code == 303


def test_who_sees_everything_keeps_what_was_typed_about_an_item_that_was_lost(
    rut: Visitor, lea: Visitor, item: ReviewItem, installation: Installation
) -> None:
    installation.queue.free(item.id, ADMIN)
    lea.post(f"/items/{item.id}/claim")
    form = lea.page(f"/items/{item.id}").form()
    lea.post(f"/items/{item.id}/release")
    rut.post(f"/items/{item.id}/claim")
    typed = {"outcome": "partial", "note": "long thought"}
    answer = lea.post(f"/items/{item.id}/decide", **{**form, **typed})
    page = Html.of(answer.text)
    assert answer.status_code == 409
    assert alert(page) == f"rut has the review item {item.id} now"
    (again,) = page.all("form", action=f"/items/{item.id}/claim")
    hidden = {x["name"]: x["value"] for x in page.all("input", type="hidden") if again in x.around}
    refused = Html.of(lea.post(again["action"], **hidden).text)
    assert "long thought" in refused.text, "and once more, while somebody has it"
    rut.post(f"/items/{item.id}/release")
    restored = Html.of(lea.post(again["action"], **hidden).text)
    assert {name: restored.field(name) for name in typed} == typed


def test_a_segment_of_another_verdict_is_not_judged(rut: Visitor, item: ReviewItem) -> None:
    fields = {"segment-0-judgement": "confirm", "segment-0-label": "Alcohol"}
    answer = rut.decide(item.id, outcome="uphold", **fields)
    assert answer.status_code == 409
    assert "what was flagged is not what you saw" in alert(Html.of(answer.text))


def test_an_item_is_given_back(rut: Visitor, item: ReviewItem, installation: Installation) -> None:
    answer = rut.post(f"/items/{item.id}/release")
    assert answer.headers["location"] == "/work"
    assert installation.queue.show(item.id, ADMIN).item.holder == ""


def test_what_another_has_is_not_given_back(
    lea: Visitor, item: ReviewItem, installation: Installation
) -> None:
    answer = lea.post(f"/items/{item.id}/release")
    assert answer.status_code == 409
    assert alert(Html.of(answer.text)) == f"rut has the review item {item.id} now"
    assert installation.queue.show(item.id, ADMIN).item.holder == "rut"


def test_a_lead_has_an_item_decided_again_with_a_reason(
    rut: Visitor, lea: Visitor, item: ReviewItem, installation: Installation
) -> None:
    rut.decide(item.id, outcome="uphold")
    assert lea.post(f"/items/{item.id}/reopen", why=" ").status_code == 422
    assert state(installation, item) is ItemState.DECIDED
    page = lea.follow(lea.post(f"/items/{item.id}/reopen", why="it was a toy"))
    assert "Nobody has it now." in page.text


def test_a_reviewer_reopens_nothing(
    rut: Visitor, item: ReviewItem, installation: Installation
) -> None:
    rut.decide(item.id, outcome="uphold")
    assert not rut.page(f"/items/{item.id}").all("form", action=f"/items/{item.id}/reopen")
    assert rut.post(f"/items/{item.id}/reopen", why="I was wrong").status_code == 403
    assert state(installation, item) is ItemState.DECIDED


def test_an_appeal_opens_an_item_of_its_own(rut: Visitor, lea: Visitor, item: ReviewItem) -> None:
    rut.decide(item.id, outcome="uphold")
    page = lea.follow(lea.post(f"/items/{item.id}/appeal", why="it is a toy"))
    assert page.case["id"] != item.id
    assert "it is a toy" in page.text
    before = lea.page(f"/items/{item.id}")
    assert "An appeal about it waits for a decision." in before.text
    assert not before.all("form", action=f"/items/{item.id}/appeal")


@pytest.mark.parametrize(
    "name", ["claim", "release", "decide", "undo", "reopen", "appeal", "rescan"]
)
def test_an_item_that_there_is_not_is_not_found(lea: Visitor, name: str) -> None:
    answer = lea.post(f"/items/nothing/{name}", why="x", outcome="uphold", version="1", note="n")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "name", ["claim", "release", "decide", "undo", "reopen", "appeal", "rescan"]
)
def test_the_page_of_a_refused_form_can_be_loaded_again(
    rut: Visitor, item: ReviewItem, name: str
) -> None:
    answer = rut.get(f"/items/{item.id}/{name}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/items/{item.id}")


@pytest.mark.parametrize("version", ["", "-1", "x", "9" * 5000])
def test_a_form_that_does_not_say_what_it_is_about_is_refused(
    rut: Visitor, item: ReviewItem, version: str
) -> None:
    assert rut.decide(item.id, outcome="uphold", version=version).status_code == 409
