"""Appeals over HTTP, by what their senders know, decided by somebody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from moderation.job import JobState
from moderation.person import Role
from moderation.policy import Policy
from moderation.review import ReviewItem
from moderation.store.models import JobRow, PolicyRow
from moderation.testing.scans import make_scan
from moderation.verdict import Action
from moderation.web import Installation
from tests.web.asking import TestClient, asking
from tests.web.conftest import POLICY, ReviewedScan
from tests.web.reviewing import ITEMS, decided, do, sent

Token = Callable[..., str]


@pytest.fixture
def anna(installation: Installation, token: Token) -> TestClient:
    return asking(installation, token(Role.REVIEWER, "anna"))


@pytest.fixture
def lea(installation: Installation, token: Token) -> TestClient:
    return asking(installation, token(Role.LEAD, "lea"))


@pytest.fixture
def shop(installation: Installation, token: Token) -> TestClient:
    """A program."""
    return asking(installation, token(Role.SERVICE, "shop"))


@pytest.fixture
def job(installation: Installation, reviewed_scan: ReviewedScan) -> tuple[str, ReviewItem]:
    """A job that is done, and the item about its verdict."""
    item = reviewed_scan(name="s3://uploads/a.mp4")
    judged(installation, "j1", item.uri, item.scan_id)
    return "j1", item


def judged(installation: Installation, id: str, uri: str, scan_id: str) -> None:
    """A job that is done."""
    with installation.store.writing() as session:
        policy = session.scalars(select(PolicyRow.digest)).one()
        session.add(
            JobRow(
                id=id,
                dedupe_key=id,
                uri=uri,
                pin="v1",
                policy_digest=policy,
                priority=5,
                tag="",
                turn=0,
                state=JobState.DONE,
                submitted_at=datetime.now(UTC) - timedelta(minutes=1),
                finished_at=datetime.now(UTC),
                plan={},
                scan_id=scan_id,
                action=Action.REVIEW,
                error="",
            )
        )


def test_row_118_an_appeal_by_the_job_is_decided_by_somebody_else(
    anna: TestClient, lea: TestClient, shop: TestClient, job: tuple[str, ReviewItem]
) -> None:
    id, item = job
    decided(anna, item)
    answer = shop.post("/api/v1/appeals", json={"job": id, "note": "it is a toy"})
    assert answer.status_code == 201
    made = answer.json()["item"]
    assert do(anna, made, "claim").status_code == 409
    case = do(lea, made, "claim").json()
    assert (case["item"]["purpose"], case["item"]["note"]) == ("appeal", "it is a toy")
    assert [each["person"] for each in case["report"]["decisions"]] == ["anna"]
    do(lea, made, "decide", version=case["item"]["version"], outcome="overturn")
    said = lea.get(f"{ITEMS}/{item.id}").json()["report"]["decisions"]
    assert [(each["person"], each["stands"]) for each in said] == [("anna", False), ("lea", True)]


@pytest.mark.parametrize("by", ["job", "uri", "sha256", "item"])
def test_an_appeal_is_about_what_its_sender_knows(
    anna: TestClient, shop: TestClient, job: tuple[str, ReviewItem], by: str
) -> None:
    id, item = job
    known = {"job": id, "uri": item.uri, "sha256": item.sha256, "item": item.id}[by]
    early = shop.post("/api/v1/appeals", json={by: known, "note": ""})
    assert early.status_code == 409, "nothing is decided yet"
    decided(anna, item)
    assert shop.post("/api/v1/appeals", json={by: known, "note": ""}).status_code == 201
    again = shop.post("/api/v1/appeals", json={by: known, "note": ""})
    assert again.status_code == 409
    assert "waits for a decision already" in again.json()["title"]


@pytest.mark.parametrize("has_job", [True, False])
def test_an_upload_is_found_without_its_version(
    installation: Installation,
    anna: TestClient,
    shop: TestClient,
    reviewed_scan: ReviewedScan,
    has_job: bool,
) -> None:
    item = reviewed_scan(name="s3://uploads/a_b.mp4?versionId=3/L4")
    if has_job:
        judged(installation, "j1", item.uri, item.scan_id)
    decided(anna, item)
    for uri in ("s3://uploads/a", "s3://uploads/aXb.mp4"):
        assert shop.post("/api/v1/appeals", json={"uri": uri, "note": ""}).status_code == 404
    about = {"uri": "s3://uploads/a_b.mp4", "note": ""}
    assert shop.post("/api/v1/appeals", json=about).status_code == 201


@pytest.mark.parametrize("has_job", [True, False])
def test_an_upload_that_was_replaced_is_not_appealed_by_its_uri(
    installation: Installation,
    anna: TestClient,
    shop: TestClient,
    reviewed_scan: ReviewedScan,
    has_job: bool,
) -> None:
    """Nobody was asked about what lies there now."""
    old = reviewed_scan(name="s3://uploads/a.mp4")
    decided(anna, old)
    policy = Policy.parse(POLICY, "ours.toml")
    new = make_scan(name=old.uri, id="another", action=Action.APPROVE, policy=policy.ref)
    new = replace(new, video=replace(new.video, sha256="0" * 64))
    installation.store.save(new, policy, fingerprint="all")
    if has_job:
        judged(installation, "j1", old.uri, old.scan_id)
        judged(installation, "j2", old.uri, new.id)
    assert shop.post("/api/v1/appeals", json={"uri": old.uri, "note": ""}).status_code == 404


def test_an_appeal_is_made_at_the_item_as_well(
    anna: TestClient, shop: TestClient, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    decided(anna, item)
    assert do(anna, item, "appeal", note="no").status_code == 403
    assert do(shop, item, "appeal", note="no").status_code == 201


def test_row_133_an_appeal_sent_twice_under_a_key_is_one(
    anna: TestClient, shop: TestClient, job: tuple[str, ReviewItem]
) -> None:
    id, item = job
    decided(anna, item)
    shop.headers["Idempotency-Key"] = "appeal-1"
    first, again = (shop.post("/api/v1/appeals", json={"job": id, "note": "no"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = shop.post("/api/v1/appeals", json={"job": id, "note": "another"})
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("about", "status"),
    [
        ({"job": "nobody's"}, 404),
        ({"job": "\0"}, 404),
        ({"uri": "s3://uploads/none.mp4"}, 404),
        ({"uri": "\0" * 4096}, 404),
        ({"uri": "x" * 4097}, 422),
        ({"uri": "\udfff"}, 422),
        ({"sha256": "0" * 64}, 404),
        ({"sha256": "no digest"}, 422),
        ({"item": "abcdefghij"}, 404),
        ({}, 422),
        ({"job": "a", "uri": "b"}, 422),
    ],
)
def test_an_appeal_about_nothing_is_refused(
    shop: TestClient, about: dict[str, str], status: int
) -> None:
    answer = sent(shop, "/api/v1/appeals", {**about, "note": "no"})
    assert answer.status_code == status, answer.text
