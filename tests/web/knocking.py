"""Knocking at every route of an application: who is let in, and who is not.

An answer is taken as soon as its end is there, or its head where it never ends.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount
from starlette.types import Message

__all__ = ["Knocked", "knock", "routes"]

_PATIENCE_S: Final = 60
"""For one answer on a machine that is busy with other things."""

_ENDLESS: Final = "text/event-stream"


@dataclass(slots=True)
class Knocked:
    """What was answered; of an endless answer its head alone."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def problem(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told


def routes(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of everything that the application answers, whoever included it."""
    return {
        (method, str(each.path))
        for each in iter_route_contexts(app.routes)
        for method in ({"GET"} if isinstance(each.route, Mount) else each.methods or {"*"})
        if method != "HEAD" or (each.methods == {"HEAD"})
    }


async def knock(app: FastAPI, method: str, path: str, **headers: str) -> Knocked:
    """Ask for a path, without a body."""
    answer, is_over = Knocked(), asyncio.Event()
    asked = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await is_over.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            if answer.headers.get("content-type", "").startswith(_ENDLESS):
                is_over.set()
            return
        answer.body += message.get("body", b"")
        if not message.get("more_body", False):
            is_over.set()

    task = asyncio.create_task(app(_scope(method, path, headers), receive, send))
    waiting = asyncio.create_task(is_over.wait())
    async with asyncio.timeout(_PATIENCE_S):
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if answer.headers.get("content-type", "").startswith(_ENDLESS):
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    waiting.cancel()
    return answer


def _scope(method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    given = {"Host": "127.0.0.1:8300", "Content-Length": "0", **headers}
    names = {name: name.lower().replace("_", "-").encode() for name in given}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(names[name], value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8300),
    }
