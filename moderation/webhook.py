"""Webhooks: who is told, of what, in which words. After Standard Webhooks 1.0.

The body is JSON: `type`, `timestamp` (when it happened) and `data`. See `webhook_signature` for how
a receiver knows that it is ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

__all__ = [
    "LARGEST_BODY",
    "Delivery",
    "DeliveryState",
    "EventType",
    "Webhook",
    "WebhookEvent",
    "WebhookSecret",
    "body_of",
]

LARGEST_BODY: Final = 20_000
"""Bytes, as the specification advises: who wants more asks for it by the ids."""


class EventType(StrEnum):
    """What a receiver may want to hear of."""

    JOB_COMPLETED = "job.completed"
    """A job has its verdict, or failed for good."""
    VERDICT_CHANGED = "verdict.changed"
    """The verdict in force for a video says something else than the one before."""
    REVIEW_DECIDED = "review.decided"
    APPEAL_DECIDED = "appeal.decided"


class DeliveryState(StrEnum):
    """What becomes of one event at one webhook."""

    WAITING = "waiting"
    SENDING = "sending"
    """By somebody, who has until it is due: then it is anybody's."""
    PAUSED = "paused"
    """The receiver asked for a pause: until it is due, nothing at all is sent to its webhook."""
    DELIVERED = "delivered"
    DEAD = "dead"
    """The last try failed. Kept, and sent again by a replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecret:
    """A secret, `whsec_...`; it signs until a moment, or for as long as it is the newest."""

    value: str = field(repr=False)
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where events are sent to.

    secrets          the newest first; each one that still signs adds a signature
    events           that are sent; empty: all
    disabled_reason  empty unless it is disabled
    """

    id: str
    url: str
    secrets: tuple[WebhookSecret, ...] = field(repr=False)
    events: tuple[EventType, ...]
    created_at: datetime
    disabled_at: datetime | None = None
    disabled_reason: str = ""

    def wants(self, type: str) -> bool:
        return not self.events or type in self.events

    def signing(self, now: datetime) -> list[str]:
        """The secrets that sign at that time."""
        return [each.value for each in self.secrets if each.until is None or each.until > now]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """Something that happened.

    id    the same in every try, by which receivers know what they have already
    body  letter by letter what is sent
    """

    id: str
    type: EventType
    at: datetime
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one webhook.

    attempt  the number of the last try, or of the one under way; 0: none
    due      when the next one is, or this one counts as lost; by the database's clock
    status   of the last answer; 0: there was none
    error    why the last try failed
    """

    event: WebhookEvent
    webhook: Webhook
    state: DeliveryState
    attempt: int
    due: datetime
    status: int = 0
    error: str = ""
    delivered_at: datetime | None = None


def body_of(type: EventType, at: datetime, data: Mapping[str, Any]) -> str:
    """The JSON of an event, of `LARGEST_BODY` bytes at most.

    What is too much is left out, the largest of `data` first, and named in `left_out`: ids are
    short, and stay. Raises `ValueError` for a number that JSON does not know.
    """
    kept, left_out = dict(data), list[str]()
    while len((body := _json(type, at, kept, left_out)).encode()) > LARGEST_BODY and kept:
        largest = max(kept, key=lambda name: len(_dump(kept[name]).encode()))
        del kept[largest]
        left_out.append(largest)
    return body


def _json(type: EventType, at: datetime, data: Mapping[str, Any], left_out: list[str]) -> str:
    moment = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    whole = {"type": type.value, "timestamp": moment, "data": dict(data)}
    return _dump({**whole, "left_out": sorted(left_out)} if left_out else whole)


def _dump(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # File names may hold what no encoding of Unicode takes.
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
