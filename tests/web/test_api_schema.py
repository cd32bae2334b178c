"""Requests made from the description of the API, good ones and bad ones: it does what it says.

`schemathesis` thinks of them, the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings

from moderation.config import Settings
from moderation.person import Role
from moderation.policy import Policy
from moderation.store.outbox import announce
from moderation.testing.scans import make_evidence, make_scan
from moderation.web import Installation, api
from moderation.web.problems import tell_problems
from moderation.web_settings import WebSettings
from moderation.webhook_settings import WebhookSettings
from tests.web.conftest import ADMIN, POLICY
from tests.web.server import WebServer

EXAMPLES: Final = 3
"""Of each operation, beside those that are made of the limits in its description."""

CONFIG: Final = {
    # A policy's reasons, a verdict's segments and what a URL leads to stand in no schema.
    "checks": {"positive_data_acceptance": {"enabled": False}},
    # The token is in every request: one without it would be expected to be refused.
    "generation": {"with-security-parameters": False},
}


def _description() -> dict[str, Any]:
    """Of the API's routes, without an installation behind them."""
    app = FastAPI(title="moderation")
    app.include_router(api.router)
    tell_problems(app)
    return app.openapi()


described = schemathesis.openapi.from_dict(
    _description(), config=schemathesis.Config.from_dict(CONFIG)
)


class Served(NamedTuple):
    url: str
    headers: dict[str, str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with something of everything, and an admin's token."""
    home = Settings(
        home=tmp_path_factory.mktemp("home"),
        web=WebSettings(requests_per_minute=1_000_000),
        webhooks=WebhookSettings.model_validate({"allowed_networks": "127.0.0.0/8"}),
    )
    with WebServer(home) as server:
        installation = server.installation
        installation.people.add("ruth", Role.ADMIN, by=ADMIN)
        secret = installation.people.issue("ruth", by=ADMIN).secret
        _fill(installation)
        yield Served(server.url, {"Authorization": f"Bearer {secret}"})


def _fill(installation: Installation) -> None:
    policy = Policy.parse(POLICY, "ours.toml")
    for number in range(3):
        scan = make_scan(make_evidence(), name=f"{number}.mp4", policy=policy.ref)
        installation.store.save(scan, policy, fingerprint="all")
    installation.webhooks.add("http://127.0.0.1:9/", actor="ruth")
    with installation.store.writing() as session:
        announce(session, type="job.completed", data={"job": "j1"}, now=datetime.now(UTC))


def test_what_is_described_is_what_is_served(served: Served) -> None:
    told = httpx.get(f"{served.url}/api/v1/openapi.json").json()
    assert told["paths"] == described.raw_schema["paths"]
    assert told["components"] == described.raw_schema["components"]


@described.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,  # of a machine that is busy with other things
    suppress_health_check=list(HealthCheck),
)
def test_the_api_does_what_its_description_says(
    case: schemathesis.Case[Any], served: Served
) -> None:
    case.call_and_validate(base_url=served.url, headers=served.headers)
