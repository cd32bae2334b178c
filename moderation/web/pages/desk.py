"""The desk: the page of one item for whoever asks, and what it says when something is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple, Self

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from moderation.decision import Outcome
from moderation.errors import ConfigurationError, ModerationError, NotAllowed
from moderation.person import Person
from moderation.rescan import Rescans
from moderation.review import ReviewCase, ReviewItem
from moderation.web.caller import Caller
from moderation.web.identity import SignedIn
from moderation.web.installation import Here, Installation
from moderation.web.problems import status_of
from moderation.web.templates import render
from moderation.web.views.case_data import case_data
from moderation.web.views.decision_form import OUTCOMES, DecisionForm
from moderation.web.views.item import CLOSED_WORDS, ItemView, is_theirs, view_item
from moderation.web.views.place import text_for
from moderation.web.views.waiting import appeal_waits

__all__ = ["ITEM_ID", "Desk", "Undo", "see", "undoing"]

ITEM_ID: Final = re.compile("[a-z0-9]{1,32}")

_TOLD: Final = (403, 409, 422)
"""What whoever sent a form can put right, on the page that they sent it from."""


@dataclass(frozen=True, slots=True)
class Undo:
    """A decision that can be taken back for some seconds more."""

    item_id: str
    outcome: Outcome
    seconds: int


@dataclass(frozen=True, slots=True)
class _Desk:
    request: Request
    here: Installation
    caller: Caller

    @property
    def by(self) -> Person:
        return self.caller.person

    def page(
        self,
        case: ReviewCase,
        *,
        form: DecisionForm | None = None,
        error: ModerationError | None = None,
        told: str = "",
    ) -> Response:
        """The item, with what was typed and what is wrong with it."""
        here, item = self.here, case.item
        policy = here.queue.policy_of(item)
        view = view_item(case, policy, self.by, here.settings.review, form)
        video = here.links.video(item.id, self.caller) if item.sha256 else ""
        link_s, undo_s = here.settings.web.link_s, here.settings.review.undo_s
        rescans = Rescans(here.store, here.queue, here.client)
        return render(
            self.request,
            "item.html",
            self.caller,
            status=status_of(error) if error else 200,
            view=view,
            data=case_data(view, video=video, link_s=link_s, undo_s=undo_s),
            pictures=self._pictures(view),
            rescan=rescans.under_way(item) if view.offers_rescan else None,
            outcomes=OUTCOMES,
            closed_words=CLOSED_WORDS,
            require_reason=here.settings.review.require_reason,
            undo=undoing(self.request),
            error=_Told.of(error, self.by, item) if error else None,
            told=told,
            appeal_waits=view.can_appeal and appeal_waits(here.store, item),
        )

    def answer(
        self, id: str, act: Callable[[], Response], form: DecisionForm | None = None
    ) -> Response:
        """What comes of a form; where it is refused, the page it came from, and why."""
        try:
            return act()
        except ModerationError as error:
            if status_of(error) not in _TOLD:
                raise
            return self._refused(id, error, form or DecisionForm())

    def _refused(self, id: str, error: ModerationError, form: DecisionForm) -> Response:
        try:
            case = self.here.queue.show(id, self.by)
        except (NotAllowed, ConfigurationError):
            if form.is_blank:
                raise error from None
            return self._kept(id, error, form)
        # Leads are shown what others have, and that page has no form to keep anything in.
        if form.is_blank or is_theirs(case.item, self.by):
            return self.page(case, form=form, error=error)
        return self._kept(case.item.id, error, form)

    def _kept(self, id: str, error: ModerationError, form: DecisionForm) -> Response:
        """What was typed about an item that is not theirs any more."""
        given = {"error": error, "form": form, "id": id if ITEM_ID.fullmatch(id) else ""}
        return render(self.request, "kept.html", self.caller, status=status_of(error), **given)

    def _pictures(self, view: ItemView) -> dict[int, str]:
        """Links to the veiled frames of the moments that the page shows."""
        shown = {each.segment.best.us for each in (*view.strip.shown, *view.stills)}
        kept = {each.segment.best.us for each in view.moments if each.is_pictured}
        link = self.here.links.picture
        return {us: link(view.item.id, us, self.caller) for us in sorted(shown & kept)}


class _Told(NamedTuple):
    """An error in words that are for whoever asks."""

    message: str
    hint: str

    @classmethod
    def of(cls, error: ModerationError, by: Person, item: ReviewItem) -> Self:
        return cls(text_for(by, error.message, item), error.hint)


def _desk(request: Request, here: Here, caller: SignedIn) -> _Desk:
    return _Desk(request, here, caller)


Desk = Annotated[_Desk, Depends(_desk)]
"""For the arguments of a route."""


def see(address: str) -> Response:
    """The answer to a form that was carried out: go there."""
    return RedirectResponse(address, 303)


def undoing(request: Request) -> Undo | None:
    """What the page before says was decided, as long as it can be taken back."""
    asked = request.query_params
    id, said, until = asked.get("undo", ""), asked.get("said", ""), asked.get("until", "")
    if not (ITEM_ID.fullmatch(id) and said in set(Outcome) and re.fullmatch("[0-9]{1,12}", until)):
        return None
    seconds = int(until) - int(time.time())
    return Undo(id, Outcome(said), seconds) if seconds > 0 else None
