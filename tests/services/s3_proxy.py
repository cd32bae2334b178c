"""What lies between us and a store: counts what is asked for, and fails when it is told to."""

from __future__ import annotations

import http.client
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TypeAlias

__all__ = ["Answer", "Cut", "S3Proxy"]

_HOP = ("connection", "transfer-encoding", "keep-alive", "server", "date")


@dataclass(frozen=True)
class Answer:
    """An error in the store's name."""

    status: int
    code: str


@dataclass(frozen=True)
class Cut:
    """The true answer, whose connection ends after so many bytes of its body."""

    after: int


Fault: TypeAlias = Answer | Cut


class S3Proxy:
    """An HTTP proxy on 127.0.0.1 before a server on a port of this machine.

    asked   method and `Range` of every request so far
    faults  what happens to the next requests, one each; None: nothing
    """

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.asked: list[tuple[str, str]] = []
        self.faults: deque[Fault | None] = deque()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First and last byte of every range that was asked for."""
        found = [wanted.removeprefix("bytes=").split("-") for _, wanted in self.asked if wanted]
        return [(int(first), int(last)) for first, last in found]

    def reset(self) -> None:
        """Forget what was asked, and what is to happen."""
        self.asked.clear()
        self.faults.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> S3Proxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    owner: S3Proxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.owner.asked.append((self.command, self.headers.get("Range", "")))
        fault = self.owner.faults.popleft() if self.owner.faults else None
        if isinstance(fault, Answer):
            self._answer(fault)
        else:
            self._forward(content, fault)

    do_HEAD = do_PUT = do_DELETE = do_GET  # noqa: N815 (the names are http.server's)

    def log_message(self, format: str, *args: object) -> None:
        """Tests ask `asked`."""

    def _answer(self, fault: Answer) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code></Error>".encode()
        self.send_response(fault.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _forward(self, content: bytes, fault: Cut | None) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.owner.upstream, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}
        upstream.request(self.command, self.path, content or None, headers)
        answer = upstream.getresponse()
        body = answer.read()
        upstream.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if fault is None else body[: fault.after])
        self.close_connection = fault is not None
