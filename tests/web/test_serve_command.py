"""`moderation serve` on one machine: what it says, whom it lets in, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from moderation.address_guard import AddressGuard
from moderation.audit import AuditLog
from moderation.cli.browser import opened
from moderation.people import People
from moderation.person import Role, local_person
from moderation.store import Store
from moderation.store.models import ExposureRow
from moderation.store.outbox import announce
from moderation.store.webhooks import Webhooks
from moderation.webhook import EventType
from tests.services.receiver import Receiver, Reply
from tests.services.server import until
from tests.web.serving import Serving, moderation_command

OURS = {"Sec-Fetch-Site": "same-origin"}

PAGE = {**OURS, "Accept": "text/html"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """Of the server, seen from outside."""
    with Store.open(f"sqlite:///{home / 'moderation.db'}") as store:
        yield store


@contextmanager
def started(server: Serving) -> Iterator[Serving]:
    with server:
        until(lambda: bool(server.url), "its address")
        until(lambda: answers(server), "its start")  # until then, signals are the command's
        yield server


def answers(server: Serving) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{server.url}/healthz", timeout=30).status_code == 200
    return False


def refused(server: Serving) -> str:
    """What it says instead of serving."""
    assert server.process.wait(60) == 2
    assert "Traceback" not in server.log
    assert server.output == ""
    return " ".join(server.log.split())


# Signing in where it runs


def test_its_link_signs_in_whoever_started_it_and_no_log_has_a_secret(
    home: Path, store: Store
) -> None:
    """Fault 138: tokens, codes, cookies and signed links are in no log, whatever is asked for."""
    me = local_person().name
    with started(Serving(home, "--log-level", "debug")) as server:
        path, _, fragment = server.link.removeprefix(server.url).partition("#")
        assert (path, fragment) == ("/sign-in", f"code={server.code}"), "no server is sent that"
        with httpx.Client(base_url=server.url, headers=PAGE) as browser:
            signed_in = browser.post(path, data={"token": server.code})
            assert signed_in.status_code == 303
            session = browser.cookies["moderation"]
            known = browser.get("/api/v1/me").json()
            assert (known["name"], known["role"]) == (me, "admin")
            again = httpx.post(server.link, data={"token": server.code}, headers=OURS)
            assert again.status_code == 401
            token = People(store).issue(me, by=local_person()).secret
            bearer = {"Authorization": f"Bearer {token}"}
            for place in (f"/api/v1/me?token={token}", f"/media/picture/{token}.x", f"/{token}"):
                browser.get(place, headers=bearer)
            browser.post(f"/api/v1/tokens/{token}/revoke", headers=bearer)
        server.end(signal.SIGTERM)
        secrets = (server.code, session, token, token[4:])
        assert [each for each in secrets if each in server.log] == []
        assert '"path": "/sign-in"' in server.log
    told = [(each.actor, each.action, each.subject) for each in AuditLog(store).entries()]
    assert (me, "person.added", f"person:{me}") in told


def test_somebody_who_is_known_here_keeps_their_role(home: Path, store: Store) -> None:
    me = local_person().name
    People(store).add(me, Role.REVIEWER, by=local_person())
    with started(Serving(home)) as server, httpx.Client(base_url=server.url) as browser:
        browser.post("/sign-in", data={"token": server.code}, headers=OURS)
        assert browser.get("/api/v1/me").json()["role"] == "reviewer"


def test_who_is_disabled_gets_no_link(home: Path, store: Store) -> None:
    me, people = local_person().name, People(store)
    people.add(me, Role.ADMIN, by=local_person())
    people.disable(me, by=local_person())
    with started(Serving(home)) as server:
        assert not server.link
        assert "no link to sign in" in server.log


def test_fault_138_a_browser_is_not_told_the_link_where_everybody_reads_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {told}; cat "${{1#file://}}" > {told}.page\n')
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    with opened("http://127.0.0.1:1/sign-in#code=hush") as found:
        assert found
        until(lambda: told.with_suffix(".page").is_file() and told.read_text() != "", "a browser")
        argument = told.read_text().strip()
        page = Path(argument.removeprefix("file://"))
        assert "hush" not in argument
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        assert "url=http://127.0.0.1:1/sign-in#code=hush" in page.read_text()
    assert not page.exists()


# What is not served


def test_sqlite_serves_this_machine_alone(home: Path) -> None:
    for host in ("0.0.0.0", "192.0.2.1", "::"):
        with Serving(home, "--host", host) as server:
            said = refused(server)
        assert f"SQLite serves this machine alone, and {host} is reached from others" in said
        assert "PostgreSQL" in said


def test_a_port_that_is_taken_is_named(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with Serving(home, "--port", port) as server:
            said = refused(server)
    assert f"port {port} of 127.0.0.1 cannot be listened on: Address already in use" in said


def test_a_file_that_is_no_database_is_named(home: Path) -> None:
    home.mkdir()
    (home / "moderation.db").write_text("no database, " * 100)
    with Serving(home) as server:
        assert "moderation.db is not a database" in refused(server)


def test_without_its_extra_it_says_what_to_install(home: Path) -> None:
    with Serving(home) as server:
        server.end(signal.SIGKILL)
    python, option, code, *arguments = moderation_command("serve")
    command = [python, option, f"import sys; sys.modules['uvicorn'] = None; {code}", *arguments]
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True)
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert "the page needs uvicorn, which is not installed: pip install 'moderation[web]'" in said


# Meanwhile, and its end


def test_what_happens_is_sent_and_what_is_too_old_is_removed_while_it_serves(
    home: Path, store: Store
) -> None:
    old = ExposureRow(
        person="rita", day="2020-01-01", item_id="x", severity="high", seconds=1.0,
        unveiled_seconds=0.0, first_us=0, last_us=0,
    )  # fmt: skip
    with store.writing() as session:
        session.add(old)
    often = {"RETENTION__EVERY_H": "0.0001", "WEBHOOKS__POLL_S": "0.1"}
    with Receiver() as receiver, started(local(home, **often)) as server:
        happen(store, receiver)
        until(lambda: bool(receiver.requests), "the event")
        until(lambda: exposures(store) == 0, "retention")
        assert server.end(signal.SIGTERM) == 0
    assert json.loads(receiver.requests[0].body)["type"] == "job.completed"


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_ends_whatever_is_under_way(
    home: Path, store: Store, by: signal.Signals, code: int
) -> None:
    """A page is open that listens for news, and a receiver of webhooks takes its time."""
    hanging = threading.Event()
    with Receiver() as receiver, started(local(home, WEBHOOKS__POLL_S="0.1")) as server:

        def hang(_: socket.socket) -> None:
            hanging.set()
            receiver.over.wait()

        receiver.reply = Reply(instead=hang)
        happen(store, receiver)
        until(hanging.is_set, "a request under way")
        with httpx.Client(base_url=server.url, headers=OURS, timeout=60) as browser:
            browser.post("/sign-in", data={"token": server.code})
            with browser.stream("GET", "/live") as news:
                assert news.status_code == 200
                assert server.end(by) == code
        assert "Traceback" not in server.log
        assert "it is sent once more" in server.log


def test_ctrl_c_ends_one_that_does_nothing(home: Path) -> None:
    with started(Serving(home)) as server:
        assert server.end(signal.SIGINT) == 130
        assert server.log.strip().endswith("error interrupted")
        assert "Traceback" not in server.log


def local(home: Path, **settings: str) -> Serving:
    """One that may send to receivers of this machine."""
    return Serving(home, WEBHOOKS__ALLOWED_NETWORKS="127.0.0.0/8", **settings)


def happen(store: Store, receiver: Receiver) -> None:
    networks = AddressGuard((ip_network("127.0.0.0/8"),))
    Webhooks(store, networks).add(receiver.url, [EventType.JOB_COMPLETED], actor="root")
    with store.writing() as session:
        announce(session, type="job.completed", data={"job": "j1"}, now=datetime.now(UTC))


def exposures(store: Store) -> int:
    with store.reading() as session:
        return session.execute(select(func.count()).select_from(ExposureRow)).scalar_one()
