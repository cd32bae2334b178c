"""Asking an application, without a server between."""

from __future__ import annotations

from typing import Any, TypeAlias

import httpx2
from fastapi.testclient import TestClient

from moderation.web import Installation, create_app

__all__ = ["Answer", "TestClient", "asking"]

Answer: TypeAlias = httpx2.Response


def asking(installation: Installation, token: str = "", **headers: str) -> TestClient:
    """As a program on this machine that shows this token.

    What no route expects is an answer here as it is elsewhere, and no exception.
    """
    given: dict[str, Any] = {"Authorization": f"Bearer {token}"} if token else {}
    return TestClient(
        create_app(installation),
        base_url="http://127.0.0.1:8300",
        headers={**given, **headers},
        raise_server_exceptions=False,
        client=("127.0.0.1", 50_000),
        follow_redirects=False,
    )
