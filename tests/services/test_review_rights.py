"""Who is shown what of the review queue: page by page, and no more of a case than is theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import update

from moderation.decision import Decision, Outcome, Purpose
from moderation.errors import ConfigurationError, NotAllowed, NotFound
from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.review import CloseReason, ItemState, ReviewQueue
from moderation.review_settings import ReviewSettings
from moderation.store import Store
from moderation.store.models import ReviewItemRow
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Severity
from tests.services.desk import (
    ANN,
    BEN,
    LEA,
    POLICY,
    PORTAL,
    claimed,
    decided,
    run_out,
    saved,
    somebody,
)


def uris(queue: ReviewQueue, by: Person, state: ItemState = ItemState.OPEN) -> list[str]:
    return [item.uri for item in queue.list(by, state=state)]


def people(decisions: tuple[Decision, ...]) -> list[str]:
    return [each.person for each in decisions]


# The list


def test_a_program_has_no_business_in_the_queue(store: Store, queue: ReviewQueue) -> None:
    saved(store, "a")
    (item,) = queue.list(LEA)
    attempts: list[Callable[[], object]] = [
        lambda: queue.list(PORTAL),
        lambda: queue.count(PORTAL),
        lambda: queue.show(item.id, PORTAL),
    ]
    for each in attempts:
        with pytest.raises(NotAllowed):
            each()


def test_pages_follow_on_each_other_whatever_is_decided_between_them(
    store: Store, queue: ReviewQueue
) -> None:
    for number in range(7):
        saved(store, f"{number}", Severity.CRITICAL if number % 2 else Severity.LOW)
    whole = queue.list(LEA)
    first = queue.list(LEA, limit=3)
    decided(queue, "ann")
    assert claimed(queue, "ann").item.id != first[0].id
    second = queue.list(LEA, limit=3, after=first[-1].id)
    third = queue.list(LEA, limit=3, after=second[-1].id)
    seen = [item.id for page in (first, second, third) for item in page]
    assert seen == [item.id for item in whole]
    assert queue.list(LEA, after=third[-1].id) == ()


def test_a_page_after_nothing_that_there_is_is_refused(queue: ReviewQueue) -> None:
    with pytest.raises(NotFound, match="no review item abc to go on after"):
        queue.list(LEA, after="abc")


def test_a_reviewer_is_not_shown_what_is_for_a_higher_role(
    store: Store, queue: ReviewQueue
) -> None:
    hard, easy = saved(store, "hard", Severity.CRITICAL), saved(store, "easy")
    decided(queue, "ann", Outcome.ESCALATE)
    assert (uris(queue, BEN), queue.count(BEN)) == ([easy], 1)
    assert (uris(queue, LEA), queue.count(LEA)) == ([hard, easy], 2)


def test_somebody_s_own_items_are_those_that_they_have_or_have_decided(
    store: Store, queue: ReviewQueue
) -> None:
    for name in "abc":
        saved(store, name)
    mine, other, held = queue.list(LEA)
    for item, name in ((mine, "ann"), (other, "ben")):
        assert decided(queue, name).item.id == item.id
    queue.claim(held.id, ANN)
    assert [item.id for item in queue.list(ANN, mine=True)] == [held.id]
    done = queue.list(ANN, state=ItemState.DECIDED, mine=True)
    assert [item.id for item in done] == [mine.id]
    run_out(store, held.id)
    assert queue.list(ANN, mine=True) == ()


# A case


def test_a_reviewer_sees_a_case_that_they_have_or_have_decided_and_no_other(
    store: Store, queue: ReviewQueue
) -> None:
    saved(store, "a")
    (item,) = queue.list(ANN)
    with pytest.raises(NotAllowed, match="you neither have nor have decided"):
        queue.show(item.id, ANN)
    case = claimed(queue, "ann")
    assert queue.show(item.id, ANN) == case
    with pytest.raises(NotAllowed):
        queue.show(item.id, BEN)
    queue.decide(item.id, ANN, version=case.item.version, outcome=Outcome.UPHOLD)
    assert people(queue.show(item.id, ANN).decisions) == ["ann"]
    assert queue.show(item.id, LEA).scan == case.scan


def test_who_skipped_an_item_or_lost_it_sees_it_no_more(store: Store, queue: ReviewQueue) -> None:
    saved(store, "a")
    id = decided(queue, "ann", Outcome.SKIP).item.id
    claimed(queue, "ben")
    run_out(store, id)
    for each in (ANN, BEN):
        with pytest.raises(NotAllowed):
            queue.show(id, each)


def test_who_has_a_second_look_sees_no_decision_by_whichever_item(
    store: Store, twice: ReviewQueue
) -> None:
    saved(store, "a")
    first = decided(twice, "ann").item.id
    assert people(twice.show(first, LEA).decisions) == ["ann"]
    look = claimed(twice, "lea", Role.LEAD).item
    assert look.purpose is Purpose.SECOND_LOOK
    run_out(store, look.id)
    assert twice.show(first, LEA).decisions == ()
    assert twice.show(look.id, LEA).decisions == ()
    assert people(twice.show(first, somebody("max", Role.LEAD)).decisions) == ["ann"]
    version = twice.claim(look.id, LEA).item.version
    twice.decide(look.id, LEA, version=version, outcome=Outcome.UPHOLD)
    assert people(twice.show(first, LEA).decisions) == ["ann", "lea"]


def test_a_reviewer_sees_only_their_own_decision(store: Store, twice: ReviewQueue) -> None:
    saved(store, "a")
    first = decided(twice, "ann").item.id
    look = decided(twice, "ben").item.id
    assert people(twice.show(first, ANN).decisions) == ["ann"]
    assert people(twice.show(look, BEN).decisions) == ["ben"]


def test_who_has_an_appeal_sees_the_decision_that_counts_and_no_other(
    store: Store, twice: ReviewQueue
) -> None:
    saved(store, "a")
    first = decided(twice, "ann").item.id
    decided(twice, "ben")
    twice.appeal(first, PORTAL, note="it is a toy")
    case = claimed(twice, "cid")
    assert case.item.purpose is Purpose.APPEAL
    assert people(case.decisions) == ["ann"]
    version = case.item.version
    twice.decide(case.item.id, somebody("cid"), version=version, outcome=Outcome.OVERTURN)
    assert people(twice.show(case.item.id, somebody("cid")).decisions) == ["cid"]
    twice.appeal(first, PORTAL, note="it is no toy")
    assert people(claimed(twice, "dan").decisions) == ["cid"], "it is judged anew"


def test_a_page_can_show_the_policy_s_words(store: Store, queue: ReviewQueue) -> None:
    saved(store, "a")
    policy = queue.policy_of(claimed(queue, "ann").item)
    assert policy == POLICY
    assert policy.reasons == {"toy": "what looks like a weapon is a toy"}


def test_what_a_newer_program_wrote_is_read_as_far_as_it_is_understood(
    store: Store, queue: ReviewQueue
) -> None:
    saved(store, "a")
    (item,) = queue.list(LEA)
    with store.writing() as session:
        session.execute(update(ReviewItemRow).values(state="closed", closed_reason="sunday"))
    assert queue.list(LEA, state=ItemState.CLOSED)[0].closed_reason is CloseReason.OTHER
    with store.writing() as session:
        session.execute(update(ReviewItemRow).values(state="adjourned"))
    assert queue.show(item.id, LEA).item.state is ItemState.CLOSED
    assert queue.claim_next(ANN) is None


# A reason


@pytest.fixture
def bare(store: Store) -> Policy:
    """A policy without reasons, which has judged a video that waits."""
    policy = Policy.parse('schema = "moderation.policy/v1"\nname = "bare"\nversion = "1"', "b.toml")
    scan = make_scan(make_evidence(), name="b")
    judged = replace(scan, verdict=replace(scan.verdict, policy=policy.ref))
    store.save(judged, policy, fingerprint="all")
    return policy


@pytest.mark.usefixtures("bare")
def test_words_are_no_reason_but_a_note(queue: ReviewQueue) -> None:
    """A reason outlasts erasure; words must not."""
    item = claimed(queue, "ann").item
    with pytest.raises(ConfigurationError, match="has no reason my neighbour: say it in the note"):
        queue.decide(
            item.id, ANN, version=item.version, outcome=Outcome.UPHOLD, reason="my neighbour"
        )


@pytest.mark.usefixtures("bare")
def test_where_a_reason_is_required_and_there_are_no_codes_a_note_is_one(store: Store) -> None:
    strict = ReviewQueue(store, ReviewSettings(require_reason=True))
    item = claimed(strict, "ann").item

    def say(note: str) -> Decision:
        return strict.decide(item.id, ANN, version=item.version, outcome=Outcome.UPHOLD, note=note)

    with pytest.raises(ConfigurationError, match="needs a reason: say it in the note"):
        say(" ")
    assert say("it is a toy").note == "it is a toy"
