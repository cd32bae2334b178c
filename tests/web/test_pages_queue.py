"""The queue as a page: in order, a hundred at once, and nothing that somebody may not see."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from moderation.decision import Outcome
from moderation.errors import MediaFault
from moderation.person import Role
from moderation.policy import Policy
from moderation.review import ReviewItem
from moderation.testing.scans import make_evidence, make_failed_scan
from moderation.verdict import Severity
from moderation.web import Installation
from moderation.web.views.queue import ROWS
from tests.web.conftest import ADMIN, POLICY, ReviewedScan
from tests.web.visitor import Visitor


@pytest.fixture
def rut(installation: Installation, token: Callable[..., str]) -> Visitor:
    return Visitor(installation, token(Role.REVIEWER, "rut"))


@pytest.fixture
def lea(installation: Installation, token: Callable[..., str]) -> Visitor:
    return Visitor(installation, token(Role.LEAD, "lea"))


def names(visitor: Visitor, path: str = "/queue") -> list[str]:
    return [each.words for each in visitor.page(path).all("th", scope="row")]


def test_the_most_severe_stands_first(lea: Visitor, reviewed_scan: ReviewedScan) -> None:
    reviewed_scan(name="mild.mp4", severity=Severity.LOW)
    reviewed_scan(name="s3/worst.mp4", severity=Severity.CRITICAL)
    assert names(lea) == ["worst.mp4", "mild.mp4"]


def test_a_row_says_why_and_since_when_and_who_has_it(
    lea: Visitor, rut: Visitor, reviewed_scan: ReviewedScan
) -> None:
    evidence = [make_evidence(f"Hate/Slur{n}") for n in range(5)]
    item = reviewed_scan(*evidence)
    assert "slur0, slur1, slur2 and 2 more" in lea.page("/queue").text
    assert lea.page("/queue").all("form", action=f"/items/{item.id}/claim")
    rut.post(f"/items/{item.id}/claim")
    page = lea.page("/queue")
    assert page.one("tbody").words.endswith("less than a minute rut")
    assert not page.all("form", action=f"/items/{item.id}/claim")


def test_a_reviewer_opens_what_they_have_and_claims_the_rest(
    rut: Visitor, reviewed_scan: ReviewedScan
) -> None:
    mine, other = reviewed_scan(name="mine.mp4"), reviewed_scan(name="other.mp4")
    rut.post(f"/items/{mine.id}/claim")
    page = rut.page("/queue")
    assert page.all("a", href=f"/items/{mine.id}")
    assert not page.all("a", href=f"/items/{other.id}")
    assert page.all("form", action=f"/items/{other.id}/claim")


def test_a_case_that_somebody_has_decided_is_not_offered_to_them_again(
    lea: Visitor, rut: Visitor, installation: Installation, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    version = installation.queue.claim(item.id, rut.person).item.version
    installation.queue.decide(item.id, rut.person, version=version, outcome=Outcome.UPHOLD)
    appeal = installation.queue.appeal(item.id, lea.person, note="it is a toy")
    page = rut.page("/queue")
    assert "not for you: you have decided this case" in page.one("tbody").words
    assert not page.all("form", action=f"/items/{appeal}/claim")
    assert lea.page("/queue").all("form", action=f"/items/{appeal}/claim")


def test_of_what_is_decided_a_reviewer_sees_their_own(
    rut: Visitor, lea: Visitor, installation: Installation, reviewed_scan: ReviewedScan
) -> None:
    for visitor in (rut, lea):
        item = reviewed_scan(name=f"{visitor.person.name}.mp4")
        version = installation.queue.claim(item.id, visitor.person).item.version
        installation.queue.decide(item.id, visitor.person, version=version, outcome=Outcome.UPHOLD)
    assert names(rut, "/queue?state=decided") == ["rut.mp4"]
    assert sorted(names(lea, "/queue?state=decided")) == ["lea.mp4", "rut.mp4"]


def test_a_long_queue_is_shown_page_by_page(lea: Visitor, reviewed_scan: ReviewedScan) -> None:
    for number in range(ROWS + 2):
        reviewed_scan(name=f"{number}.mp4")
    first = lea.page("/queue")
    assert f"{ROWS + 2} items" in first.text
    (following,) = first.all("a", rel="next")
    shown = [*names(lea), *names(lea, following["href"])]
    assert len(names(lea)) == ROWS
    assert len(set(shown)) == ROWS + 2
    assert not lea.page(following["href"]).all("a", rel="next")


def test_a_video_that_could_not_be_scanned_says_why(
    lea: Visitor, installation: Installation
) -> None:
    policy = Policy.parse(POLICY, "ours.toml")
    failed = make_failed_scan(MediaFault.ENCRYPTED, policy=policy.ref)
    installation.store.save(failed, policy, fingerprint="all")
    assert "broken.mp4 cannot be scanned (encrypted)" in lea.page("/queue").text


def test_an_empty_page_says_so(rut: Visitor) -> None:
    assert "Nothing waits." in rut.page("/queue").text
    assert "There is nothing here." in rut.page("/queue?state=closed").text


def test_a_state_that_there_is_not_is_refused(rut: Visitor) -> None:
    assert rut.get("/queue?state=lost").status_code == 422


def test_a_page_after_an_item_that_is_gone_is_refused(rut: Visitor) -> None:
    assert rut.get("/queue?after=nothing").status_code in (404, 422)


def test_nothing_is_claimed_by_looking(
    lea: Visitor, installation: Installation, reviewed_scan: ReviewedScan
) -> None:
    item: ReviewItem = reviewed_scan()
    lea.page("/queue")
    lea.page(f"/items/{item.id}")
    assert installation.queue.show(item.id, ADMIN).item.holder == ""
