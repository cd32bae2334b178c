"""Reviewing over HTTP, as tests do it."""

from __future__ import annotations

import json
from typing import Any, Final

from moderation.review import ReviewItem
from tests.web.asking import Answer, TestClient

__all__ = ["ITEMS", "UPHOLD", "decided", "do", "sent"]

ITEMS: Final = "/api/v1/review/items"
UPHOLD: Final[dict[str, Any]] = {"outcome": "uphold", "reason": "toy", "note": "seen"}


def do(client: TestClient, item: ReviewItem | str, what: str, **body: Any) -> Answer:
    id = item if isinstance(item, str) else item.id
    return sent(client, f"{ITEMS}/{id}/{what}", body)


def sent(client: TestClient, path: str, body: dict[str, Any]) -> Answer:
    """As JSON in ASCII, which may stand for what no UTF-8 does."""
    text = json.dumps(body) if body else ""
    return client.post(path, content=text, headers={"Content-Type": "application/json"})


def decided(client: TestClient, item: ReviewItem, **said: Any) -> Answer:
    """Claimed and decided at once."""
    version = do(client, item, "claim").json()["item"]["version"]
    return do(client, item, "decide", version=version, **(said or UPHOLD))
