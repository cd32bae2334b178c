"""What strangers send too much of, or too slowly: over real connections to a real server."""

from __future__ import annotations

import gzip
import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from moderation.web.limits import is_deeper
from tests.services.server import until
from tests.web.serving import Serving

MIB = 1 << 20
RECEIVE_S = 3
MOST = 240
"""Connections at once."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    home: Path = tmp_path_factory.mktemp("serve") / "home"
    limits = {"WEB__RECEIVE_S": str(RECEIVE_S), "WEB__MAX_CONNECTIONS": str(MOST)}
    with Serving(home, "--log-level", "warning", **limits) as server:
        until(lambda: bool(server.url), "its start")
        yield server


@pytest.fixture(autouse=True)
def _alive_after(server: Serving) -> Iterator[None]:
    """Whatever was sent, the next one is answered."""
    yield
    until(lambda: healthy(server), "an answer to somebody else")
    assert "Traceback" not in server.log


def healthy(server: Serving) -> bool:
    return httpx.get(f"{server.url}/healthz", timeout=30).status_code == 200


def head(server: Serving, *headers: str, method: str = "POST", path: str = "/api/v1/jobs") -> bytes:
    lines = (f"{method} {path} HTTP/1.1", f"Host: {server.host}", *headers, "", "")
    return "\r\n".join(lines).encode()


def heard(connection: socket.socket) -> bytes:
    """All that is answered, until the server closes the connection."""
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def post(server: Serving, content: bytes, **headers: str) -> httpx.Response:
    given = {"Content-Type": "application/json", **headers}
    return httpx.post(f"{server.url}/api/v1/jobs", content=content, headers=given, timeout=60)


# Slowly


def test_fault_132_200_who_never_end_their_head_hold_up_nobody_and_are_sent_away(
    server: Serving,
) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(200)]
        for each in slow:
            each.sendall(head(server, method="GET", path="/sign-in")[:-2] + b"X-Slow: ")
        assert all(healthy(server) for _ in range(5))
        assert all(heard(each).startswith(b"HTTP/1.1 408 ") for each in slow)


def test_fault_132_a_head_that_comes_a_letter_at_a_time_gains_no_time(server: Serving) -> None:
    with server.connect() as slow:
        slow.settimeout(0.1)
        for letter in head(server, f"X-Slow: {'x' * 10_000}"):
            try:
                slow.sendall(bytes([letter]))
                if slow.recv(1024).startswith(b"HTTP/1.1 408 "):
                    return
            except TimeoutError:
                continue
        pytest.fail("it was read to its end")


def test_who_connects_and_says_nothing_is_let_go(server: Serving) -> None:
    with server.connect() as silent:
        assert heard(silent) == b""


def test_fault_132_a_body_that_does_not_come_is_not_waited_for(server: Serving) -> None:
    for framing in ("Content-Length: 10", "Transfer-Encoding: chunked"):
        with server.connect() as slow:
            slow.sendall(head(server, framing))
            answer = heard(slow)
        assert answer.startswith(b"HTTP/1.1 408 "), framing
        assert b"content-security-policy" in answer.lower()


def test_a_second_request_of_a_connection_may_not_be_slower_than_the_first(server: Serving) -> None:
    with server.connect() as slow:
        slow.sendall(head(server, method="GET", path="/healthz"))
        assert slow.recv(4096).startswith(b"HTTP/1.1 200 ")
        slow.sendall(b"GET /healthz HT")
        assert b"HTTP/1.1 408 " in heard(slow)


# Much


def test_fault_132_100_megabytes_are_neither_read_nor_kept(server: Serving) -> None:
    process = psutil.Process(server.process.pid)
    before, most = process.memory_info().rss, 0
    for framing in (f"Content-Length: {100 * MIB}", "Transfer-Encoding: chunked"):
        with server.connect() as much:
            much.sendall(head(server, framing))
            part = b"x" * MIB
            chunk = b"%x\r\n%s\r\n" % (MIB, part) if "chunked" in framing else part
            sent = 0
            try:
                while sent < 100:
                    much.sendall(chunk)
                    sent += 1
                    most = max(most, process.memory_info().rss)
            except OSError:  # it is not listened to any more
                pass
            answer = heard(much)
        assert sent < 100, framing
        assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
    assert most - before < 32 * MIB


def test_fault_132_many_bodies_at_once_do_not_fill_the_memory(server: Serving) -> None:
    process = psutil.Process(server.process.pid)
    before, all_but_one = process.memory_info().rss, b"x" * (MIB - 1)
    with ExitStack() as stack:
        many = [stack.enter_context(server.connect()) for _ in range(90)]
        for each in many:
            with suppress(OSError):  # it is refused while it sends
                each.sendall(head(server, f"Content-Length: {MIB}") + all_but_one)
        most = process.memory_info().rss
        statuses = Counter(heard(each)[9:12] for each in many)
    assert statuses[b"503"] + statuses[b""] > 0
    assert statuses[b"408"] <= 64
    assert most - before < 160 * MIB


def test_a_sender_of_a_little_too_much_hears_why_it_is_refused(server: Serving) -> None:
    answer = post(server, b" " * (2 * MIB))
    assert answer.status_code == 413
    assert answer.json()["title"] == f"the body is longer than {MIB} bytes"


def test_fault_132_what_is_packed_is_not_unpacked(server: Serving) -> None:
    bomb = gzip.compress(b"0" * (50 * MIB))
    assert len(bomb) < MIB
    for packed in ("gzip", "deflate", "br", "zstd", "identity, gzip"):
        assert post(server, bomb, **{"Content-Encoding": packed}).status_code == 415


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'], ids=repr)
def test_fault_132_100_000_levels_of_json_are_not_parsed(server: Serving, opening: bytes) -> None:
    deep = post(server, opening * 100_000)
    assert deep.status_code == 400
    assert "nested deeper than 32 levels" in deep.json()["title"]


def test_fault_132_json_under_the_name_of_a_form_is_json(server: Serving) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded+json"}
    deep = post(server, b"[" * 1_000 + b"]" * 1_000, **kind)
    assert "nested deeper than 32 levels" in deep.json()["title"]


def test_json_in_which_brackets_cannot_be_counted_is_refused(server: Serving) -> None:
    hidden = json.dumps({"\u2200": "\u5c22"}).encode("utf-16")
    assert post(server, hidden).status_code == 400


def test_a_head_of_a_megabyte_is_refused(server: Serving) -> None:
    with server.connect() as much:
        try:
            much.sendall(head(server, f"Cookie: {'x' * MIB}"))
        except OSError:
            return
        assert heard(much)[:13] in {b"HTTP/1.1 400 ", b""}


def test_what_is_no_http_is_answered_with_our_headers(server: Serving) -> None:
    with server.connect() as other:
        other.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        answer = heard(other)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Content-Security-Policy: default-src 'none'" in answer


def test_one_connection_too_many_is_told_to_come_back_later(server: Serving) -> None:
    with ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(server.connect())
        with server.connect() as late:
            late.sendall(head(server, method="GET", path="/healthz"))
            answer = heard(late)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: " in answer


# How deep JSON is


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        (b"", 0),
        (b"1", 0),
        (b"[]", 1),
        (b"[[], [[]], {}]", 3),
        (b'{"a": [{"b": []}]}', 4),
        (b'["[[[[[["]', 1),
        (b'["\\"[[[[", {}]', 2),
        (b'["\\\\", [[]]]', 3),
        (b'{"[": "]"}', 1),
        (b"[[[", 3),
        (b"[" * 40 + b"]" * 40, 40),
        (b'"[[[[', 0),
        (b"]]]]", 0),
    ],
    ids=repr,
)
def test_levels_are_counted_outside_of_strings(text: bytes, levels: int) -> None:
    assert not is_deeper(text, levels)
    assert levels == 0 or is_deeper(text, levels - 1)


@pytest.mark.parametrize("part", [b'"\\', b'"', b"[]", b"{[]}", b"\\", b'"\\"', b"["], ids=repr)
def test_no_text_takes_long_to_count(part: bytes) -> None:
    """In a time that grows with its length alone: else this would take hours."""
    is_deeper(part * (MIB // len(part)), 32)
