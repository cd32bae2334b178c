"""`moderation serve` for a team: PostgreSQL behind it, and any number of servers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from moderation.people import People
from moderation.person import Role, local_person
from moderation.store import Store
from tests.services.postgres_server import PostgresServer
from tests.services.server import until
from tests.web.serving import Serving

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def servers(postgres_url: str, tmp_path: Path) -> Iterator[tuple[Serving, Serving]]:
    """One that others reach, too, and one of this machine alone."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    database = {"DATABASE": postgres_url}
    with (
        Serving(tmp_path / "one" / "home", "--host", "0.0.0.0", **database) as one,
        Serving(tmp_path / "two" / "home", **database) as two,
    ):
        until(lambda: bool(one.url and two.url), "their start")
        yield one, two


def at(server: Serving) -> str:
    return server.url.replace("0.0.0.0", "127.0.0.1")


def health(server: Serving) -> int:
    return httpx.get(f"{at(server)}/healthz", timeout=60).status_code


def test_servers_of_a_team_know_each_others_sessions_and_tell_when_the_database_is_away(
    servers: tuple[Serving, Serving], postgres_url: str, postgres_server: PostgresServer
) -> None:
    one, two = servers
    with Store.open(postgres_url) as store:
        people = People(store)
        people.add("rita", Role.REVIEWER, by=local_person())
        token = people.issue("rita", by=local_person()).secret
    with httpx.Client(timeout=60) as browser:
        browser.post(f"{at(one)}/sign-in", data={"token": token}, headers=OURS)
        assert browser.get(f"{at(two)}/api/v1/me").json()["name"] == "rita"
    assert not one.link, "only the machine's own database lets its owner in"
    assert "cross the network in clear" in " ".join(one.log.split())
    assert "cross the network in clear" not in two.log
    postgres_server.kill()
    until(lambda: health(one) == 503, "that it is away")
    postgres_server.start()
    until(lambda: health(one) == 200, "that it is back")
    assert (one.end(signal.SIGTERM), two.end(signal.SIGTERM)) == (0, 0)
    assert "Traceback" not in one.log + two.log
