"""What lies between a client and a server: addresses, certificates, bad days, and the token."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import structlog

from moderation import Client, errors, http_connection
from moderation.config import Settings
from moderation.errors import (
    AccessDenied,
    ConfigurationError,
    MediaError,
    MediaFault,
    ModerationError,
    NotAllowed,
    SourceError,
    TransientError,
)
from moderation.http_address import ServerAddress
from moderation.http_problem import error_of
from moderation.job import Pinned
from moderation.person import Role
from moderation.web import Installation
from moderation.web.problems import kind_of
from tests.services.certificate import self_signed
from tests.services.stub_server import StubAnswer, StubRequest, StubServer
from tests.web.conftest import ADMIN
from tests.web.server import WebServer

TOKEN = "mod_canary-in-the-mine"
"""That nothing may quote."""

WAITING = StubAnswer(body=b'{"waiting": 3}')


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between tries."""
    monkeypatch.setattr(http_connection, "_FIRST_PAUSE_S", 0.001)


def client(server: StubServer) -> Client:
    return Client(server.url, token=TOKEN)


def after(*answers: StubAnswer | None) -> Callable[[StubRequest], StubAnswer | None]:
    """One after the other."""
    left = iter(answers)
    return lambda _: next(left)


# Where a token goes


@pytest.mark.parametrize(
    "url",
    [
        "http://moderation.example.org",
        "http://10.0.0.1:8300",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://0.0.0.0",
        "http://[fe80::1]",
    ],
)
def test_a_token_is_not_sent_in_the_clear(url: str) -> None:
    with pytest.raises(ConfigurationError, match="in the clear") as refused:
        Client(url, token=TOKEN)
    assert "https://" in refused.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "moderation.example.org",
        "ftp://example.org",
        "https://",
        "https:///path",
        "https://example.org:99999",
        "https://example.org/?a=b",
        "https://example.org/#a",
        "https://example.org/a b",
        "https://exa mple.org",
        "https://example.org\n",
        "https://[::1",
        "",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no server's address"):
        Client(url, token=TOKEN)


def test_a_password_in_an_address_is_refused_and_not_quoted() -> None:
    for url in (f"https://anna:{TOKEN}@example.org", f"https://anna:{TOKEN}@:x"):
        with pytest.raises(ConfigurationError) as refused:
            Client(url, token="t")
        assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://Moderation.Example.org", "https://moderation.example.org:443"),
        ("https://example.org:8443/moderation/", "https://example.org:8443/moderation"),
        ("http://localhost:8300", "http://localhost:8300"),
        ("http://127.0.0.2", "http://127.0.0.2:80"),
        ("http://[::1]:8300", "http://[::1]:8300"),
    ],
)
def test_an_address_is_https_or_this_machine(url: str, told: str) -> None:
    assert str(ServerAddress.parse(url)) == told


@pytest.mark.parametrize("token", ["", f"{TOKEN}\n", f"{TOKEN}\r\nX: y", f"{TOKEN}ä", "two words"])
def test_a_token_that_none_is_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(ConfigurationError, match="token") as refused:
        Client("https://example.org", token=token)
    assert TOKEN not in str(refused.value)


def test_a_token_without_a_server_is_refused(web_settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="a token is for a server"):
        Client(web_settings, token=TOKEN)


def test_a_redirect_is_not_followed() -> None:
    with StubServer(after(WAITING)) as elsewhere:
        sent_on = StubAnswer(302, headers={"Location": f"{elsewhere.url}/api/v1/jobs/backlog"})
        with (
            StubServer(after(sent_on)) as server,
            client(server) as asking,
            pytest.raises(ConfigurationError, match="sends us on"),
        ):
            asking.waiting()
        assert elsewhere.requests == []


@pytest.mark.usefixtures("impatient")
def test_the_token_is_in_no_message() -> None:
    answers = (
        StubAnswer(401, b'{"kind": "access_denied", "title": "no"}'),
        StubAnswer(302, headers={"Location": "/"}),
        StubAnswer(content_type="text/html"),
        StubAnswer(body=b"{"),
        *[None] * 6,
    )
    told: list[str] = []
    with structlog.testing.capture_logs() as logs, StubServer(after(*answers)) as server:
        asking = client(server)
        for _ in range(5):
            with pytest.raises(ModerationError) as failed:
                asking.waiting()
            told += [repr(failed.value), *traceback.format_exception(failed.value)]
        told += [repr(asking), repr(vars(asking)), repr(vars(vars(asking)["_transport"]))]
        told.append(repr(vars(vars(vars(asking)["_transport"])["_server"])))
    assert {each.headers["authorization"] for each in server.requests} == {f"Bearer {TOKEN}"}
    assert len(logs) == 5
    assert TOKEN not in repr([told, logs])


# Certificates


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed("localhost", tmp_path)


@pytest.fixture
def secure(certificate: Path) -> Iterator[StubServer]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with StubServer(lambda _: WAITING, tls) as server:
        yield server


def test_a_certificate_that_nobody_trusts_is_refused(secure: StubServer) -> None:
    with (
        Client(f"https://localhost:{secure.port}", token=TOKEN) as asking,
        pytest.raises(ConfigurationError, match="not trusted: self-signed"),
    ):
        asking.waiting()
    assert secure.requests == []


def test_authorities_of_ones_own_are_trusted_where_they_are_named(
    secure: StubServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with Client(f"https://localhost:{secure.port}", token=TOKEN) as asking:
        assert asking.waiting() == 3
    with (
        Client(f"https://127.0.0.1:{secure.port}", token=TOKEN) as asking,
        pytest.raises(ConfigurationError, match="not trusted: IP address mismatch"),
    ):
        asking.waiting()


# Bad days


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.usefixtures("impatient")
def test_a_server_that_cannot_answer_now_is_asked_again(status: int) -> None:
    with StubServer(after(StubAnswer(status), WAITING)) as server, client(server) as asking:
        assert asking.waiting() == 3
    assert len(server.requests) == 2


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_ends_early_is_asked_for_again() -> None:
    cut_off = StubAnswer(body=b'{"waiting": 3', headers={"Content-Length": "1000"})
    with StubServer(after(cut_off, WAITING)) as server, client(server) as asking:
        assert asking.waiting() == 3


@pytest.mark.usefixtures("impatient")
def test_it_is_asked_no_sooner_than_it_says() -> None:
    busy = StubAnswer(503, headers={"Retry-After": "1"})
    began = time.monotonic()
    with StubServer(after(busy, WAITING)) as server, client(server) as asking:
        assert asking.waiting() == 3
    assert time.monotonic() - began >= 1


@pytest.mark.usefixtures("impatient")
def test_what_is_given_up_is_told_in_the_servers_words() -> None:
    busy = b'{"kind": "store_busy", "title": "the database is locked", "hint": "wait"}'
    with (
        StubServer(lambda _: StubAnswer(503, busy)) as server,
        client(server) as asking,
        pytest.raises(errors.StoreBusy, match="the database is locked: wait"),
    ):
        asking.waiting()
    assert len(server.requests) == 6


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_is_told(web_server: WebServer) -> None:
    url = web_server.url
    web_server.__exit__()
    with (
        Client(url, token=TOKEN) as asking,
        pytest.raises(TransientError, match=r"does not answer: .*refused"),
    ):
        asking.waiting()


@pytest.mark.usefixtures("impatient")
def test_a_submission_whose_answer_is_lost_is_made_once(
    web_server: WebServer, token: Callable[..., str]
) -> None:
    """The first one comes through; what it is answered does not."""
    tries = count()

    def forward(request: StubRequest) -> StubAnswer | None:
        line = http.client.HTTPConnection("127.0.0.1", web_server.port)
        own = ("host", "content-length")
        kept = {name: value for name, value in request.headers.items() if name not in own}
        line.request(request.method, request.path, request.body, kept)
        answer = line.getresponse()
        told = StubAnswer(answer.status, answer.read())
        line.close()
        return told if next(tries) else None

    with StubServer(forward) as between, Client(between.url, token=token()) as asking:
        (job,) = asking.submit_many([Pinned("s3://b/a", "etag:1")])
        assert [each.headers["idempotency-key"] for each in between.requests[1:]] == [
            between.requests[0].headers["idempotency-key"]
        ]
        assert [each.id for each in asking.jobs()] == [job.id]


def test_a_connection_that_was_closed_meanwhile_is_made_anew(
    web_settings: Settings, token: Callable[..., str]
) -> None:
    secret = token()
    with (
        WebServer(web_settings, timeout_keep_alive=0) as server,
        structlog.testing.capture_logs() as logs,
        Client(server.url, token=secret) as asking,
    ):
        assert [asking.waiting() for _ in range(3)] == [0, 0, 0]
    assert "a server is asked again" not in [each["event"] for each in logs]


# What it says


def test_what_is_no_server_of_ours_is_told() -> None:
    page = StubAnswer(body=b"<html>", content_type="text/html")
    with (
        StubServer(after(page)) as server,
        client(server) as asking,
        pytest.raises(ConfigurationError, match="no server of moderation"),
    ):
        asking.waiting()


def test_what_a_newer_server_has_added_is_read_over() -> None:
    newer = StubAnswer(body=b'{"waiting": 3, "and_more": {"a": [1]}}')
    with StubServer(after(newer)) as server, client(server) as asking:
        assert asking.waiting() == 3


def test_what_is_not_understood_is_told() -> None:
    newer = StubAnswer(body=b'{"outcomes": {"a": {"state": "dreaming", "action": null}}}')
    with (
        StubServer(after(newer)) as server,
        client(server) as asking,
        pytest.raises(ConfigurationError, match="not understood"),
    ):
        asking._transport.outcomes(["a"])


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ModerationError)
    ],
)
def test_every_error_comes_back_as_it_was(kind: type[ModerationError]) -> None:
    error = (
        kind("it is", hint="do", fault=MediaFault.ENCRYPTED)
        if issubclass(kind, SourceError | MediaError)
        else kind("it is", hint="do")
    )
    told = {"kind": kind_of(error), "title": "it is", "hint": "do", "fault": "encrypted"}
    back = error_of(422, json.dumps(told).encode(), "there")
    assert type(back) is kind
    assert str(back) == "it is: do"
    assert getattr(back, "fault", MediaFault.ENCRYPTED) is MediaFault.ENCRYPTED


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (401, b"", AccessDenied),
        (413, b"<html>", ConfigurationError),
        (500, b'{"kind": "newer"}', errors.PermanentError),
        (503, b"[1]", TransientError),
        (409, b'{"title": 7, "kind": ["a"]}', errors.ReviewConflict),
        (409, b'{"kind": "in_progress"}', TransientError),
        (599, b"[" * 100_000, errors.PermanentError),
    ],
)
def test_what_stands_before_a_server_is_understood_by_its_status(
    status: int, content: bytes, kind: type[ModerationError]
) -> None:
    assert type(error_of(status, content, "there")) is kind


def test_who_is_nobody_is_denied(web_server: WebServer) -> None:
    with Client(web_server.url, token=TOKEN) as asking, pytest.raises(AccessDenied):
        asking.waiting()


def test_who_may_not_is_told_so(web_server: WebServer, token: Callable[..., str]) -> None:
    with Client(web_server.url, token=token(Role.REVIEWER)) as asking, pytest.raises(NotAllowed):
        asking.submit_many([Pinned("s3://b/a", "etag:1")])


def test_whose_token_was_revoked_is_denied(
    web_server: WebServer, token: Callable[..., str], installation: Installation
) -> None:
    secret = token(Role.SERVICE, "uploads")
    with Client(web_server.url, token=secret) as asking:
        assert asking.waiting() == 0
        installation.people.disable("uploads", by=ADMIN)
        with pytest.raises(AccessDenied):
            asking.waiting()
