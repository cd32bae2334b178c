"""People, their tokens and the audit log over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from moderation.person import Role
from moderation.web import Installation
from tests.web.asking import TestClient, asking

PEOPLE = "/api/v1/people"
AUDIT = "/api/v1/audit"

Token = Callable[..., str]


@pytest.fixture
def ruth(installation: Installation, token: Token) -> TestClient:
    """An admin."""
    return asking(installation, token(Role.ADMIN, "ruth"))


def me(installation: Installation, token: str) -> dict[str, Any]:
    answer = asking(installation, token).get("/api/v1/me")
    told: dict[str, Any] = answer.json()
    return told


# People


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.REVIEWER, {"claim", "decide"}),
        (Role.SERVICE, {"submit", "read", "appeal"}),
    ],
)
def test_everybody_is_told_who_they_are(
    installation: Installation, token: Token, role: Role, rights: set[str]
) -> None:
    told = me(installation, token(role, "anna"))
    assert (told["name"], told["role"], told["via"]) == ("anna", role, "token")
    assert set(told["rights"]) == rights


def test_somebody_is_added_and_given_a_token_that_opens_what_their_role_may(
    ruth: TestClient, installation: Installation
) -> None:
    answer = ruth.post(PEOPLE, json={"name": "anna", "role": "lead"})
    assert answer.status_code == 201
    assert answer.json()["role"] == "lead"
    issued = ruth.post(f"{PEOPLE}/anna/tokens", json={"label": "desk"})
    assert issued.status_code == 201
    assert "no-store" in issued.headers["Cache-Control"]
    assert me(installation, issued.json()["secret"])["role"] == "lead"


def test_row_138_a_list_of_people_knows_of_tokens_and_has_none(ruth: TestClient) -> None:
    ruth.post(PEOPLE, json={"name": "anna"})
    made = ruth.post(f"{PEOPLE}/anna/tokens", json={"label": "desk"}).json()
    answer = ruth.get(PEOPLE)
    anna, _ = answer.json()["people"]
    assert anna["name"] == "anna"
    assert anna["tokens"] == [made["token"]]
    assert made["secret"] not in answer.text
    assert "mod_" not in answer.text


def test_a_revoked_token_opens_nothing(ruth: TestClient, installation: Installation) -> None:
    ruth.post(PEOPLE, json={"name": "anna"})
    made = ruth.post(f"{PEOPLE}/anna/tokens", json={}).json()
    revoked = ruth.post(f"/api/v1/tokens/{made['token']['id']}/revoke")
    assert revoked.json()["revoked_at"] is not None
    assert me(installation, made["secret"])["status"] == 401


def test_a_role_changes_from_the_next_request_on(
    ruth: TestClient, installation: Installation, token: Token
) -> None:
    secret = token(Role.REVIEWER, "anna")
    assert ruth.post(f"{PEOPLE}/anna/role", json={"role": "lead"}).json()["role"] == "lead"
    assert me(installation, secret)["role"] == "lead"


def test_who_is_disabled_opens_nothing_until_a_new_token(
    ruth: TestClient, installation: Installation, token: Token
) -> None:
    secret = token(Role.REVIEWER, "anna")
    assert ruth.post(f"{PEOPLE}/anna/disable").json()["disabled_at"] is not None
    assert me(installation, secret)["status"] == 401
    assert ruth.post(f"{PEOPLE}/anna/tokens", json={}).status_code == 422
    assert ruth.post(f"{PEOPLE}/anna/enable").json()["disabled_at"] is None
    assert me(installation, secret)["status"] == 401
    again = ruth.post(f"{PEOPLE}/anna/tokens", json={}).json()["secret"]
    assert me(installation, again)["name"] == "anna"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (PEOPLE, {"name": "ruth"}, 422),
        (PEOPLE, {"name": "Anna"}, 422),
        (PEOPLE, {"name": "a" * 101}, 422),
        (PEOPLE, {"name": "anna\n"}, 422),
        (PEOPLE, {"name": "anna", "role": "king"}, 422),
        (f"{PEOPLE}/nobody/role", {"role": "lead"}, 404),
        (f"{PEOPLE}/nobody/disable", {}, 404),
        (f"{PEOPLE}/nobody/enable", {}, 404),
        (f"{PEOPLE}/nobody/tokens", {}, 404),
        (f"{PEOPLE}/ruth/tokens", {"expires_at": "2020-01-01T00:00:00Z"}, 422),
        (f"{PEOPLE}/ruth/tokens", {"expires_at": "9999-12-31T23:59:59-14:00"}, 422),
        (f"{PEOPLE}/ruth/tokens", {"label": "x" * 201}, 422),
        ("/api/v1/tokens/0/revoke", {}, 422),
    ],
)
def test_what_does_not_hold_is_refused(
    ruth: TestClient, path: str, body: dict[str, str], status: int
) -> None:
    answer = ruth.post(path, json=body)
    assert answer.status_code == status, answer.text


def test_a_token_runs_out(ruth: TestClient) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    made = ruth.post(f"{PEOPLE}/ruth/tokens", json={"expires_at": until.isoformat()}).json()
    assert datetime.fromisoformat(made["token"]["expires_at"]) == until


# The audit log


def test_what_was_done_is_listed_page_by_page(ruth: TestClient) -> None:
    for name in ("anna", "bert"):
        ruth.post(PEOPLE, json={"name": name})
    first = ruth.get(AUDIT, params={"limit": 2}).json()["events"]
    assert [(each["actor"], each["action"], each["subject"]) for each in first] == [
        ("ruth", "person.added", "person:bert"),
        ("ruth", "person.added", "person:anna"),
    ]
    rest = ruth.get(AUDIT, params={"before": first[-1]["number"]}).json()["events"]
    assert [each["number"] for each in rest] == [2, 1]
    (about,) = ruth.get(AUDIT, params={"subject": "person:anna"}).json()["events"]
    assert about == first[1]


@pytest.mark.parametrize(
    "given",
    [
        {"limit": 1001},
        {"before": 0},
        {"before": 2**63},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"subject": "x" * 201},
    ],
)
def test_a_page_of_the_log_that_there_is_not_is_refused(
    ruth: TestClient, given: dict[str, Any]
) -> None:
    assert ruth.get(AUDIT, params=given).status_code == 422


def test_row_120_the_log_is_verified_over_http(
    ruth: TestClient, installation: Installation
) -> None:
    ruth.post(PEOPLE, json={"name": "anna"})
    sound = ruth.post(f"{AUDIT}/verify", json={}).json()
    assert (sound["is_sound"], sound["flaw"], sound["event"]) == (True, "", None)
    with installation.store.writing() as session:
        for trigger in session.scalars(
            text(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_event'"
            )
        ).all():
            session.execute(text(f"DROP TRIGGER {trigger}"))
        session.execute(text("UPDATE audit_event SET actor = 'nobody' WHERE number = 2"))
    flawed = ruth.post(f"{AUDIT}/verify", json={"head": sound["head"]}).json()
    assert (flawed["is_sound"], flawed["event"]) == (False, 2)
    assert flawed["flaw"] == "event 2 was changed: its hash is not that of its content"


@pytest.mark.parametrize("head", ["", "7", "\0", "1:" + "g" * 64])
def test_what_is_no_head_is_refused(ruth: TestClient, head: str) -> None:
    assert ruth.post(f"{AUDIT}/verify", json={"head": head}).status_code == 422
