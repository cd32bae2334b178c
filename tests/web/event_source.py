"""A listener of server-sent events, as a browser is one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Self

import httpx

__all__ = ["EventSource"]

PATIENCE_S = 30.0
"""For the next line; a loaded machine takes seconds."""


class EventSource:
    """An open connection. A context manager; `status` is what the server answered."""

    def __init__(self, url: str, token: str = "", **cookies: str) -> None:
        given = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(timeout=PATIENCE_S, headers=given, cookies=cookies)
        self._asked = self._client.stream("GET", url, headers={"Accept": "text/event-stream"})

    def __enter__(self) -> Self:
        self.answer = self._asked.__enter__()
        self._lines = self.answer.iter_lines()
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self._client.close()

    @property
    def status(self) -> int:
        return self.answer.status_code

    def next(self, kind: str) -> dict[str, Any]:
        """The next event of a kind. Raises `StopIteration` where the server ends before."""
        while next(self._lines) != f"event: {kind}":
            pass
        return dict(json.loads(next(self._lines).removeprefix("data: ")))

    def lines(self) -> Iterator[str]:
        """All that comes, until the server ends."""
        return self._lines
