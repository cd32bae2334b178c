"""Live: what open pages are told by themselves, as server-sent events.

One look at the database every `web.live_s` seconds serves all pages of a process, and nobody looks
while no page is open. What is told is how things are, not what happened: of two changes a slow page
hears the last, and nothing piles up for it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import structlog
from fastapi import HTTPException
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive, Scope, Send

from moderation.errors import AccessDenied, TransientError
from moderation.person import Person
from moderation.store import Store
from moderation.store.claims import within
from moderation.store.tally import Glance, Tally
from moderation.web_settings import WebSettings

__all__ = ["Broadcaster", "EventStream", "Listener"]

MOST_EACH: Final = 20
"""Pages of one person that are told: nobody has more tabs in sight, and a broken script has."""

CHECK_S: Final = 15.0
"""Seconds between two looks whether a listener may still listen; then proxies, which cut what is
silent for a minute, hear something, too."""

PATIENCE_S: Final = 20.0
"""Seconds that a page may take to receive what it is told before it is dropped."""

log = structlog.get_logger(__name__)

Event = Mapping[str, Any]


class Listener:
    """One open page, and the item that it shows; empty for none."""

    def __init__(self, person: Person, item_id: str = "") -> None:
        self.person, self.item_id = person, item_id
        self.is_over = False
        self._told: dict[str, Event] = {}
        self._news: dict[str, Event] = {}
        self._wake = asyncio.Event()

    def tell(self, waiting: Mapping[str, int], items: Mapping[str, Glance]) -> None:
        """How things are now; what the page knows already is not told again."""
        self._hear("queue", {"waiting": sum(waiting.get(r, 0) for r in within(self.person.role))})
        if (item := items.get(self.item_id)) is not None:
            mine = item.holder == self.person.name
            known = {"id": self.item_id, "state": item.state, "version": item.version}
            self._hear("item", {**known, "held_by_me": mine})

    def end(self) -> None:
        self.is_over = True
        self._wake.set()

    async def news(self, patience_s: float) -> Mapping[str, Event]:
        """What is new, by the kind of event; nothing where nothing is for so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), patience_s)
        self._wake.clear()
        news, self._news = self._news, {}
        return news

    def _hear(self, kind: str, event: Event) -> None:
        if self._told.get(kind) != event:
            self._told[kind] = self._news[kind] = event
            self._wake.set()


class Broadcaster:
    """Tells all listeners of one process. Everything runs in the server's event loop."""

    def __init__(self, store: Store, web: WebSettings) -> None:
        self._tally, self._every_s, self._most = Tally(store), web.live_s, web.max_listeners
        self._listeners: set[Listener] = set()
        self._looking: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    def __len__(self) -> int:
        """Pages that listen."""
        return len(self._listeners)

    @property
    def is_looking(self) -> bool:
        """Whether the database is asked now and then."""
        return self._looking is not None and not self._looking.done()

    def join(self, listener: Listener) -> None:
        """Tell it from now on. Raises what is answered where there are too many, or no more."""
        if self._is_closed or len(self._listeners) >= self._most:
            raise HTTPException(503, headers={"Retry-After": str(round(CHECK_S))})
        if sum(each.person.name == listener.person.name for each in self._listeners) >= MOST_EACH:
            raise HTTPException(429, headers={"Retry-After": str(round(CHECK_S))})
        self._listeners.add(listener)
        if not self.is_looking:
            self._loop = asyncio.get_running_loop()
            self._looking = self._loop.create_task(self._look())

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def close(self) -> None:
        """End all of them, so that a server that shuts down need not wait. From any thread."""
        self._is_closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    async def _look(self) -> None:
        try:
            while self._listeners:
                await self._tell()
                await asyncio.sleep(self._every_s)
        finally:
            if self._listeners and not self._is_closed:
                self._end()  # they ask again, and are not told old things until then

    async def _tell(self) -> None:
        items = {each.item_id for each in self._listeners if each.item_id}
        try:
            found = await run_in_threadpool(self._tally.glance, items)
        except TransientError as error:
            log.warning("live.delayed", error=str(error))
            return
        for listener in tuple(self._listeners):
            listener.tell(*found)

    def _end(self) -> None:
        for listener in tuple(self._listeners):
            listener.end()


class EventStream(StreamingResponse):
    """What a listener hears, until it goes away, may listen no more, or does not keep up.

    check  looks whether it may still listen; raises `AccessDenied` where it may not
    """

    def __init__(
        self, listener: Listener, broadcaster: Broadcaster, check: Callable[[], None]
    ) -> None:
        self._listener, self._broadcaster, self._check = listener, broadcaster, check
        # Proxies that gather an answer before they pass it on are asked not to.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(self._events(), headers=headers, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, self._patiently(send))
        except TimeoutError:
            log.info("live.dropped", person=self._listener.person.name)
        finally:
            self._broadcaster.leave(self._listener)

    def _patiently(self, send: Send) -> Callable[[Message], Awaitable[None]]:
        async def patient(message: Message) -> None:
            await asyncio.wait_for(send(message), PATIENCE_S)

        return patient

    async def _events(self) -> AsyncIterator[str]:
        yield f"retry: {round(CHECK_S * 1000)}\n\n"
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while not self._listener.is_over:
            left_s = max(0.0, checked + CHECK_S - loop.time())
            for kind, event in (await self._listener.news(left_s)).items():
                yield f"event: {kind}\ndata: {json.dumps(event)}\n\n"
            if loop.time() - checked >= CHECK_S:
                try:
                    await run_in_threadpool(self._check)
                except AccessDenied:
                    return
                except TransientError as error:
                    log.warning("live.delayed", error=str(error))
                checked = loop.time()
                yield ": still here\n\n"
