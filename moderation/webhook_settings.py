"""How receivers of webhooks are reached: `[webhooks]` among the settings."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

__all__ = ["WebhookSettings"]


class WebhookSettings(BaseModel):
    """Who is told of what stands in the database: `moderation webhooks`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        description="networks that are not public and where receivers may be all the same, by "
        "plain HTTP too: 10.20.0.0/16; commas between them in the environment; empty: none, for "
        "whoever may add a webhook could have us write to the services of this network",
    )
    timeout_s: float = Field(
        20,
        gt=0,
        le=300,
        description="seconds for one request from the look-up of the name to the answer; a "
        "receiver that needs longer should answer first and work then",
    )
    poll_s: float = Field(
        2, gt=0, description="how often `moderation webhooks send --forever` looks for new events"
    )
    senders: int = Field(
        4, ge=1, le=64, description="receivers that one process sends to at the same time"
    )

    @field_validator("allowed_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
