"""How the page and the HTTP API are served: `[web]` among the settings."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

__all__ = ["WebSettings"]


class WebSettings(BaseModel):
    """Where it listens, whom it believes, and how much it takes from whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        "127.0.0.1",
        description="address to listen on; others than this machine's own need PostgreSQL, and "
        "something in front that speaks TLS",
    )
    port: int = Field(8300, ge=0, le=65535, description="0: any that is free")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^/\s]+)?$",
        description="how browsers reach it, https://review.example.org; empty: as it listens. "
        "Requests that say they come from elsewhere are refused",
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        description="networks of the proxies that stand in front; what others say in X-Forwarded-* "
        "and in `user_header` is ignored; commas between them in the environment",
    )
    user_header: str = Field(
        "",
        pattern=r"^[A-Za-z0-9-]*$",
        description="header in which a trusted proxy says who somebody is, such as "
        "X-Forwarded-User; they must be among `moderation users`; empty: nobody is believed",
    )
    session_h: float = Field(
        12, gt=0, description="hours until somebody must sign in again: a shift and its breaks"
    )
    link_s: int = Field(
        300,
        ge=10,
        le=300,
        description="seconds for which a link to a video or a picture is good; the page renews it",
    )
    sign_ins_per_minute: int = Field(
        10, ge=1, description="attempts to sign in from one address; more are refused for a while"
    )
    requests_per_minute: int = Field(
        3000,
        ge=1,
        description="requests of one person or program; far more than anybody's work needs, few "
        "enough that one broken loop leaves room for others",
    )
    max_body_bytes: int = Field(
        1 << 20, ge=1024, description="of a request; videos are never sent here, only their URIs"
    )
    max_depth: int = Field(
        32, ge=4, le=200, description="of nested JSON; ours has fewer than ten levels"
    )
    receive_s: float = Field(
        20, gt=0, description="seconds for a request's head, and again for its body, to arrive"
    )
    send_s: float = Field(
        120,
        gt=0,
        description="seconds in which nothing of an answer is read until its connection is cut; a "
        "player that is paused for longer asks again for the rest",
    )
    max_connections: int = Field(500, ge=8, description="at once; more are told to come back later")
    threads: int = Field(
        16, ge=2, le=200, description="requests that are worked on at once in one process"
    )
    preview_side: int = Field(
        640,
        ge=64,
        le=4096,
        description="pixels of the longer side of a copy made of what a browser cannot play",
    )
    preview_max_s: float = Field(
        1800,
        gt=0,
        description="seconds of the longest video of which a copy is made: on two cores and of "
        "1080 lines it takes half as long as the video, and meanwhile nobody else gets one",
    )
    preview_bytes: int = Field(
        4 << 30, ge=0, description="room for such copies; those that nobody looks at go first"
    )
    preview_keep_s: float = Field(
        3600,
        gt=0,
        description="seconds that a copy stays when nobody looks at it; what is erased is gone "
        "from here by then, too",
    )
    live_s: float = Field(
        2,
        gt=0,
        description="seconds between two looks at the database for what open pages are told; one "
        "look serves all of them",
    )
    max_listeners: int = Field(
        200,
        ge=1,
        description="open pages that one process tells of changes; more of them show what was so "
        "when they were loaded",
    )
    folders: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="folders of this machine whose files may be submitted over HTTP and played; "
        "empty: only what lies in S3, and what was scanned from a command line. os.pathsep between "
        "them in the environment",
    )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("folders", mode="before")
    @classmethod
    def _split_folders(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(part).expanduser() for part in value.split(":") if part)
        return value
