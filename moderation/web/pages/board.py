"""The board for leads, and everybody's own exposure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from moderation.board import DAYS, Figures, Waiting
from moderation.exposure import SHOWN_DAYS
from moderation.person import Person, Right
from moderation.web.identity import SignedIn, needs
from moderation.web.installation import Here
from moderation.web.templates import render

__all__ = ["router"]

router = APIRouter()

WINDOWS: Final = (1, 7, 30, 90)
"""Days that the page offers; the address takes others, too."""

_LONG_S: Final = 600
"""From then on nobody counts seconds."""

Lead = Annotated[Person, Depends(needs(Right.ASSIGN))]
Reviewer = Annotated[Person, Depends(needs(Right.CLAIM))]
Days = Annotated[int, Query(ge=1, le=366)]


class Bar(NamedTuple):
    """One day of a chart, in hundredths of its width and height."""

    day: date
    n: int
    x: float
    width: float
    height: float


@router.get("/board")
def board(
    request: Request, here: Here, caller: SignedIn, by: Lead, days: Days = DAYS
) -> HTMLResponse:
    """What waits, who decides how much, and what turns out to be wrong."""
    figures = here.board.figures(by, days=days)
    given: dict[str, Any] = {
        "figures": figures,
        "totals": _totals(figures.waiting),
        "bars": _bars(figures.by_day),
        "rates": _rates(figures),
        "exposure": here.exposure.everybody(by, days=min(days, SHOWN_DAYS)),
        "cap_s": here.settings.review.exposure_cap_s,
        "windows": WINDOWS,
        **_WORDS,
    }
    return render(request, "board.html", caller, **given)


@router.post("/board/free/{id}")
def free(id: str, here: Here, by: Lead) -> RedirectResponse:
    """Back to the queue, whoever has it."""
    here.queue.free(id, by)
    return RedirectResponse("/board#held", 303)


@router.get("/board/me")
def me(request: Request, here: Here, caller: SignedIn, by: Reviewer) -> HTMLResponse:
    """What somebody has seen; nobody else is shown this page of theirs."""
    given: dict[str, Any] = {
        "today": here.exposure.today(by),
        "days": here.exposure.days(by),
        "weights": here.settings.review.exposure_weights,
        "pause_after_s": here.settings.review.pause_after_s,
        "pause_s": here.settings.review.pause_s,
        "kept_days": here.settings.retention.exposure,
        **_WORDS,
    }
    return render(request, "exposure.html", caller, **given)


def _totals(waiting: tuple[Waiting, ...]) -> Mapping[str, int]:
    ages = ("under_24_h", "under_48_h", "older", "overdue")
    counted = {age: sum(getattr(each, age) for each in waiting) for age in ages}
    return {**counted, "all": sum(counted[age] for age in ages[:3])}


def _rates(figures: Figures) -> list[tuple[str, str, Mapping[str, object]]]:
    """The tables of rates: what each is about, and of which column."""
    proved = figures.proved
    missed = {"all": proved.missed} if proved.missed.n else {}
    return [
        ("Overturned, by rule", "rule", proved.rules),
        ("Overturned, by detector", "detector", proved.detectors),
        ("Missed, of approved videos drawn by lot", "videos", missed),
    ]


def _bars(by_day: Mapping[date, int]) -> list[Bar]:
    step, most = 100 / len(by_day), max(1, *by_day.values())
    return [
        Bar(day, n, i * step, step * 0.8, 100 * n / most)
        for i, (day, n) in enumerate(by_day.items())
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _minutes(seconds: float) -> str:
    """`40 s`, `1 min 55 s`, `30 min`, `1 h 05 min`: what lasts longer is told less exactly."""
    whole = round(seconds)
    if whole < _LONG_S:
        minutes, rest = divmod(whole, 60)
        told = [f"{minutes} min"] * bool(minutes) + [f"{rest} s"] * bool(rest or not minutes)
        return " ".join(told)
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def _count(number: float) -> str:
    """Without a fraction where there is none."""
    return f"{number:.0f}" if number == round(number) else f"{number:.1f}"


_WORDS: Final[Mapping[str, Callable[[float], str]]] = {
    "percent": _percent,
    "minutes": _minutes,
    "count": _count,
}
