"""Browsing an application as somebody's browser does, without a server between."""

from __future__ import annotations

import re
from typing import Any, Self

import httpx2
from fastapi import FastAPI
from fastapi.testclient import TestClient

from moderation.web import Installation, create_app

__all__ = ["Browser"]

HERE = "http://127.0.0.1:8300"

OURS = {"Sec-Fetch-Site": "same-origin"}
"""What a browser says of what our own page sends."""

_CSRF = re.compile(r'<meta name="csrf-token" content="([^"]*)">')


class Browser:
    """It keeps cookies, follows no redirect, and says that what it posts comes from our page.

    at    what it browses, or another browser there
    base  where it thinks that it is
    peer  address from which the server sees it come
    """

    def __init__(
        self, at: Installation | Self, base: str = HERE, peer: str = "127.0.0.1", **headers: str
    ) -> None:
        self.app: FastAPI = create_app(at) if isinstance(at, Installation) else at.app
        self.client = TestClient(
            self.app,
            base_url=base,
            headers={"Accept": "text/html", **headers},
            raise_server_exceptions=False,
            client=(peer, 50_000),
            follow_redirects=False,
        )

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.client.get(path, headers=headers)

    def post(self, path: str, form: dict[str, str], **headers: str) -> httpx2.Response:
        return self.client.post(path, data=form, headers=headers or OURS)

    def send(self, path: str, content: dict[str, Any], **headers: str) -> httpx2.Response:
        """As a script of the page does."""
        return self.client.post(path, json=content, headers=headers)

    def sign_in(self, token: str, **form: str) -> httpx2.Response:
        return self.post("/sign-in", {"token": token, **form})

    def csrf(self) -> str:
        """What the page has for its forms and scripts."""
        found = _CSRF.search(self.get("/board/me").text)
        return found[1] if found else ""

    def who(self) -> str:
        """Whom the server takes it for; empty for nobody."""
        answer = self.client.get("/api/v1/me")
        return str(answer.json()["name"]) if answer.status_code == 200 else ""
