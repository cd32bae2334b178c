"""Limits: how much a request may bring, and how slowly.

A body is read whole before any route sees it, so that none has to think of one that is too long,
too deep, too slow or packed.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moderation.web.problems import problem
from moderation.web_settings import WebSettings

__all__ = ["Limits", "is_deeper"]

_HEARD_OUT: Final = 4
"""Times the longest body that are read of one that is too long: a sender who does not mean ill
hears why it is refused, where others see a broken connection."""

_BODIES: Final = 64
"""Of the longest, that are held at one time for all senders together."""

_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
"""All else may be parsed as JSON, also what only ends like it."""

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""Of JSON. Never goes back, so that no text takes it long."""

_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(each for each in range(256) if each not in b"[]{}")


class _Refused(Exception):
    """What is answered instead."""

    def __init__(self, status: int, title: str, hint: str) -> None:
        super().__init__(title)
        self.status, self.title, self.hint = status, title, hint


class _Gone(Exception):
    """Nobody is there to be answered."""


class Limits:
    """Refuses what goes beyond them, and hands the rest to an application."""

    def __init__(self, app: ASGIApp, web: WebSettings) -> None:
        self._app, self._web = app, web
        self._held = 0
        """Bytes of bodies, of all requests that are not answered yet."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = bytearray()
        try:
            await self._read(body, HTTPConnection(scope), receive)
            await self._app(scope, _replayed(bytes(body), receive), send)
        except _Gone:
            return
        except _Refused as refused:
            answer = problem(refused.status, refused.title, refused.hint)
            answer.headers["Connection"] = "close"  # what is left of the body is not waited for
            await answer(scope, receive, send)
        finally:
            self._held -= len(body)

    async def _read(self, body: bytearray, connection: HTTPConnection, receive: Receive) -> None:
        """Raises `_Refused` and `_Gone`."""
        kind = connection.headers.get("content-encoding", "identity").strip().lower()
        if kind not in {"", "identity"}:
            raise _Refused(415, "the body is packed", "send it without a Content-Encoding")
        longest, length = self._web.max_body_bytes, _length(connection)
        if length > longest * _HEARD_OUT:
            raise self._too_long()
        try:
            async with asyncio.timeout(self._web.receive_s):
                await self._receive(body, receive, keep=length <= longest)
        except TimeoutError:
            raise _Refused(
                408, "the body takes too long", f"send it within {self._web.receive_s:g} seconds"
            ) from None
        kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and kind not in _FORMS:
            self._check_json(bytes(body))

    async def _receive(self, body: bytearray, receive: Receive, *, keep: bool) -> None:
        longest, length, more = self._web.max_body_bytes, 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            part, more = message.get("body", b""), message.get("more_body", False)
            length += len(part)
            if length > longest * _HEARD_OUT:
                break
            if keep and length <= longest:
                self._hold(body, part)
        if not keep or length > longest:
            raise self._too_long()

    def _hold(self, body: bytearray, part: bytes) -> None:
        if self._held + len(part) > self._web.max_body_bytes * _BODIES:
            raise _Refused(503, "too much is sent at the same time", "try again in a few seconds")
        body += part
        self._held += len(part)

    def _check_json(self, body: bytes) -> None:
        if b"\0" in body:  # UTF-16, say, in which brackets cannot be counted
            raise _Refused(400, "the request cannot be read", "send JSON in UTF-8")
        if is_deeper(body, self._web.max_depth):
            raise _Refused(
                400,
                f"the JSON is nested deeper than {self._web.max_depth} levels",
                "/api/v1/openapi.json describes what is expected",
            )

    def _too_long(self) -> _Refused:
        return _Refused(
            413, f"the body is longer than {self._web.max_body_bytes} bytes", "send less at once"
        )


def is_deeper(text: bytes, levels: int) -> bool:
    """Whether brackets of JSON are nested deeper, without parsing it: parsers may not return.

    Each round takes away the innermost pairs; what is not closed counts by its open brackets.
    """
    left = _STRING.sub(b"", text).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(levels):
        shorter = left.replace(b"[]", b"")
        if len(shorter) == len(left):
            break
        left = shorter
    return b"[]" in left or left.count(b"[") > levels


def _length(connection: HTTPConnection) -> int:
    """What is announced; 0 for nothing, as of a body in chunks. The server refuses what is none."""
    said = connection.headers.get("content-length", "")
    return int(said) if said.isascii() and said.isdigit() else 0


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body at once, and then what comes after it: that the sender is gone."""
    unread = [body]

    async def received() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return received
