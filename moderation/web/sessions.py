"""Sessions: signed-in browsers, the cookie that they show, and what hangs on it."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from moderation.errors import AccessDenied
from moderation.people import People
from moderation.person import Person
from moderation.store import Store
from moderation.store.keys import signing_key
from moderation.store.web_sessions import WebSessions
from moderation.web.addresses import scheme
from moderation.web.caller import Caller, Via
from moderation.web_settings import WebSettings

__all__ = ["Sessions"]

_COOKIE: Final = "moderation"

_HOST_ONLY: Final = "__Host-"
"""Begins a cookie that browsers take from this very host alone, and by https."""


class Sessions:
    """Those of one installation. Threads share it."""

    def __init__(self, store: Store, people: People, web: WebSettings) -> None:
        self._people, self._web = people, web
        self._kept = WebSessions(store, timedelta(hours=web.session_h))
        self._key = signing_key(store, "proxied")

    def open(self, person: Person, token: str, connection: HTTPConnection) -> str:
        """A new session of theirs, in place of the one that this browser had."""
        return self._kept.open(person.name, token=token, replaces=self.shown(connection))

    def close(self, connection: HTTPConnection) -> None:
        self._kept.close(self.shown(connection))

    def shown(self, connection: HTTPConnection) -> str:
        """What the browser shows; empty for nothing."""
        return connection.cookies.get(self._cookie(connection), "")

    def caller(self, secret: str) -> Caller:
        """Who shows it. Raises `AccessDenied`, in the same words whatever is wrong with it."""
        name = self._kept.person(secret)
        if name is None:
            raise AccessDenied("access is denied", hint="sign in")
        return _caller(self._people.vouched(name), Via.SESSION, secret.encode(), "")

    def vouched(self, name: str) -> Caller:
        """Whom a trusted proxy names. Raises `AccessDenied` for nobody that is known here."""
        person = self._people.vouched(name)
        return _caller(person, Via.PROXY, self._key, person.name)

    def keep(self, connection: HTTPConnection, response: Response, secret: str) -> None:
        """Have the browser show it from now on."""
        self._set(connection, response, secret, round(self._web.session_h * 3600))

    def forget(self, connection: HTTPConnection, response: Response) -> None:
        """Have the browser show nothing any more."""
        self._set(connection, response, "", 0)

    def _set(self, connection: HTTPConnection, response: Response, value: str, age_s: int) -> None:
        response.set_cookie(
            self._cookie(connection),
            value,
            max_age=age_s,
            httponly=True,
            samesite="strict",
            secure=scheme(connection, self._web) == "https",
        )

    def _cookie(self, connection: HTTPConnection) -> str:
        secure = scheme(connection, self._web) == "https"
        return f"{_HOST_ONLY}{_COOKIE}" if secure else _COOKIE


def _caller(person: Person, via: Via, key: bytes, said: str) -> Caller:
    return Caller(
        person=person,
        via=via,
        session=_mark(key, "session", said),
        csrf=_mark(key, "csrf", said),
    )


def _mark(key: bytes, purpose: str, said: str) -> str:
    """What only who has the key can make, and that tells nothing of the key."""
    return hmac.new(key, f"{purpose}\0{said}".encode(), hashlib.sha256).hexdigest()
