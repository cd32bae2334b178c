"""Webhooks over HTTP: an admin sees whom we tell what, and a secret only as it is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from moderation.config import Settings
from moderation.person import Role
from moderation.store.outbox import announce
from moderation.web import Installation
from moderation.webhook_settings import WebhookSettings
from tests.web.asking import TestClient, asking

WEBHOOKS = "/api/v1/webhooks"
DELIVERIES = "/api/v1/webhook-deliveries"
EVENTS = "/api/v1/webhook-events"
URL = "http://127.0.0.1:9/told?key=canary-key&plain"
"""Discard: nothing is ever sent here."""


@pytest.fixture
def web_settings(tmp_path: Path) -> Settings:
    """Receivers on this machine are fine."""
    allowed = WebhookSettings.model_validate({"allowed_networks": "127.0.0.0/8"})
    return Settings(home=tmp_path / "home", webhooks=allowed)


@pytest.fixture
def root(installation: Installation, token: Callable[..., str]) -> TestClient:
    return asking(installation, token(Role.ADMIN, "ruth"))


def added(root: TestClient, **given: Any) -> dict[str, Any]:
    answer = root.post(WEBHOOKS, json={"url": URL, **given})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def happen(installation: Installation, job: str = "j1") -> None:
    now = datetime.now(UTC)
    with installation.store.writing() as session:
        announce(session, type="job.completed", data={"job": job}, now=now)


def test_a_new_one_tells_its_secret_once(root: TestClient, installation: Installation) -> None:
    made = added(root, events=["job.completed"])
    assert made["secret"].startswith("whsec_")
    assert made["webhook"]["events"] == ["job.completed"]
    (known,) = installation.webhooks.list()
    assert (known.url, known.secrets[0].value) == (URL, made["secret"])


def test_row_138_no_other_answer_has_a_secret_or_a_key(
    root: TestClient, installation: Installation
) -> None:
    made = added(root)
    id = made["webhook"]["id"]
    rotated = root.post(f"{WEBHOOKS}/{id}/rotate", json={"overlap_h": 1})
    assert rotated.json()["secret"] not in ("", made["secret"])
    happen(installation)
    answers = [
        root.get(WEBHOOKS),
        root.get(f"{WEBHOOKS}/{id}"),
        root.get(DELIVERIES),
        root.post(f"{WEBHOOKS}/{id}/disable", json={}),
        root.post(f"{WEBHOOKS}/{id}/enable"),
        root.get("/api/v1/audit"),
    ]
    assert [each.status_code for each in answers] == [200] * len(answers)
    told = "".join(each.text for each in answers) + json.dumps(made["webhook"])
    for secret in ("whsec_", made["secret"][6:], rotated.json()["secret"][6:], "canary-key"):
        assert secret not in told
    assert "http://127.0.0.1:9/told?key=...&plain=..." in told, "the rest tells it from others"


def test_row_138_answers_with_a_secret_are_kept_nowhere(root: TestClient) -> None:
    answer = root.post(WEBHOOKS, json={"url": URL})
    rotated = root.post(f"{WEBHOOKS}/{answer.json()['webhook']['id']}/rotate", json={})
    for each in (answer, rotated):
        assert "no-store" in each.headers["Cache-Control"]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://ruth:canary@127.0.0.1/",
        "file:///etc/passwd",
        "https://[::ffff:10.0.0.1]/",
        "https://no-such-host.invalid/",
        "https://127.0.0.1/\0",
        "",
        "x" * 2001,
    ],
)
def test_row_135_what_may_not_be_written_to_is_refused(root: TestClient, url: str) -> None:
    answer = root.post(WEBHOOKS, json={"url": url})
    assert answer.status_code == 422
    assert "canary" not in answer.text
    assert root.get(WEBHOOKS).json() == {"webhooks": []}


def test_one_is_disabled_with_a_reason_and_enabled_again(root: TestClient) -> None:
    id = added(root)["webhook"]["id"]
    off = root.post(f"{WEBHOOKS}/{id}/disable", json={"reason": "moving"}).json()
    assert off["disabled_reason"] == "moving"
    assert off["disabled_at"] is not None
    on = root.post(f"{WEBHOOKS}/{id}/enable").json()
    assert (on["disabled_reason"], on["disabled_at"]) == ("", None)


def test_a_removed_one_is_gone(root: TestClient) -> None:
    id = added(root)["webhook"]["id"]
    assert root.delete(f"{WEBHOOKS}/{id}").status_code == 204
    assert root.get(f"{WEBHOOKS}/{id}").status_code == 404
    assert root.delete(f"{WEBHOOKS}/{id}").json()["kind"] == "not_found"


def test_the_log_is_filtered(root: TestClient, installation: Installation) -> None:
    first, second = (added(root)["webhook"]["id"] for _ in range(2))
    happen(installation)
    log = DELIVERIES
    both = root.get(log).json()["deliveries"]
    assert {each["webhook"] for each in both} == {first, second}
    assert {(each["type"], each["state"]) for each in both} == {("job.completed", "waiting")}
    (one,) = root.get(log, params={"webhook": first}).json()["deliveries"]
    assert one["webhook"] == first
    assert root.get(log, params={"state": "dead"}).json() == {"deliveries": []}
    assert len(root.get(log, params={"limit": 1}).json()["deliveries"]) == 1
    for wrong in ({"state": "lost"}, {"limit": 201}, {"webhook": "\0"}):
        assert root.get(log, params=wrong).status_code == 422


def test_an_event_is_sent_again(root: TestClient, installation: Installation) -> None:
    webhook = added(root)["webhook"]["id"]
    happen(installation)
    (delivery,) = root.get(DELIVERIES).json()["deliveries"]
    again = f"{EVENTS}/{delivery['event']}/replay"
    assert root.post(again, json={}).json() == {"deliveries": 1}
    assert root.post(again, json={"webhook": webhook}).json() == {"deliveries": 1}
    assert root.post(again, json={"webhook": "0" * 10}).status_code == 404
    assert root.post(f"{EVENTS}/msg_none/replay", json={}).status_code == 404


def test_what_did_not_arrive_is_sent_again_since_a_time(
    root: TestClient, installation: Installation
) -> None:
    added(root, events=["verdict.changed"])
    happen(installation)
    later = added(root)["webhook"]["id"]
    happen(installation, "j2")
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    asked = {"since": since, "webhook": later}
    answer = root.post(f"{EVENTS}/replay", json=asked)
    assert answer.json() == {"deliveries": 0}, "one waits, and nobody wanted the other"


@pytest.mark.parametrize(
    "since", ["0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00", "now", 1e400]
)
def test_a_time_that_there_is_not_is_refused(root: TestClient, since: object) -> None:
    body = json.dumps({"since": since}).encode()
    headers = {"Content-Type": "application/json"}
    assert root.post(f"{EVENTS}/replay", content=body, headers=headers).status_code == 422
