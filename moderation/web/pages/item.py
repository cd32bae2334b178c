"""An item: looked at, claimed, decided, and whatever else is done with one."""

from __future__ import annotations

import time

from fastapi import APIRouter, Response

from moderation.decision import Decision
from moderation.errors import NotAllowed, NotFound, ReviewConflict
from moderation.reports.document import document
from moderation.rescan import Rescans
from moderation.review import ReviewCase
from moderation.web.forms import Posted, field
from moderation.web.pages.desk import ITEM_ID, Desk, see
from moderation.web.views.decision_form import DecisionForm
from moderation.web.views.place import case_for

__all__ = ["router"]

router = APIRouter()


@router.get("/items/{id}")
def show(id: str, desk: Desk) -> Response:
    """The working screen, or, for who does not have the item, what there is to see."""
    return desk.page(desk.here.queue.show(id, desk.by))


@router.get("/items/{id}/claim")
@router.get("/items/{id}/release")
@router.get("/items/{id}/decide")
@router.get("/items/{id}/undo")
@router.get("/items/{id}/reopen")
@router.get("/items/{id}/appeal")
@router.get("/items/{id}/rescan")
def again(id: str, _: Desk) -> Response:
    """The address of a form that was refused, loaded again: its page without what was sent."""
    if not ITEM_ID.fullmatch(id):
        raise NotFound("there is no such review item", hint="claim the next one")
    return see(f"/items/{id}")


@router.get("/items/{id}/report.json")
def report(id: str, desk: Desk) -> Response:
    """All of it, where the page shows some."""
    case = case_for(desk.by, desk.here.queue.show(id, desk.by))
    written = document(case.scan, case.decisions).model_dump_json(by_alias=True)
    headers = {
        "Content-Disposition": f'attachment; filename="{case.item.id}.json"',
        "Cache-Control": "no-store",
    }
    return Response(written, headers=headers, media_type="application/json")


@router.post("/items/{id}/claim")
def claim(id: str, desk: Desk, posted: Posted) -> Response:
    """Chosen by hand; or held and run out, with what was typed meanwhile."""
    form = DecisionForm.read(posted)

    def act() -> Response:
        desk.here.exposure.check(desk.by, id)
        case = desk.here.queue.claim(id, desk.by)
        if form.is_blank:
            return see(f"/items/{case.item.id}")
        return desk.page(case, form=form, told="It is yours again, with what you had typed.")

    return desk.answer(id, act, form)


@router.post("/items/{id}/release")
def release(id: str, desk: Desk) -> Response:
    """Back to the queue."""

    def act() -> Response:
        desk.here.queue.release(id, desk.by)
        return see("/work")

    return desk.answer(id, act)


@router.post("/items/{id}/decide")
def decide(id: str, desk: Desk, posted: Posted) -> Response:
    """With `next`, the next item is claimed and shown."""
    form = DecisionForm.read(posted)

    def act() -> Response:
        decision = _decided(_case(id, desk), desk, form)
        undo = _undo(decision, desk.here.settings.review.undo_s)
        if not field(posted, "next"):
            return see(f"/items/{decision.item_id}{undo}")
        following = _claimed_next(desk)
        return see(f"/items/{following.item.id}{undo}" if following else f"/work{undo}")

    return desk.answer(id, act, form)


@router.post("/items/{id}/undo")
def undo(id: str, desk: Desk) -> Response:
    """Take one's last decision back; the item is one's own again."""

    def act() -> Response:
        desk.here.queue.undo(id, desk.by)
        return see(f"/items/{id}")

    return desk.answer(id, act)


@router.post("/items/{id}/reopen")
def reopen(id: str, desk: Desk, posted: Posted) -> Response:
    """A decided item waits again."""

    def act() -> Response:
        desk.here.queue.reopen(id, desk.by, reason=field(posted, "why"))
        return see(f"/items/{id}")

    return desk.answer(id, act)


@router.post("/items/{id}/appeal")
def appeal(id: str, desk: Desk, posted: Posted) -> Response:
    """Somebody else is to decide it again."""

    def act() -> Response:
        made = desk.here.queue.appeal(id, desk.by, note=field(posted, "why"))
        return see(f"/items/{made}")

    return desk.answer(id, act)


@router.post("/items/{id}/rescan")
def rescan(id: str, desk: Desk) -> Response:
    """Another look at what was not seen; the page says how far it is."""
    here = desk.here

    def act() -> Response:
        Rescans(here.store, here.queue, here.client).ask(id, desk.by)
        return see(f"/items/{id}")

    return desk.answer(id, act)


def _case(id: str, desk: Desk) -> ReviewCase:
    try:
        return desk.here.queue.show(id, desk.by)
    except NotAllowed:
        desk.here.queue.extend(id, desk.by)  # says who has it now
        raise


def _decided(case: ReviewCase, desk: Desk, form: DecisionForm) -> Decision:
    return desk.here.queue.decide(
        case.item.id,
        desk.by,
        version=form.said_version(),
        outcome=form.said_outcome(),
        reason=form.reason,
        note=form.note,
        segments=form.said_segments(case.item.verdict),
    )


def _claimed_next(desk: Desk) -> ReviewCase | None:
    """`None` where nothing waits for them, or they have seen enough today."""
    try:
        desk.here.exposure.check(desk.by)
    except ReviewConflict:  # the decision before is taken all the same; `/work` says why
        return None
    return desk.here.queue.claim_next(desk.by)


def _undo(decision: Decision, undo_s: float) -> str:
    """For the address of the page that offers to take it back."""
    until = int(time.time() + undo_s)
    return f"?undo={decision.item_id}&said={decision.outcome.value}&until={until}"
