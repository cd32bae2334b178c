"""The server: one process, HTTP/1.1 alone, and no more of anything than the settings allow.

uvicorn waits for ever for the head of a request; `Connection` does not.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from types import FrameType
from typing import Any, Final

import h11
import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from moderation.errors import ConfigurationError
from moderation.web.headers import ALWAYS
from moderation.web.installation import Installation
from moderation.web_settings import WebSettings

__all__ = ["Connection", "Server", "listen", "options"]

_HEAD_BYTES: Final = 16 << 10
"""Of a request's head: cookies and addresses of ours take less than one thousand."""

_GRACE_S: Final = 3
"""For answers that are under way when the server ends; then streams that never end are cut."""

_REFUSED_S: Final = 1.0
"""For one connection too many to ask for something, so that it can be told to come back later."""

_FILES: Final = 3
"""That one connection may need: itself, the upload that it plays, and its way to the database."""

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def options(web: WebSettings) -> dict[str, Any]:
    """What `uvicorn.Config` is given."""
    return {
        "http": partial(Connection, web=web),
        "ws": "none",
        "loop": "asyncio",
        "lifespan": "off",
        "log_config": None,
        "log_level": "error",  # of its own: what others send wrong is no news
        "access_log": False,  # its lines have queries
        "proxy_headers": False,  # it would believe this machine's own programs; see `addresses`
        "server_header": False,
        "timeout_graceful_shutdown": _GRACE_S,
        "h11_max_incomplete_event_size": _HEAD_BYTES,
    }


def listen(web: WebSettings) -> socket.socket:
    """A socket at the place of the settings. Raises `ConfigurationError` where that cannot be."""
    try:
        found = socket.getaddrinfo(web.host, web.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen()
    except OSError as error:
        raise ConfigurationError(
            f"port {web.port} of {web.host} cannot be listened on: {error.strerror}",
            hint="end what listens there, or name another with --port or --host",
        ) from None
    return listener


class Server(uvicorn.Server):
    """Serves an installation's application until SIGINT, SIGTERM or SIGHUP."""

    def __init__(self, app: FastAPI, installation: Installation) -> None:
        web = installation.settings.web
        super().__init__(uvicorn.Config(app, **options(web)))
        self._web, self._live = web, installation.live
        self.ended_by = 0
        """The signal; the first one of several."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        to_thread.current_default_thread_limiter().total_tokens = self._web.threads
        _allow_files(_FILES * self._web.max_connections)
        # What is there now stays: not to look at it again takes a third off a long page's time.
        gc.collect()
        gc.freeze()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.close()  # else open pages would hold up the end
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Without raising them once more at the end: whoever started the server asks for them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ours = [each for each in _ENDING if signal.getsignal(each) is not signal.SIG_IGN]
        before = {each: signal.signal(each, self.handle_exit) for each in ours}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.ended_by = self.ended_by or sig
        super().handle_exit(sig, frame)


class Connection(H11Protocol):
    """One that must say what it wants within `receive_s`, read some of what it gets within each
    `send_s`, and is one of `max_connections`.
    """

    def __init__(self, *given: Any, web: WebSettings, **named: Any) -> None:
        super().__init__(*given, **named)
        self._web, self._is_too_many = web, False
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._is_too_many = len(self.connections) > self._web.max_connections
        self._expect_head(_REFUSED_S if self._is_too_many else self._web.receive_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting()
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Called when whoever asked does not read what is sent."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching()

    def data_received(self, data: bytes) -> None:
        if self._is_too_many:
            self.conn.receive_data(data)
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_expecting()
        elif self._deadline is None:
            self._expect_head(self._web.receive_s)

    def on_response_complete(self) -> None:
        self._stop_expecting()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Called for what is no HTTP: with our headers, where an answer has not begun yet."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._refuse(HTTPStatus.BAD_REQUEST)
        else:
            self.transport.close()

    def _watch(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(self._web.send_s, self._see_progress)

    def _see_progress(self) -> None:
        if self.transport.get_write_buffer_size() < self._unsent:
            self._watch()
        else:
            self.transport.abort()

    def _stop_watching(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _expect_head(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _stop_expecting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        began, _ = self.conn.trailing_data
        if began:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:  # browsers connect in advance
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        self._stop_expecting()
        if self.transport.is_closing():
            return
        words = f"{status.phrase}\n".encode()
        headers = {
            **ALWAYS,
            "Cache-Control": "no-store",
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(words)),
            "Connection": "close",
        }
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = "5"
        answer = h11.Response(
            status_code=status, headers=list(headers.items()), reason=status.phrase.encode()
        )
        for event in (answer, h11.Data(data=words), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _allow_files(count: int) -> None:
    """To be open at once, as far as the operating system lets us say so."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if most == resource.RLIM_INFINITY else min(count, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _is_news(record: logging.LogRecord) -> bool:
    """Not that streams were cut: they are, whenever the server ends."""
    cut = record.exc_info is not None and record.exc_info[0] is asyncio.CancelledError
    return not cut and not str(record.msg).startswith("Cancel ")
