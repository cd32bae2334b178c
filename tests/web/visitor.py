"""Somebody who visits pages, and sends their forms as a browser without scripts does."""

from __future__ import annotations

from moderation.person import Person
from moderation.web import Installation
from tests.web.asking import Answer, asking
from tests.web.html import Html

__all__ = ["Visitor"]


class Visitor:
    """One of the people of an installation, by a token of theirs."""

    def __init__(self, installation: Installation, token: str) -> None:
        self._http = asking(installation, token, Accept="text/html")
        self.person: Person = installation.people.authenticate(token)

    def get(self, path: str) -> Answer:
        return self._http.get(path)

    def page(self, path: str) -> Html:
        """Raises for anything but a page."""
        return Html.of(self.get(path).raise_for_status().text)

    def post(self, path: str, **fields: str) -> Answer:
        return self._http.post(path, data=fields)

    def follow(self, answer: Answer) -> Html:
        """Where a form that was carried out leads."""
        assert answer.status_code == 303, answer.text
        return self.page(answer.headers["location"])

    def decide(self, item_id: str, **fields: str) -> Answer:
        """Open the item, fill some fields of the form in, and send all of it."""
        form = self.page(f"/items/{item_id}").form()
        return self.post(f"/items/{item_id}/decide", **{**form, **fields})
