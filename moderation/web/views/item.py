"""An item as somebody works on it: everything that its page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from moderation.decision import Decision, Purpose, standing
from moderation.person import Person, Right
from moderation.policy import Policy
from moderation.reports.lanes import Lane, lanes, ticks
from moderation.reports.lines import SCREEN_TEXT, SPEECH, Line
from moderation.reports.page import Cut
from moderation.rescan import is_worth_it
from moderation.review import CloseReason, ItemState, ReviewCase, ReviewItem
from moderation.review_settings import Cover, ReviewSettings
from moderation.scan import Scan
from moderation.taxonomy import Taxonomy
from moderation.timeline import MICROSECONDS, Instant
from moderation.verdict import Segment, Severity
from moderation.web.views.coverage import Looked, looked
from moderation.web.views.decision_form import DecisionForm
from moderation.web.views.moments import Moment, asked_about, flagged, judged_segments, moments
from moderation.web.views.place import case_for
from moderation.web.views.rules import Fired, fired
from moderation.web.views.transcript import transcript
from moderation.web.views.veil import covers
from moderation.web.views.windows import Window, windows

__all__ = ["CLOSED_WORDS", "ItemView", "is_held", "is_theirs", "view_item"]

STRIP: Final = 60
"""Moments with a picture or a name to press: as many as anybody looks through."""

STILLS: Final = 12
"""Veiled pictures for those whose browser runs no scripts."""

DECISIONS: Final = 20

_PURPOSES: Final[Mapping[Purpose, str]] = {
    Purpose.VERDICT: "",
    Purpose.AUDIT: "Drawn by lot from what was approved: what did the detectors miss?",
    Purpose.SECOND_LOOK: "A second look: somebody has decided this case, and you are not told how.",
    Purpose.THIRD_LOOK: "A third look: two people disagree about this case, and you decide.",
    Purpose.APPEAL: "An appeal: whoever the decision is about does not agree with it.",
}


CLOSED_WORDS: Final[Mapping[str, str]] = {
    CloseReason.SUPERSEDED: "A newer verdict has taken its place.",
    CloseReason.ERASED: "What it was about was erased.",
    CloseReason.WITHDRAWN: "The decision that it asked about was taken back.",
    CloseReason.DELETED: "The upload was deleted where it lay.",
    CloseReason.OTHER: "There is nothing left to decide.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """Lists are cut, and counted where they are.

    is_mine      whether whoever looks has the item now, and can decide
    end_us       what the timeline and its windows run to, which evidence may lie beyond the video
    asked        flagged segments that a decision is asked about, and which play by themselves
    judged       the segments that have a part of the form each, and `unjudged` more
    covers       of the video, when the page opens
    """

    case: ReviewCase
    policy: Policy
    by: Person
    is_mine: bool
    purpose: str
    severity: Severity
    end_us: int
    windows: Sequence[Window]
    moments: Sequence[Moment]
    asked: int
    strip: Cut[Moment]
    stills: Sequence[Moment]
    judged: Sequence[Segment]
    unjudged: int
    lanes: Sequence[Lane]
    families: Sequence[str]
    ticks: Sequence[Instant]
    speech: Cut[Line]
    screen_text: Cut[Line]
    fired: Sequence[Fired]
    looked: Sequence[Looked]
    offers_rescan: bool
    decisions: Cut[Decision]
    stands: Decision | None
    covers: Mapping[Cover, bool]
    labels: Sequence[str]
    form: DecisionForm

    @property
    def item(self) -> ReviewItem:
        return self.case.item

    @property
    def scan(self) -> Scan:
        return self.case.scan

    @property
    def is_held(self) -> bool:
        return is_held(self.item)

    @property
    def can_claim(self) -> bool:
        """As far as can be seen: it is open, and nobody else has it."""
        is_open = self.item.state is ItemState.OPEN
        return is_open and not self.is_held and self.by.may(Right.CLAIM)

    @property
    def can_reopen(self) -> bool:
        return self.item.state is ItemState.DECIDED and self.by.may(Right.REOPEN)

    @property
    def can_appeal(self) -> bool:
        return self.item.state is ItemState.DECIDED and self.by.may(Right.APPEAL)


def is_held(item: ReviewItem, by: str = "") -> bool:
    """Whether somebody has it now: the one who is named, or anybody."""
    holder = item.holder == by if by else bool(item.holder)
    return holder and item.held_until is not None and item.held_until > datetime.now(UTC)


def is_theirs(item: ReviewItem, by: Person) -> bool:
    """Whether they have it now, and can decide."""
    return item.state is ItemState.OPEN and is_held(item, by.name)


def view_item(
    case: ReviewCase,
    policy: Policy,
    by: Person,
    settings: ReviewSettings,
    form: DecisionForm | None = None,
) -> ItemView:
    """What `by` is shown of it; `form`: what they had typed."""
    case = case_for(by, case)
    scan, item = case.scan, case.item
    found, drawn = flagged(scan.verdict), lanes(scan)
    end_us = max(scan.video.duration_us, 1, *(each.span.end.us for each in scan.evidence), 1)
    context_us = round(settings.context_s * MICROSECONDS)
    asked = asked_about(scan.verdict, found)
    shown = windows((each.span for each in asked), context_us, end_us)
    steps, judged = moments(scan, found, asked), judged_segments(scan.verdict)
    weighty = _weightiest(steps, found)
    return ItemView(
        case=case,
        policy=policy,
        by=by,
        is_mine=is_theirs(item, by),
        purpose=_PURPOSES[item.purpose],
        severity=item.severity,
        end_us=end_us,
        windows=shown,
        moments=steps,
        asked=len(asked),
        strip=Cut(tuple(weighty[:STRIP]), len(found) - len(weighty[:STRIP])),
        stills=[each for each in weighty if each.is_pictured][:STILLS],
        judged=judged,
        unjudged=len(found) - len(judged),
        lanes=drawn,
        families=sorted({shape.family for lane in drawn for shape in lane.shapes}),
        ticks=ticks(end_us),
        speech=transcript(scan, SPEECH, found, shown),
        screen_text=transcript(scan, SCREEN_TEXT, found, shown),
        fired=fired(scan, policy),
        looked=looked(scan),
        offers_rescan=is_worth_it(scan) and item.state is ItemState.OPEN,
        decisions=Cut.of(case.decisions, DECISIONS),
        stands=standing(case.decisions),
        covers=covers(settings.veil, item.severity, found),
        labels=[each.path for each in Taxonomy.default() if each.is_violation],
        form=(form or DecisionForm()).at(item.version),
    )


def _weightiest(steps: Sequence[Moment], found: Sequence[Segment]) -> list[Moment]:
    """Of the moments as many as the strip shows, in time order; after them what is seen besides."""
    kept = {id(each) for each in found[:STRIP]}
    shown = [each for each in steps if id(each.segment) in kept]
    return sorted(shown, key=lambda each: not each.is_asked)
