"""`/api/v1/webhooks`: who is told what happens, whether they were, and sending it again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Self, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from moderation import webhook as known
from moderation.person import Person, Right
from moderation.reports.text import whole
from moderation.web.api.moments import Moment
from moderation.web.identity import needs
from moderation.web.installation import Here
from moderation.webhook import DeliveryState, EventType

__all__ = ["router"]

_HIDDEN: Final = "..."
"""Instead of what may be a key."""

_LONGEST_URL: Final = 2_000
_LONGEST_REASON: Final = 500
_LARGEST_PAGE: Final = 200
_MOST_HOURS: Final = 24 * 365
"""For which a former secret may sign: a year is for ever."""

_ID: Final = r"^[0-9a-f]{10}$"
_EVENT: Final = r"^msg_[a-z0-9_-]{1,100}$"

_ADMIN: Final = Depends(needs(Right.MANAGE_WEBHOOKS))

router = APIRouter(tags=["webhooks"], dependencies=[_ADMIN])

Admin: TypeAlias = Annotated[Person, _ADMIN]
WebhookId: TypeAlias = Annotated[str, Path(pattern=_ID)]
EventId: TypeAlias = Annotated[str, Path(pattern=_EVENT)]
OneWebhook: TypeAlias = Annotated[str | None, Query(pattern=_ID, description="of this one alone")]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Webhook(BaseModel):
    """Where events are sent to; its secrets are told to nobody after they were made."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    url: str
    """Without the values of its query, which may be keys."""
    events: list[EventType]
    """That are sent; empty: all."""
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: str

    @classmethod
    def of(cls, webhook: known.Webhook) -> Self:
        return cls(
            id=webhook.id,
            url=_without_keys(webhook.url),
            events=list(webhook.events),
            created_at=webhook.created_at,
            disabled_at=webhook.disabled_at,
            disabled_reason=whole(webhook.disabled_reason),
        )


class Webhooks(BaseModel):
    webhooks: list[Webhook]


class NewWebhook(_Asked):
    url: Annotated[str, Field(max_length=_LONGEST_URL)]
    events: list[EventType] = Field(default_factory=list, max_length=len(EventType))
    """That are sent; empty: all."""


class AddedWebhook(BaseModel):
    """A new one, and the only time that its secret is seen."""

    webhook: Webhook
    secret: str


class WebhookSecret(BaseModel):
    """Seen this once."""

    secret: str


class Disabling(_Asked):
    reason: Annotated[str, Field(max_length=_LONGEST_REASON)] = "by hand"


class Rotation(_Asked):
    overlap_h: Annotated[float, Field(ge=0, le=_MOST_HOURS, allow_inf_nan=False)] = 24
    """Hours for which the former secret signs as well; 0: it is known to others."""


class Delivery(BaseModel):
    """One event on its way to one webhook."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    event: str
    """Its id, the same in every try."""
    type: EventType
    happened_at: datetime
    webhook: str
    state: DeliveryState
    attempt: int
    due: datetime
    """Of the next try."""
    status: int
    """Of the last answer; 0: there was none."""
    error: str
    delivered_at: datetime | None

    @classmethod
    def of(cls, delivery: known.Delivery) -> Self:
        return cls(
            event=delivery.event.id,
            type=delivery.event.type,
            happened_at=delivery.event.at,
            webhook=delivery.webhook.id,
            state=delivery.state,
            attempt=delivery.attempt,
            due=delivery.due,
            status=delivery.status,
            error=whole(delivery.error),
            delivered_at=delivery.delivered_at,
        )


class Deliveries(BaseModel):
    """The newest events first."""

    deliveries: list[Delivery]


class Replay(_Asked):
    webhook: Annotated[str, Field(pattern=_ID)] | None = None
    """Only to this one; otherwise to all that want it."""


class ReplaySince(Replay):
    since: Moment
    delivered: bool = False
    """Also what did arrive: for receivers that lost it."""


class Replayed(BaseModel):
    deliveries: int
    """To be made."""


@router.get("/webhooks")
def webhooks(here: Here) -> Webhooks:
    """All of them, the oldest first."""
    return Webhooks(webhooks=[Webhook.of(each) for each in here.webhooks.list()])


@router.post("/webhooks", status_code=201)
def add(given: NewWebhook, here: Here, by: Admin, response: Response) -> AddedWebhook:
    """Send what happens to a URL from now on. Answers with the secret, this once."""
    added = here.webhooks.add(given.url, given.events, actor=by.name)
    response.headers["Cache-Control"] = "no-store"
    return AddedWebhook(webhook=Webhook.of(added), secret=added.secrets[0].value)


@router.get("/webhook-deliveries")
def deliveries(
    here: Here,
    webhook: OneWebhook = None,
    state: DeliveryState | None = None,
    limit: Annotated[int, Query(ge=1, le=_LARGEST_PAGE)] = 50,
) -> Deliveries:
    """What was sent, and what became of it."""
    found = here.deliveries.log(webhook=webhook, state=state, limit=limit)
    return Deliveries(deliveries=[Delivery.of(each) for each in found])


@router.post("/webhook-events/replay")
def replay_since(given: ReplaySince, here: Here) -> Replayed:
    """Send what happened since then and did not arrive."""
    return Replayed(
        deliveries=here.deliveries.replay_since(
            given.since, webhook=given.webhook, delivered=given.delivered
        )
    )


@router.post("/webhook-events/{event}/replay")
def replay(event: EventId, given: Replay, here: Here) -> Replayed:
    """Send an event once more, under its id, whatever became of it."""
    return Replayed(deliveries=here.deliveries.replay(event, webhook=given.webhook))


@router.get("/webhooks/{id}")
def webhook(id: WebhookId, here: Here) -> Webhook:
    return Webhook.of(here.webhooks.get(id))


@router.post("/webhooks/{id}/disable")
def disable(id: WebhookId, given: Disabling, here: Here, by: Admin) -> Webhook:
    """Nothing is sent to it, and what waits goes on waiting."""
    here.webhooks.disable(id, given.reason, actor=by.name)
    return Webhook.of(here.webhooks.get(id))


@router.post("/webhooks/{id}/enable")
def enable(id: WebhookId, here: Here, by: Admin) -> Webhook:
    """What waits is sent; what happened in between, a replay sends."""
    here.webhooks.enable(id, actor=by.name)
    return Webhook.of(here.webhooks.get(id))


@router.post("/webhooks/{id}/rotate")
def rotate(
    id: WebhookId, given: Rotation, here: Here, by: Admin, response: Response
) -> WebhookSecret:
    """A new secret, told this once."""
    overlap = timedelta(hours=given.overlap_h)
    response.headers["Cache-Control"] = "no-store"
    return WebhookSecret(secret=here.webhooks.rotate(id, actor=by.name, overlap=overlap))


@router.delete("/webhooks/{id}", status_code=204)
def remove(id: WebhookId, here: Here, by: Admin) -> None:
    """Forget it, its secrets, and what was sent to it."""
    here.webhooks.remove(id, actor=by.name)


def _without_keys(url: str) -> str:
    """Without user, password and the values of the query."""
    parts = urlsplit(url)
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    query = urlencode([(name, _HIDDEN) for name in names], safe=".")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="").geturl()
