"""The webhook: MinIO and RustFS announce objects by HTTP, each request like a queue's message.

The answer is 200 when its jobs are in the database, and 503 while the database or the bucket does
not answer: the sender keeps the event and tries again. What is no notification gets 400, and a
line in the log, for there is no dead letter queue here.
"""

from __future__ import annotations

import contextlib
import hmac
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final

import structlog

from moderation.errors import ConfigurationError, ModerationError, SourceError
from moderation_workers.events import MAX_BODY, Garbage, parse
from moderation_workers.intake import Intake

__all__ = ["Webhook"]

log = structlog.get_logger(__name__)

_PATIENCE_S: Final = 10.0
"""Without a byte from a sender."""

_LONGEST_S: Final = 60.0
"""For all bytes of a request: who sends them one by one must not hold a slot for hours."""

_AT_ONCE: Final = 32
"""Requests worked on side by side; those beyond wait to be accepted."""

_LOOK_S: Final = 0.5
"""Between two looks at whether it is to stop."""

_SCHEME: Final = "Bearer "
"""MinIO puts it before its `auth_token`."""


class Webhook:
    """Listens when it is made. A context manager.

    port   0: any that is free
    token  of the `Authorization` header; may be empty only where no other machine gets through

    Raises `ConfigurationError` for an address that is not to be had, or one without a token.
    """

    def __init__(self, host: str, port: int, intake: Intake, token: str = "") -> None:
        if not token and not _is_loopback(host):
            raise ConfigurationError(
                f"a webhook on {host} needs a token: anybody could submit", hint="give one"
            )
        try:
            self._server = _Server(host, port, intake, token)
        except OSError as error:
            raise ConfigurationError(
                f"{host}:{port} cannot be listened on: {error.strerror}",
                hint="give another address, or end what listens there",
            ) from None

    @property
    def port(self) -> int:
        return self._server.server_port

    def run(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Until it is told to stop."""
        while not stopping():
            self._server.handle_request()

    def close(self) -> None:
        self._server.server_close()

    def __enter__(self) -> Webhook:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    timeout = _LOOK_S
    request_queue_size = 128
    daemon_threads = False  # a request that is worked on is answered before the end

    def __init__(self, host: str, port: int, intake: Intake, token: str) -> None:
        self.intake, self.token = intake, token.encode()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """As `HTTPServer`, which would ask the resolver for this machine's name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._slots.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The connection ends without an answer: the sender tries again."""
        log.exception("a request of the webhook broke", sender=str(client_address[0]))


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE_S
    server_version, sys_version = "moderation", ""

    def setup(self) -> None:
        super().setup()
        self._deadline = threading.Timer(_LONGEST_S, self._hear_no_more)
        self._deadline.daemon = True
        self._deadline.start()

    def finish(self) -> None:
        self._deadline.cancel()
        super().finish()

    def do_GET(self) -> None:
        """Senders ask whether anybody is there."""
        self._answer(HTTPStatus.OK)

    do_HEAD = do_GET  # noqa: N815  # the names are http.server's

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            self._answer(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > MAX_BODY:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            body = self.rfile.read(int(length))  # all of it, or the answer gets lost
            self._answer(self._taken(body) if self._is_known else HTTPStatus.UNAUTHORIZED)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("webhook", sender=self.client_address[0], message=format % args)

    @property
    def _is_known(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix(_SCHEME)
        wanted = self.server.token
        # A header's bytes are what http.server read as Latin-1.
        return not wanted or hmac.compare_digest(given.encode("latin-1", "replace"), wanted)

    def _hear_no_more(self) -> None:
        with contextlib.suppress(OSError):  # it is over already
            self.connection.shutdown(socket.SHUT_RD)

    def _taken(self, body: bytes) -> HTTPStatus:
        try:
            self.server.intake.take(parse(body.decode()))
        except (Garbage, SourceError, UnicodeDecodeError) as error:
            log.warning("an event cannot be followed", reason=str(error))
            return HTTPStatus.BAD_REQUEST
        except ModerationError as error:  # the operator's to correct, or time's
            log.warning("an event waits", reason=str(error))
            return HTTPStatus.SERVICE_UNAVAILABLE
        return HTTPStatus.OK

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
