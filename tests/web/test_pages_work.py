"""One opens the page to work: what one has, or the next of what waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from moderation.person import Role
from moderation.review import ReviewItem
from moderation.store.models import ExposureRow
from moderation.timeline import MICROSECONDS
from moderation.verdict import Severity
from moderation.web import Installation
from tests.web.conftest import ADMIN, ReviewedScan
from tests.web.visitor import Visitor


@pytest.fixture
def rut(installation: Installation, token: Callable[..., str]) -> Visitor:
    return Visitor(installation, token(Role.REVIEWER, "rut"))


@pytest.fixture
def item(reviewed_scan: ReviewedScan) -> ReviewItem:
    return reviewed_scan()


def test_one_opens_the_page_to_work(rut: Visitor) -> None:
    answer = rut.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/work")


def test_nothing_waits(rut: Visitor) -> None:
    page = rut.page("/work")
    assert page.one("h1").words == "Nothing waits"
    assert not page.all("form", action="/work")


def test_opening_the_page_claims_nothing(
    rut: Visitor, item: ReviewItem, installation: Installation
) -> None:
    page = rut.page("/work")
    assert "1 item waiting, the most severe first." in page.text
    assert installation.queue.show(item.id, ADMIN).item.holder == ""


def test_the_most_severe_of_what_waits_is_claimed_and_shown(
    rut: Visitor, reviewed_scan: ReviewedScan
) -> None:
    reviewed_scan(name="mild.mp4", severity=Severity.LOW)
    worst = reviewed_scan(name="worst.mp4", severity=Severity.CRITICAL)
    answer = rut.post("/work")
    assert answer.headers["location"] == f"/items/{worst.id}"
    assert rut.follow(answer).case["held_by_me"]


def test_who_has_an_item_goes_on_with_it(rut: Visitor, item: ReviewItem) -> None:
    rut.post("/work")
    page = rut.page("/work")
    assert page.one("h1").words == "You have 1 item"
    assert page.all("a", href=f"/items/{item.id}")
    assert not page.all("form", action="/work")


def test_who_can_have_nothing_of_what_waits_is_told(
    rut: Visitor, item: ReviewItem, installation: Installation
) -> None:
    installation.queue.claim(item.id, ADMIN)
    page = rut.follow(rut.post("/work"))
    assert "Nothing of it is for you now" in page.text
    assert "What there is to decide, 1 item, is in somebody’s hands." in page.text
    assert not page.all("form", action="/work")


def test_what_others_have_is_not_counted_as_waiting(
    rut: Visitor, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    items = [reviewed_scan(name=f"{number}.mp4") for number in range(3)]
    installation.queue.claim(items[0].id, ADMIN)
    page = rut.page("/work")
    assert "2 items waiting, the most severe first; 1 more in somebody’s hands." in page.text
    assert page.one("section", class_="card narrow start")["data-open"] == "3"


@pytest.fixture
def weary(rut: Visitor, item: ReviewItem, installation: Installation) -> Visitor:
    """Rut has decided one item, and has seen enough with it."""
    rut.post("/work")
    now, cap_us = (
        datetime.now(UTC),
        round(installation.settings.review.exposure_cap_s * MICROSECONDS),
    )
    row = ExposureRow(
        person="rut",
        day=now.date().isoformat(),
        item_id=item.id,
        severity=item.severity,
        seconds=cap_us / MICROSECONDS,
        unveiled_seconds=0,
        first_us=0,
        last_us=cap_us,
    )
    with installation.store.writing() as session:
        session.add(row)
    return rut


def test_who_has_seen_enough_today_finishes_what_they_have_and_gets_no_more(
    weary: Visitor, item: ReviewItem, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    other = reviewed_scan(name="other.mp4")
    assert weary.page("/work").all("a", href=f"/items/{item.id}")
    page = weary.follow(weary.decide(item.id, outcome="uphold"))
    assert page.one("h1").words == "Enough for today"
    assert not page.all("form", action="/work")
    queue = weary.page("/queue")
    assert "enough for today" in queue.one("tbody").words
    assert not queue.all("form", action=f"/items/{other.id}/claim")
    assert weary.post("/work").status_code == 409
    assert weary.post(f"/items/{other.id}/claim").status_code == 409
    assert installation.queue.show(other.id, ADMIN).item.holder == ""


def test_a_program_has_no_work_here(installation: Installation, token: Callable[..., str]) -> None:
    assert Visitor(installation, token(Role.SERVICE)).get("/work").status_code == 403
