"""The page and the API behind a real server: on loopback, in a thread, gone with the test."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from typing import Any, Self

import uvicorn

from moderation.config import Settings
from moderation.web import Installation, create_app
from moderation.web.server import options
from tests.services.server import until

__all__ = ["WebServer"]


class WebServer:
    """A server of an installation. A context manager.

    settings  of the installation, which it opens and closes
    options   of `uvicorn.Config`
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._settings, self._options = settings, options
        self._socket = socket.socket()
        self._open = ExitStack()

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        self.installation = self._open.enter_context(Installation.open(self._settings))
        self._socket.bind(("127.0.0.1", 0))
        given = {**options(self._settings.web), **self._options}
        self.app = create_app(self.installation)
        self._server = uvicorn.Server(uvicorn.Config(self.app, **given))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        until(lambda: self._server.started or not self._thread.is_alive(), "the server's start")
        if not self._server.started:
            self.__exit__()
            raise RuntimeError("the server does not start: see the log above")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, and wait until it is gone; what it was answering is answered."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self._open.close()
