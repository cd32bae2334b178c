"""The installation behind a server: what every request works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request

from moderation.address_guard import AddressGuard
from moderation.audit import AuditLog
from moderation.board import Board
from moderation.client import Client
from moderation.config import Settings
from moderation.exposure import Exposure
from moderation.people import People
from moderation.pictures import Pictures
from moderation.review import ReviewQueue
from moderation.store import Store
from moderation.store.deliveries import Deliveries
from moderation.store.webhooks import Webhooks
from moderation.transport import DatabaseTransport
from moderation.web.apart import Apart
from moderation.web.links import Links
from moderation.web.live import Broadcaster
from moderation.web.playback import Playback
from moderation.web.previews import Previews
from moderation.web.rate_limit import RateLimit
from moderation.web.sessions import Sessions
from moderation.web.sign_in_codes import SignInCodes
from moderation.web.streams import Streams

__all__ = ["Here", "Installation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """One database and what works on it. Threads share it. A context manager."""

    settings: Settings
    store: Store
    transport: DatabaseTransport
    client: Client
    people: People
    queue: ReviewQueue
    board: Board
    exposure: Exposure
    live: Broadcaster
    pictures: Pictures
    audit: AuditLog
    webhooks: Webhooks
    deliveries: Deliveries
    links: Links
    playback: Playback
    previews: Previews
    streams: Streams
    probes: Apart
    sessions: Sessions
    codes: SignInCodes
    sign_ins: RateLimit
    requests: RateLimit

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Raises `StoreError` for a database that is not ours, or of another version."""
        web = settings.web
        store = Store.open(settings.database_url, review=settings.review, connections=web.threads)
        transport = DatabaseTransport(settings, store)
        people, playback = People(store), Playback(settings.s3)
        return cls(
            settings=settings,
            store=store,
            transport=transport,
            client=Client(transport=transport),
            people=people,
            queue=ReviewQueue(store, settings.review),
            board=Board(store),
            live=Broadcaster(store, settings.web),
            exposure=Exposure(store, settings.review),
            pictures=Pictures.of(settings),
            audit=AuditLog(store),
            webhooks=Webhooks(store, AddressGuard(settings.webhooks.allowed_networks)),
            deliveries=Deliveries(store),
            links=Links(store, web.link_s),
            playback=playback,
            previews=Previews(settings, playback),
            streams=Streams(max(1, settings.web.threads // 2)),
            probes=Apart(2),
            sessions=Sessions(store, people, web),
            codes=SignInCodes(),
            sign_ins=RateLimit(web.sign_ins_per_minute),
            requests=RateLimit(web.requests_per_minute),
        )

    def close(self) -> None:
        self.previews.close()
        self.client.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _installation(request: Request) -> Installation:
    found = request.app.state.installation
    assert isinstance(found, Installation)  # set by `create_app`
    return found


Here = Annotated[Installation, Depends(_installation)]
"""For the arguments of a route."""
