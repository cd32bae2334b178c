"""What is sent slowly, or to nobody, holds up nobody else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from fastapi import HTTPException

from moderation.config import Settings
from moderation.web.streams import MOST, Streams
from moderation.web_settings import WebSettings
from tests.services.server import until
from tests.web.server import WebServer


@pytest.fixture
def impatient(web_settings: Settings) -> Iterator[WebServer]:
    """Cuts those who read nothing for a moment; eight connections are all it has."""
    web = WebSettings(send_s=0.5, max_connections=8)
    with WebServer(web_settings.model_copy(update={"web": web})) as server:
        yield server


def silent(server: WebServer) -> socket.socket:
    """Asks for more than fits on the way, and reads nothing of it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    request = f"GET /static/style.css HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n"
    connection.setblocking(False)
    connection.send(request.encode() * 300)
    return connection


def test_row_132_who_reads_nothing_keeps_no_connection(impatient: WebServer) -> None:
    connections = [silent(impatient) for _ in range(8)]

    def is_heard() -> bool:
        with suppress(httpx.TransportError):  # one too many is not always told so in time
            return httpx.get(f"{impatient.url}/healthz", timeout=30).status_code == 200
        return False

    until(is_heard, "room for somebody else")
    for each in connections:
        each.close()


def test_one_person_plays_so_many_videos_at_once() -> None:
    streams = Streams(1)
    for _ in range(MOST):
        streams.begin("anna")
    with pytest.raises(HTTPException) as refused:
        streams.begin("anna")
    assert refused.value.status_code == 429
    streams.begin("ben")
    streams.end("anna")
    streams.begin("anna")


def test_a_store_that_hangs_holds_up_no_other_request(web_settings: Settings) -> None:
    few = web_settings.model_copy(update={"web": WebSettings(threads=2)})
    hangs, began = threading.Event(), threading.Semaphore(0)
    with WebServer(few) as server:

        def hang() -> None:
            began.release()
            hangs.wait(60)

        @server.app.get("/hangs")
        async def _hangs() -> str:
            await server.installation.streams.work(hang)
            return ""

        waiting = [
            threading.Thread(target=httpx.get, args=(f"{server.url}/hangs",), daemon=True)
            for _ in range(4)
        ]
        for each in waiting:
            each.start()
        try:
            assert began.acquire(timeout=60)
            assert httpx.get(f"{server.url}/healthz", timeout=30).status_code == 200
            assert httpx.get(f"{server.url}/sign-in", timeout=30).status_code == 200
        finally:
            hangs.set()
        for each in waiting:
            each.join()
