"""The queue over HTTP: whoever works on it sees what is theirs, and says a thing once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select, update

from moderation.audit import AuditLog
from moderation.decision import Outcome
from moderation.person import Role
from moderation.review import ReviewItem, ReviewQueue
from moderation.review_settings import ReviewSettings
from moderation.store.models import DecisionRow, ReviewItemRow
from moderation.testing.scans import make_evidence, make_failed_scan
from moderation.verdict import Action, Severity
from moderation.web import Installation
from tests.web.asking import TestClient, asking
from tests.web.conftest import POLICY, ReviewedScan
from tests.web.reviewing import ITEMS, UPHOLD, decided, do

Token = Callable[..., str]


@pytest.fixture
def anna(installation: Installation, token: Token) -> TestClient:
    return asking(installation, token(Role.REVIEWER, "anna"))


@pytest.fixture
def bert(installation: Installation, token: Token) -> TestClient:
    return asking(installation, token(Role.REVIEWER, "bert"))


@pytest.fixture
def lea(installation: Installation, token: Token) -> TestClient:
    return asking(installation, token(Role.LEAD, "lea"))


def decisions(installation: Installation) -> int:
    with installation.store.reading() as session:
        return session.execute(select(func.count()).select_from(DecisionRow)).scalar_one()


def run_out(installation: Installation, item: ReviewItem) -> None:
    """Its holder has done nothing for longer than an item is theirs."""
    with installation.store.writing() as session:
        session.execute(
            update(ReviewItemRow).where(ReviewItemRow.id == item.id).values(held_until_us=1)
        )


# Seeing


def test_the_queue_is_listed_in_its_order_with_its_size(
    anna: TestClient, reviewed_scan: ReviewedScan
) -> None:
    for name, severity in (("a", Severity.LOW), ("b", Severity.CRITICAL), ("c", Severity.HIGH)):
        reviewed_scan(name=name, severity=severity)
    answer = anna.get(ITEMS, params={"limit": 2}).json()
    assert [each["uri"] for each in answer["items"]] == ["b", "c"]
    assert answer["total"] == 3
    rest = anna.get(ITEMS, params={"after": answer["items"][-1]["id"]}).json()
    assert [each["uri"] for each in rest["items"]] == ["a"]
    assert anna.get(ITEMS, params={"mine": True}).json() == {"items": [], "total": 0}


@pytest.mark.parametrize(
    "given",
    [{"limit": 201}, {"limit": 0}, {"state": "lost"}, {"after": "a"}, {"after": "\0"}],
)
def test_a_page_that_there_is_not_is_refused(anna: TestClient, given: dict[str, Any]) -> None:
    answer = anna.get(ITEMS, params=given)
    assert answer.status_code == 422
    assert answer.json()["kind"] == "configuration_error"


def test_a_page_after_an_item_that_is_gone_is_not_found(anna: TestClient) -> None:
    assert anna.get(ITEMS, params={"after": "aaaaaaaaaa"}).status_code == 404


def test_an_item_comes_with_all_that_a_decision_needs(
    anna: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan(make_evidence(start_s=12.345678))
    case = do(anna, item, "claim").json()
    assert case == anna.get(f"{ITEMS}/{item.id}").json()
    assert case["item"]["why"] == "knife at 0:00:12.345"
    assert case["reasons"] == {"toy": "what looks like a weapon is a toy"}
    report = case["report"]
    assert [each["start_s"] for each in report["evidence"]] == [12.345678]
    assert report["verdict"]["segments"][0]["label"] == "Violence/Weapons/Knife"
    assert report["coverage"]["objects"]["examined"] == 60
    assert report["decisions"] == []


def test_an_item_of_a_failure_says_what_happened(
    anna: TestClient, reviewed_scan: ReviewedScan
) -> None:
    failed = make_failed_scan(name="clip.mp4")
    item = reviewed_scan(action=Action.INCOMPLETE, failure=failed.failure)
    shown = do(anna, item, "claim").json()["item"]
    assert shown["failure"] == {
        "fault": "unreadable",
        "message": "clip.mp4 cannot be scanned (unreadable)",
    }


def test_a_reviewer_sees_no_item_of_somebody_else(
    anna: TestClient, bert: TestClient, lea: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    do(anna, item, "claim")
    assert bert.get(f"{ITEMS}/{item.id}").status_code == 403
    assert lea.get(f"{ITEMS}/{item.id}").json()["item"]["holder"] == "anna"
    (listed,) = bert.get(ITEMS).json()["items"]
    assert (listed["holder"], listed["held_until"]) == ("", None)


def test_a_second_look_is_blind_even_to_a_lead(
    anna: TestClient, lea: TestClient, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    item = reviewed_scan()
    version = do(anna, item, "claim").json()["item"]["version"]
    drawn = ReviewQueue(installation.store, ReviewSettings(second_look_share=1, undo_s=0))
    by = installation.people.vouched("anna")
    drawn.decide(item.id, by, version=version, outcome=Outcome.UPHOLD)
    assert lea.get(f"{ITEMS}/{item.id}").json()["report"]["decisions"] != []
    case = lea.post("/api/v1/review/claim").json()
    assert (case["item"]["purpose"], case["item"]["case"]) == ("second_look", item.id)
    assert case["report"]["decisions"] == []
    assert lea.get(f"{ITEMS}/{item.id}").json()["report"]["decisions"] == []
    events = lea.get("/api/v1/audit", params={"subject": f"item:{item.id}"}).json()["events"]
    assert "item.decided" in {each["action"] for each in events}
    assert not any("outcome" in each["content"] for each in events)


def test_what_is_over_is_listed_to_those_who_decided_it(
    anna: TestClient, bert: TestClient, lea: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    decided(anna, item)
    for client, total in ((anna, 1), (bert, 0), (lea, 1)):
        answer = client.get(ITEMS, params={"state": "decided"}).json()
        assert (len(answer["items"]), answer["total"]) == (total, total)


def test_where_an_upload_lies_is_told_to_those_who_read_reports(
    anna: TestClient, lea: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan(name="s3://secret-bucket/uploads/a.mp4", id="one")
    assert "secret-bucket" not in anna.get(ITEMS).text
    assert "secret-bucket" not in do(anna, item, "claim").text
    assert anna.get(f"{ITEMS}/{item.id}").json()["item"]["uri"] == "a.mp4"
    assert lea.get(f"{ITEMS}/{item.id}").json()["item"]["uri"] == item.uri


@pytest.mark.parametrize("id", ["abcdefghij", "aaaaaaaaaa"])
def test_an_item_that_there_is_not_is_not_found(lea: TestClient, id: str) -> None:
    for answer in (lea.get(f"{ITEMS}/{id}"), do(lea, id, "release"), do(lea, id, "free")):
        assert answer.status_code == 404
        assert answer.json()["kind"] == "not_found"


# Claiming


def test_the_next_item_is_claimed_and_the_same_again(
    anna: TestClient, bert: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    for _ in range(2):
        case = anna.post("/api/v1/review/claim").json()
        assert (case["item"]["id"], case["item"]["holder"]) == (item.id, "anna")
    answer = bert.post("/api/v1/review/claim")
    assert (answer.status_code, answer.content) == (204, b"")


def test_row_115_who_comes_second_is_told_who_has_it(
    anna: TestClient, lea: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    do(anna, item, "claim")
    answer = do(lea, item, "claim")
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["kind"] == "review_conflict"
    assert problem["title"] == f"anna has the review item {item.id} now"
    assert problem["item"]["holder"] == "anna"
    assert problem["item"]["state"] == "open"


def test_activity_keeps_an_item(anna: TestClient, reviewed_scan: ReviewedScan) -> None:
    item = reviewed_scan()
    claimed = do(anna, item, "claim").json()["item"]["held_until"]
    extended = do(anna, item, "extend").json()["held_until"]
    assert datetime.fromisoformat(extended) > datetime.fromisoformat(claimed)


def test_an_item_is_given_back_by_who_has_it_or_taken_by_a_lead(
    anna: TestClient, bert: TestClient, lea: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    do(anna, item, "claim")
    assert do(bert, item, "release").status_code == 409
    assert do(anna, item, "release").status_code == 204
    do(bert, item, "claim")
    assert do(anna, item, "free").status_code == 403
    assert do(lea, item, "free").status_code == 204
    assert do(anna, item, "claim").status_code == 200


def test_row_117_a_claim_that_ran_out_is_anybodys(
    anna: TestClient,
    bert: TestClient,
    reviewed_scan: ReviewedScan,
    installation: Installation,
) -> None:
    item = reviewed_scan()
    do(anna, item, "claim")
    run_out(installation, item)
    assert bert.post("/api/v1/review/claim").json()["item"]["id"] == item.id
    answer = do(anna, item, "extend")
    assert answer.status_code == 409
    assert answer.json()["title"] == f"bert has the review item {item.id} now"
    claims = [
        each.actor
        for each in AuditLog(installation.store).entries(subject=f"item:{item.id}")
        if each.action == "item.claimed"
    ]
    assert claims == ["bert", "anna"]


# Deciding


def test_a_decision_on_item_and_segments_is_kept_as_it_was_said(
    anna: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan(
        make_evidence(start_s=1.000001, end_s=2.999999), make_evidence(start_s=7.1)
    )
    first, second = do(anna, item, "claim").json()["report"]["verdict"]["segments"]
    times = ("label", "start_s", "end_s", "subject", "evidence_ids")
    said = [
        {**{name: first[name] for name in times}, "judgement": "confirm", "remedy": "blur"},
        {
            **{name: second[name] for name in times},
            "judgement": "correct",
            "corrected": "Violence/Weapons",
        },
    ]
    version = anna.get(f"{ITEMS}/{item.id}").json()["item"]["version"]
    answer = do(anna, item, "decide", version=version, outcome="partial", note="é", segments=said)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert (made["person"], made["outcome"], made["note"], made["number"]) == (
        "anna",
        "partial",
        "é",
        1,
    )
    assert made["segments"] == [
        {**said[0], "corrected": ""},
        {**said[1], "remedy": "none"},
    ]
    (shown,) = anna.get(f"{ITEMS}/{item.id}").json()["report"]["decisions"]
    assert shown["segments"] == made["segments"]


def test_row_116_a_decision_sent_twice_is_one(
    anna: TestClient, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    item = reviewed_scan()
    version = do(anna, item, "claim").json()["item"]["version"]
    answers = [do(anna, item, "decide", version=version, **UPHOLD) for _ in range(3)]
    assert [each.status_code for each in answers] == [200] * 3
    assert len({each.text for each in answers}) == 1
    assert decisions(installation) == 1


def test_row_116_another_decision_after_it_is_refused(
    anna: TestClient, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    item = reviewed_scan()
    version = do(anna, item, "claim").json()["item"]["version"]
    do(anna, item, "decide", version=version, **UPHOLD)
    answer = do(anna, item, "decide", version=version, outcome="overturn")
    assert answer.status_code == 409
    assert answer.json()["item"]["state"] == "decided"
    assert decisions(installation) == 1


def test_row_116_a_decision_about_an_older_version_is_refused(
    anna: TestClient, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    item = reviewed_scan()
    version = do(anna, item, "claim").json()["item"]["version"]
    answer = do(anna, item, "decide", version=version - 1, **UPHOLD)
    assert answer.status_code == 409
    assert answer.json()["item"]["version"] == version
    assert decisions(installation) == 0


def test_row_116_a_late_decision_is_told_who_has_it_now(
    anna: TestClient,
    bert: TestClient,
    reviewed_scan: ReviewedScan,
    installation: Installation,
) -> None:
    item = reviewed_scan()
    version = do(anna, item, "claim").json()["item"]["version"]
    run_out(installation, item)
    do(bert, item, "claim")
    answer = do(anna, item, "decide", version=version, **UPHOLD)
    assert answer.status_code == 409
    assert answer.json()["title"] == f"bert has the review item {item.id} now"
    assert decisions(installation) == 0


def test_row_119_a_decision_about_a_verdict_that_was_replaced_is_refused(
    anna: TestClient, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    item = reviewed_scan()
    version = do(anna, item, "claim").json()["item"]["version"]
    newer = reviewed_scan(policy=POLICY.replace('version = "1"', 'version = "2"'))
    assert newer.id != item.id
    answer = do(anna, item, "decide", version=version, **UPHOLD)
    assert answer.status_code == 409
    assert answer.json()["title"] == f"the review item {item.id} is closed: superseded"
    assert answer.json()["item"]["state"] == "closed"
    assert decisions(installation) == 0


@pytest.mark.parametrize(
    "said",
    [
        {"outcome": "uphold", "reason": "nothing we know"},
        {"outcome": "approve"},
        {"outcome": "uphold", "more": 1},
        {"outcome": "uphold", "note": "x" * 10_001},
        {"outcome": "uphold", "note": "lone \ud800"},
        {"outcome": "uphold", "version": True},
        {"outcome": "uphold", "version": 2**31},
        {"outcome": "uphold", "version": 10**400},
        {"outcome": "uphold", "segments": [{"label": "Knife", "start_s": 1, "end_s": 1,
                                            "judgement": "confirm"}]},
        {"outcome": "uphold", "segments": [{"label": "Violence/Weapons/Knife", "start_s": 2,
                                            "end_s": 1, "judgement": "confirm"}]},
        {"outcome": "uphold", "segments": [{"label": "Violence/Weapons/Knife", "start_s": 1e300,
                                            "end_s": 1e301, "judgement": "confirm"}]},
        {"outcome": "uphold", "segments": [{"label": "Violence/Weapons/Knife", "start_s": 1,
                                            "end_s": 1, "judgement": "correct"}]},
    ],
)  # fmt: skip
def test_what_is_no_decision_is_refused(
    anna: TestClient,
    reviewed_scan: ReviewedScan,
    installation: Installation,
    said: dict[str, Any],
) -> None:
    item = reviewed_scan()
    version = do(anna, item, "claim").json()["item"]["version"]
    answer = do(anna, item, "decide", **{"version": version, **said})
    assert answer.status_code == 422, answer.text
    assert answer.json()["kind"] == "configuration_error"
    assert decisions(installation) == 0


def test_a_decision_is_taken_back_at_once(
    anna: TestClient, lea: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    decided(anna, item)
    assert do(lea, item, "undo").status_code == 409
    case = do(anna, item, "undo").json()
    assert (case["item"]["holder"], case["item"]["state"]) == ("anna", "open")
    assert case["report"]["decisions"] == []


# Row 118: decided again


def test_row_118_a_reopened_item_is_decided_anew_and_both_decisions_stay(
    anna: TestClient, lea: TestClient, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    item = reviewed_scan()
    decided(anna, item)
    assert do(anna, item, "reopen", reason="new facts").status_code == 403
    assert do(lea, item, "reopen", reason=" ").status_code == 422
    assert do(lea, item, "reopen", reason="new facts").status_code == 204
    assert do(lea, item, "reopen", reason="new facts").status_code == 409
    made = decided(lea, item, outcome="overturn").json()
    assert (made["number"], made["outcome"]) == (2, "overturn")
    assert decisions(installation) == 2
