"""Open pages are told what changes, as long as they may know it, and no longer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import HTTPException
from sqlalchemy import event
from starlette.types import Message

from moderation.config import Settings
from moderation.decision import Outcome
from moderation.person import Person, Role
from moderation.review import ReviewQueue
from moderation.store.tally import Glance
from moderation.web import Installation, live
from moderation.web.live import Broadcaster, EventStream, Listener
from tests.services.server import until
from tests.web.conftest import ADMIN, ReviewedScan
from tests.web.event_source import EventSource
from tests.web.server import WebServer

Tokens = Callable[..., str]


def somebody(name: str, role: Role = Role.REVIEWER) -> Person:
    return Person(name=name, role=role, created_at=datetime.now(UTC))


LEA = somebody("lea", Role.LEAD)


@pytest.fixture
def web_settings(web_settings: Settings) -> Settings:
    """Of a server that looks often."""
    web = web_settings.web.model_copy(update={"live_s": 0.05, "max_listeners": 3})
    return web_settings.model_copy(update={"web": web})


@pytest.fixture
def checked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether somebody may still listen."""
    monkeypatch.setattr(live, "CHECK_S", 0.1)


def listening(server: WebServer, token: str, item: str = "") -> EventSource:
    return EventSource(f"{server.url}/live?item={item}", token)


def test_a_page_hears_how_many_wait_and_that_one_more_does(
    web_server: WebServer, token: Tokens, reviewed_scan: ReviewedScan
) -> None:
    with listening(web_server, token(Role.REVIEWER)) as page:
        assert page.answer.headers["content-type"].startswith("text/event-stream")
        assert page.answer.headers["cache-control"] == "no-store"
        assert page.next("queue") == {"waiting": 0}
        reviewed_scan()
        assert page.next("queue") == {"waiting": 1}


def test_nobody_is_told_of_what_is_for_a_higher_role(
    web_server: WebServer, token: Tokens, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    ann, lea = token(Role.REVIEWER, "ann"), token(Role.LEAD, "lea")
    reviewed_scan(name="a")
    with listening(web_server, ann) as hers, listening(web_server, lea) as leads:
        assert hers.next("queue") == leads.next("queue") == {"waiting": 1}
        item = reviewed_scan(name="b")
        assert hers.next("queue") == leads.next("queue") == {"waiting": 2}
        said = installation.queue.claim(item.id, somebody("ben")).item
        installation.queue.decide(
            item.id, somebody("ben"), version=said.version, outcome=Outcome.ESCALATE
        )
        assert hers.next("queue") == {"waiting": 1}
        reviewed_scan(name="c")
        assert leads.next("queue") == {"waiting": 3}


def test_a_page_hears_what_becomes_of_its_item(
    web_server: WebServer, token: Tokens, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    ann, item = token(Role.REVIEWER, "ann"), reviewed_scan()
    held = installation.queue.claim(item.id, somebody("ann")).item
    with listening(web_server, ann, item.id) as page:
        known = {"id": item.id, "state": "open", "version": held.version, "held_by_me": True}
        assert page.next("item") == known
        installation.queue.free(item.id, LEA)
        freed = {**known, "version": held.version + 1, "held_by_me": False}
        assert page.next("item") == freed


def test_a_reviewer_hears_of_no_item_that_they_do_not_have(
    web_server: WebServer, token: Tokens, reviewed_scan: ReviewedScan
) -> None:
    item = reviewed_scan()
    with listening(web_server, token(Role.REVIEWER), item.id) as page:
        assert page.status == 403
    with listening(web_server, token(Role.LEAD), item.id) as page:
        assert page.next("item")["id"] == item.id


@pytest.mark.parametrize("item", ["1234567890", "a' or 1=1", "*"])
def test_what_is_no_id_is_refused(web_server: WebServer, token: Tokens, item: str) -> None:
    with listening(web_server, token(Role.LEAD), item) as page:
        assert page.status == 422


def test_strangers_and_programs_hear_nothing(web_server: WebServer, token: Tokens) -> None:
    for shown, status in (("", 401), ("mod_nothing", 401), (token(Role.SERVICE), 403)):
        with listening(web_server, shown) as page:
            assert page.status == status


def test_who_goes_away_is_forgotten_and_nobody_looks_any_more(
    web_server: WebServer, token: Tokens
) -> None:
    told, looks = web_server.installation.live, Looks(web_server.installation)
    with listening(web_server, token(Role.REVIEWER)) as page:
        page.next("queue")
        assert len(told) == 1
    until(lambda: not len(told), "the end of the listener")
    until(lambda: not told.is_looking, "the end of looking")
    seen = looks.count
    with listening(web_server, token(Role.REVIEWER)) as page:
        page.next("queue")
    assert looks.count > seen, "somebody looks again"


class Looks:
    """How often a server has counted what waits."""

    def __init__(self, installation: Installation) -> None:
        self.count = 0
        event.listen(installation.store.engine, "before_cursor_execute", self._note)

    def _note(self, _c: Any, _k: Any, statement: str, *_: Any) -> None:
        self.count += "count(*)" in statement and "GROUP BY review_item.role" in statement


def test_one_look_serves_all_pages(
    web_server: WebServer, token: Tokens, reviewed_scan: ReviewedScan
) -> None:
    looks, shown = Looks(web_server.installation), token(Role.REVIEWER)
    pages = [listening(web_server, shown) for _ in range(3)]
    began = time.monotonic()
    for page in pages:
        page.__enter__()
        assert page.next("queue") == {"waiting": 0}
    reviewed_scan()
    for page in pages:
        assert page.next("queue") == {"waiting": 1}
    took = time.monotonic() - began
    for page in pages:
        page.__exit__()
    assert looks.count <= took / 0.05 + 1


def test_too_many_pages_are_sent_away(web_server: WebServer, token: Tokens) -> None:
    shown = token(Role.REVIEWER)
    pages = [listening(web_server, shown).__enter__() for _ in range(3)]
    with listening(web_server, shown) as page:
        assert page.status == 503
        assert int(page.answer.headers["retry-after"]) > 0
    pages.pop().__exit__()
    until(lambda: len(web_server.installation.live) == 2, "the end of a listener")
    with listening(web_server, shown) as page:
        assert page.status == 200
    for page in pages:
        page.__exit__()


@pytest.mark.usefixtures("checked_often")
def test_somebody_who_is_disabled_hears_no_more(
    web_server: WebServer, token: Tokens, installation: Installation
) -> None:
    with listening(web_server, token(Role.REVIEWER, "ann")) as page:
        page.next("queue")
        installation.people.disable("ann", by=ADMIN)
        assert list(page.lines())[-1] == ""


@pytest.mark.usefixtures("checked_often")
def test_who_signs_out_hears_no_more(web_server: WebServer, token: Tokens) -> None:
    with httpx.Client(base_url=web_server.url, headers={"Sec-Fetch-Site": "same-origin"}) as client:
        client.post("/sign-in", data={"token": token(Role.REVIEWER, "ann")})
        with EventSource(f"{web_server.url}/live", **dict(client.cookies)) as page:
            page.next("queue")
            caller = web_server.installation.sessions.caller(client.cookies["moderation"])
            assert client.post("/sign-out", data={"csrf": caller.csrf}).status_code == 303
            assert list(page.lines())[-1] == ""


@pytest.mark.usefixtures("checked_often")
def test_who_loses_an_item_hears_of_it_no_more(
    web_server: WebServer, token: Tokens, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    ann, item = token(Role.REVIEWER, "ann"), reviewed_scan()
    installation.queue.claim(item.id, somebody("ann"))
    with listening(web_server, ann, item.id) as page:
        assert page.next("item")["held_by_me"]
        installation.queue.free(item.id, LEA)
        assert "".join(page.lines()).count('"held_by_me": false') == 1


@pytest.mark.usefixtures("checked_often")
def test_a_silent_line_is_kept_open(web_server: WebServer, token: Tokens) -> None:
    with listening(web_server, token(Role.REVIEWER)) as page:
        lines = page.lines()
        beats = (line for line in lines if line == ": still here")
        assert next(beats) == next(beats)


def test_a_server_that_ends_does_not_wait_for_open_pages(
    web_server: WebServer, token: Tokens
) -> None:
    with listening(web_server, token(Role.REVIEWER)) as page:
        page.next("queue")
        threading.Thread(target=web_server.installation.live.close).start()
        assert list(page.lines())[-1] == ""
    with listening(web_server, token(Role.REVIEWER)) as page:
        assert page.status == 503


# Without a server


def waiting(n: int) -> dict[str, int]:
    return {"reviewer": n, "lead": 1}


@pytest.fixture
def broadcaster(installation: Installation) -> Broadcaster:
    return Broadcaster(installation.store, installation.settings.web)


def test_of_what_changed_meanwhile_the_last_is_told() -> None:
    async def scenario() -> tuple[dict[str, Any], dict[str, Any]]:
        page = Listener(somebody("ann"), "item")
        for n in range(1000):
            page.tell(waiting(n), {"item": Glance("open", n, "ann")})
        return dict(await page.news(1)), dict(await page.news(0))

    news, nothing = asyncio.run(scenario())
    assert news["queue"] == {"waiting": 999}
    assert news["item"]["version"] == 999
    assert nothing == {}


def test_a_page_that_does_not_keep_up_is_dropped(
    broadcaster: Broadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PATIENCE_S", 0.05)

    async def never(*_: object) -> Any:
        await asyncio.Event().wait()

    async def stuck(message: Message) -> None:
        if message["type"] == "http.response.body":
            await never()

    async def scenario() -> int:
        page = Listener(somebody("ann"))
        broadcaster.join(page)
        stream = EventStream(page, broadcaster, lambda: None)
        scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
        await asyncio.wait_for(stream(scope, never, stuck), 30)
        return len(broadcaster)

    assert asyncio.run(scenario()) == 0


def test_nobody_has_more_pages_than_anybody_needs(
    broadcaster: Broadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_EACH", 1)

    async def scenario() -> None:
        broadcaster.join(Listener(somebody("ann")))
        broadcaster.join(Listener(somebody("ben")))
        with pytest.raises(HTTPException) as refused:
            broadcaster.join(Listener(somebody("ann")))
        assert refused.value.status_code == 429

    asyncio.run(scenario())


def test_the_queue_counts_as_its_page_does(
    installation: Installation, reviewed_scan: ReviewedScan
) -> None:
    for name in ("a", "b", "c"):
        reviewed_scan(name=name)
    queue = ReviewQueue(installation.store, installation.settings.review)
    queue.claim_next(somebody("ann"))

    async def scenario() -> dict[str, Any]:
        page = Listener(somebody("ben"))
        told = Broadcaster(installation.store, installation.settings.web)
        told.join(page)
        return dict(await page.news(30))

    assert asyncio.run(scenario()) == {"queue": {"waiting": queue.count(somebody("ben"))}}
