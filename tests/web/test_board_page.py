"""Leads see the board; everybody sees what they watched; a page's beats keep its item."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, update

from moderation.decision import Outcome
from moderation.person import Person, Role
from moderation.store.models import ExposureRow, ReviewItemRow
from moderation.testing.scans import make_evidence
from moderation.timeline import MICROSECONDS
from moderation.web import Installation
from tests.web.asking import TestClient, asking
from tests.web.conftest import ReviewedScan
from tests.web.server import WebServer

Tokens = Callable[..., str]

OPEN_S = 1.0
"""Of computing, in which the page of 10,000 waiting items is to be made."""


def somebody(name: str, role: Role = Role.REVIEWER) -> Person:
    return Person(name=name, role=role, created_at=datetime.now(UTC))


ANN, BEN = map(somebody, ("ann", "ben"))


@pytest.fixture
def lea(installation: Installation, token: Tokens) -> TestClient:
    return asking(installation, token(Role.LEAD, "lea"))


@pytest.fixture
def ann(installation: Installation, token: Tokens) -> TestClient:
    return asking(installation, token(Role.REVIEWER, "ann"))


def decided(here: Installation, item_id: str, by: Person, outcome: Outcome) -> None:
    version = here.queue.claim(item_id, by).item.version
    here.queue.decide(item_id, by, version=version, outcome=outcome)


def text(page: str) -> str:
    """Of a page, without its tags."""
    return " ".join(re.sub("<[^>]*>", " ", page).split())


# The board


def test_an_empty_board_opens(lea: TestClient) -> None:
    page = lea.get("/board")
    assert page.status_code == 200
    assert "0 undecided, of these 0 overdue and 0 in somebody's hands" in text(page.text)
    assert "Nothing was decided in this time." in page.text
    assert "there is neither an agreement nor a kappa to tell" in page.text


def test_the_board_tells_what_waits_and_what_was_wrong(
    installation: Installation, reviewed_scan: ReviewedScan, lea: TestClient
) -> None:
    wrong, right, held = (reviewed_scan(name=name).id for name in ("a", "b", "c"))
    reviewed_scan(name="d")
    decided(installation, wrong, ANN, Outcome.OVERTURN)
    decided(installation, right, BEN, Outcome.UPHOLD)
    installation.queue.claim(held, ANN)
    page = text(lea.get("/board?days=7").text)
    assert "2 undecided, of these 0 overdue and 1 in somebody's hands" in page
    assert "knife 2 1 50 % 9 % – 91 %" in page
    assert "objects 2 1 50 %" in page
    assert f"{held} ann" in page


def test_figures_are_there_for_programs(
    installation: Installation, reviewed_scan: ReviewedScan, lea: TestClient
) -> None:
    decided(installation, reviewed_scan().id, ANN, Outcome.OVERTURN)
    figures = lea.get("/api/v1/board", params={"days": 1}).json()
    assert figures["proved"]["rules"]["knife"]["share"] == 1
    assert figures["agreement"] == {"n": 0, "same": None, "kappa": None}
    assert [each["person"] for each in figures["people"]] == ["ann"]


@pytest.mark.parametrize("path", ["/board", "/api/v1/board"])
@pytest.mark.parametrize("days", ["0", "367", "all"])
def test_days_that_are_none_are_refused(lea: TestClient, path: str, days: str) -> None:
    assert lea.get(path, params={"days": days}).status_code == 422


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        (Role.REVIEWER, "/board", 403),
        (Role.REVIEWER, "/api/v1/board", 403),
        (Role.SERVICE, "/board", 403),
        (Role.SERVICE, "/board/me", 403),
        (Role.ADMIN, "/board", 200),
    ],
)
def test_the_board_is_for_leads(
    installation: Installation, token: Tokens, role: Role, path: str, status: int
) -> None:
    assert asking(installation, token(role)).get(path).status_code == status


def test_a_lead_frees_what_somebody_has(
    web_server: WebServer, installation: Installation, token: Tokens, reviewed_scan: ReviewedScan
) -> None:
    """By the button of the page, as a browser sends it."""
    item = reviewed_scan().id
    installation.queue.claim(item, ANN)
    with httpx.Client(base_url=web_server.url, headers={"Sec-Fetch-Site": "same-origin"}) as page:
        page.post("/sign-in", data={"token": token(Role.LEAD, "lea")})
        csrf = re.findall(r'name="csrf" value="(\w+)"', page.get("/board").text)[-1]
        assert page.post(f"/board/free/{item}").status_code == 403, "without the token"
        freed = page.post(f"/board/free/{item}", data={"csrf": csrf})
    assert (freed.status_code, freed.headers["location"]) == (303, "/board#held")
    assert installation.queue.claim(item, BEN).item.holder == "ben"


def test_nobody_else_frees_what_somebody_has(
    installation: Installation, ann: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan().id
    installation.queue.claim(item, BEN)
    assert ann.post(f"/board/free/{item}").status_code == 403
    assert installation.queue.show(item, BEN).item.holder == "ben"


def test_names_of_rules_and_people_are_text(
    installation: Installation, reviewed_scan: ReviewedScan, lea: TestClient
) -> None:
    item = reviewed_scan(make_evidence("Violence/<script>alert(1)</script>")).id
    decided(installation, item, somebody("<img src=x onerror=alert(1)>"), Outcome.OVERTURN)
    page = lea.get("/board").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_no_page_has_what_the_security_policy_forbids(lea: TestClient) -> None:
    for path in ("/board", "/board/me"):
        assert not re.search(r"\sstyle=|<style|<script(?![^>]*\ssrc=)|\son\w+=", lea.get(path).text)


def test_a_board_of_ten_thousand_waiting_items_opens_at_once(
    installation: Installation, reviewed_scan: ReviewedScan, lea: TestClient
) -> None:
    reviewed_scan()
    with installation.store.writing() as session:
        row = session.query(ReviewItemRow).one()
        names = ("verdict_id", "video_id", "severity_rank", "state", "created_at", "purpose")
        like = {name: getattr(row, name) for name in names}
        rows = [{**like, "id": f"item{n}", "case_id": f"item{n}"} for n in range(9_999)]
        session.execute(insert(ReviewItemRow), rows)
    lea.get("/board")
    began = time.process_time()
    page = lea.get("/board")
    assert time.process_time() - began < OPEN_S
    assert "10000 undecided" in text(page.text)


# Activity and exposure


def beat(page: TestClient, item_id: str, seconds: float = 9.5, unveiled: float = 2) -> Any:
    sent = {"seconds": seconds, "unveiled_seconds": unveiled}
    return page.post(f"/items/{item_id}/activity", json=sent)


def test_activity_keeps_the_item_and_counts_what_was_watched(
    installation: Installation, ann: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan().id
    held = installation.queue.claim(item, ANN).item
    answer = beat(ann, item).json()
    assert held.held_until is not None
    assert datetime.fromisoformat(answer["held_until"]) >= held.held_until
    assert answer == {
        "held_until": answer["held_until"],
        "today_s": 19.0,  # high severity: twice
        "cap_s": 14_400,
        "pause": False,
    }
    assert "watched 10 s without blur 2 s weighted 19 s" in text(ann.get("/board/me").text)


def test_who_has_the_item_no_more_is_told_and_what_was_watched_counts(
    installation: Installation, ann: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan().id
    installation.queue.claim(item, BEN)
    answer = beat(ann, item, 5)
    assert (answer.status_code, answer.json()["title"]) == (
        409,
        f"ben has the review item {item} now",
    )
    assert installation.exposure.today(ANN).total.seconds == 5


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"seconds": -1},
        {"seconds": "many"},
        {"seconds": 1e300},
        {"seconds": 5, "unveiled_seconds": -2},
        {"seconds": 5, "person": "ben"},
        [],
    ],
)
def test_activity_that_is_none_is_refused(
    ann: TestClient, reviewed_scan: ReviewedScan, sent: object
) -> None:
    answer = ann.post(f"/items/{reviewed_scan().id}/activity", json=sent)
    assert answer.status_code == 422


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_seconds_that_are_no_number_are_refused(
    ann: TestClient, reviewed_scan: ReviewedScan, number: str
) -> None:
    answer = ann.post(
        f"/items/{reviewed_scan().id}/activity",
        content=f'{{"seconds": {number}}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code in (400, 422)


def test_an_item_that_there_is_not_cannot_be_watched(ann: TestClient) -> None:
    assert beat(ann, "nothing").status_code == 404


def test_everybody_sees_their_own_day_and_leads_the_totals(
    installation: Installation, ann: TestClient, lea: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan().id
    installation.exposure.add(BEN, item, 25)
    assert "Nothing yet." in ann.get("/board/me").text
    assert "ben 25 s 0 s 50 s" in text(lea.get("/board").text)
    assert item not in lea.get("/board").text.partition('id="exposure"')[2]


def test_who_has_seen_enough_is_thanked(
    installation: Installation, ann: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan().id
    installation.exposure.add(ANN, item, 10)
    with installation.store.writing() as session:
        session.execute(update(ExposureRow).values(seconds=7200))
    page = text(ann.get("/board/me").text)
    assert "You have seen enough for today: thank you." in page
    assert "weighted 4 h 00 min of 4 h 00 min" in page


def test_a_pause_is_suggested_where_the_day_is_shown(
    installation: Installation, ann: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan().id
    installation.exposure.add(ANN, item, 10)
    with installation.store.writing() as session:
        longer = {"seconds": 1800, "first_us": ExposureRow.first_us - 1800 * MICROSECONDS}
        session.execute(update(ExposureRow).values(longer))
    assert "30 min without a pause. 5 min away from the screen" in text(ann.get("/board/me").text)
    installation.queue.claim(item, ANN)
    assert beat(ann, item).json()["pause"] is True
