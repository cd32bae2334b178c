"""The review queue on real databases: an item is one person's, and what was decided stays.

CLAIM_ITEMS=5000 is the long form of what many claimants do at once.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text, update

from moderation.decision import Decision, Judgement, Outcome, Purpose, Remedy, SegmentDecision
from moderation.errors import ConfigurationError, NotAllowed, ReviewConflict
from moderation.person import Role
from moderation.review import CloseReason, ItemState, ReviewQueue
from moderation.review_settings import ReviewSettings
from moderation.store import Store
from moderation.store.enqueue import close_items
from moderation.store.models import NEVER_US, ReviewItemRow, VideoRow
from moderation.store.tombstone import ERASED
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Action, Severity
from tests.services.desk import (
    ADA,
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

CERTAIN = ReviewSettings(second_look_share=1)

Save = Callable[..., str]


@pytest.fixture
def save(store: Store) -> Save:
    """A video that waits for a person; the URI of it."""

    def one(name: str, severity: Severity = Severity.HIGH, score: float = 0.9) -> str:
        return saved(store, name, severity, score)

    return one


# A claim


def test_the_worst_is_given_out_first_and_then_what_is_due_first(
    queue: ReviewQueue, save: Save
) -> None:
    save("early", Severity.LOW)
    first, second = save("first"), save("second")
    worst = save("worst", Severity.CRITICAL)
    given = [claimed(queue, f"person {n}").item.uri for n in range(3)]
    assert given == [worst, first, second]


def test_nobody_is_given_what_somebody_has(queue: ReviewQueue, save: Save) -> None:
    save("a")
    case = claimed(queue, "ann")
    assert (case.item.holder, case.item.state) == ("ann", ItemState.OPEN)
    assert queue.claim_next(BEN) is None
    with pytest.raises(ReviewConflict, match="ann has the review item"):
        queue.claim(case.item.id, BEN)


def test_whoever_has_one_is_given_the_same_again(queue: ReviewQueue, save: Save) -> None:
    save("a")
    save("b")
    first = claimed(queue, "ann").item
    again = claimed(queue, "ann").item
    assert (again.id, again.version) == (first.id, first.version)


def test_fault_115_of_many_claimants_no_two_ever_have_one_item(
    store: Store, save: Save, database_url: str
) -> None:
    """And none of the items is left behind: 50 people at the pages of five servers."""
    items = int(os.environ.get("CLAIM_ITEMS", "400"))
    many(store, save("one"), items)
    plain = ReviewSettings(second_look_share=0)

    def work(number: int) -> list[str]:
        done, queue, by = [], servers[number % len(servers)], somebody(f"person {number}")
        while (case := queue.claim_next(by)) is not None:
            item = case.item
            queue.decide(item.id, by, version=item.version, outcome=Outcome.UPHOLD)
            done.append(item.id)
        return done

    with ExitStack() as stack, ThreadPoolExecutor(50) as pool:
        # Patience for a machine on which fifty people take turns at one disk.
        opened = (Store.open(database_url, busy_timeout=60) for _ in range(5))
        stores = [stack.enter_context(each) for each in opened]
        servers = [ReviewQueue(each, plain) for each in stores]
        done = [id for ids in pool.map(work, range(50)) for id in ids]
    queue = ReviewQueue(store)
    assert len(done) == items
    assert set(Counter(done).values()) == {1}
    assert queue.count(LEA) == 0
    assert queue.count(LEA, state=ItemState.DECIDED) == items


def many(store: Store, uri: str, count: int) -> None:
    """Items besides the one of this video, about its verdict."""
    with store.writing() as session:
        row = session.query(ReviewItemRow).join(VideoRow, VideoRow.uri == uri).one()
        like = {"verdict_id": row.verdict_id, "video_id": row.video_id, "severity_rank": 3}
        made = {**like, "state": "open", "created_at": datetime.now(UTC)}
        rows = [{**made, "id": f"item{n}", "case_id": f"item{n}"} for n in range(count - 1)]
        session.execute(insert(ReviewItemRow), rows)


def test_activity_keeps_an_item(queue: ReviewQueue, save: Save) -> None:
    save("a")
    item = claimed(queue, "ann").item
    assert item.held_until is not None
    assert queue.extend(item.id, ANN) >= item.held_until
    with pytest.raises(ReviewConflict, match="ann has"):
        queue.extend(item.id, BEN)


def test_fault_117_an_item_whose_holder_is_silent_is_given_to_the_next(
    queue: ReviewQueue, store: Store, save: Save
) -> None:
    save("a")
    id = claimed(queue, "ann").item.id
    run_out(store, id)
    assert claimed(queue, "ben").item.id == id
    with pytest.raises(ReviewConflict, match="ben has the review item"):
        queue.extend(id, ANN)


def test_an_item_is_given_back(queue: ReviewQueue, save: Save) -> None:
    save("a")
    id = claimed(queue, "ann").item.id
    with pytest.raises(ReviewConflict, match="ann has"):
        queue.release(id, BEN)
    queue.release(id, ANN)
    assert claimed(queue, "ben").item.id == id
    queue.free(id, LEA)
    assert claimed(queue, "ann").item.id == id


def test_items_of_programs_that_knew_no_cases_have_their_place(
    queue: ReviewQueue, store: Store, save: Save
) -> None:
    save("new", Severity.LOW)
    old = save("old", Severity.CRITICAL)
    with store.writing() as session:
        written = {"case_id": "", "rank": 0, "due_us": NEVER_US}
        session.execute(update(ReviewItemRow).values(**written))
    case = claimed(queue, "ann")
    assert (case.item.uri, case.item.case) == (old, case.item.id)


# A decision


def test_a_decided_item_waits_for_nobody(queue: ReviewQueue, save: Save) -> None:
    save("a")
    id = decided(queue, "ann").item.id
    assert queue.claim_next(BEN) is None
    case = queue.show(id, LEA)
    assert (case.item.state, case.item.holder) == (ItemState.DECIDED, "")
    (said,) = case.decisions
    assert (said.person, said.outcome, said.number) == ("ann", Outcome.UPHOLD, 1)


def test_a_decision_speaks_of_segments(queue: ReviewQueue, save: Save) -> None:
    save("a")
    item = claimed(queue, "ann").item
    (seen,) = item.verdict.segments
    said = SegmentDecision(
        label=seen.label,
        span=seen.span,
        judgement=Judgement.CORRECT,
        corrected="Violence/Weapons/Toy",
        remedy=Remedy.BLUR,
    )
    queue.decide(
        item.id,
        ANN,
        version=item.version,
        outcome=Outcome.PARTIAL,
        reason="toy",
        note="a water pistol",
        segments=[said],
    )
    (kept,) = queue.decisions([item.scan_id])[item.scan_id]
    assert (kept.segments, kept.reason, kept.note) == ((said,), "toy", "a water pistol")


def test_a_reason_that_the_policy_does_not_know_is_refused(
    queue: ReviewQueue, store: Store, save: Save
) -> None:
    save("a")
    item = claimed(queue, "ann").item
    strict = ReviewQueue(store, ReviewSettings(require_reason=True))

    def say(queue: ReviewQueue, outcome: Outcome, reason: str = "") -> None:
        queue.decide(item.id, ANN, version=item.version, outcome=outcome, reason=reason)

    with pytest.raises(ConfigurationError, match="no reason whim: give one of toy"):
        say(queue, Outcome.OVERTURN, "whim")
    with pytest.raises(ConfigurationError, match="a decision needs a reason"):
        say(strict, Outcome.OVERTURN)
    say(strict, Outcome.SKIP)


def test_a_segment_that_the_verdict_does_not_have_is_refused(
    queue: ReviewQueue, save: Save
) -> None:
    save("a")
    item = claimed(queue, "ann").item
    (seen,) = item.verdict.segments
    other = SegmentDecision(label="Alcohol", span=seen.span, judgement=Judgement.CONFIRM)
    nothing = SegmentDecision(label=seen.label, span=seen.span, judgement=Judgement.CORRECT)
    for wrong, why in ((other, "no segment Alcohol"), (nothing, "corrected to nothing")):
        with pytest.raises(ConfigurationError, match=why):
            queue.decide(
                item.id, ANN, version=item.version, outcome=Outcome.PARTIAL, segments=[wrong]
            )


def test_fault_116_what_is_said_twice_is_said_once(queue: ReviewQueue, save: Save) -> None:
    save("a")
    item = claimed(queue, "ann").item
    first, second = (
        queue.decide(item.id, ANN, version=item.version, outcome=Outcome.UPHOLD) for _ in range(2)
    )
    assert first == second
    assert len(queue.decisions([item.scan_id])[item.scan_id]) == 1
    with pytest.raises(ReviewConflict, match="is decided"):
        queue.decide(item.id, ANN, version=item.version, outcome=Outcome.OVERTURN)


def test_fault_116_a_late_decision_is_refused_with_who_has_the_item(
    queue: ReviewQueue, store: Store, save: Save
) -> None:
    save("a")
    item = claimed(queue, "ann").item

    def say() -> Decision:
        return queue.decide(item.id, ANN, version=item.version, outcome=Outcome.UPHOLD)

    run_out(store, item.id)
    with pytest.raises(ReviewConflict, match="nobody has the review item"):
        say()
    claimed(queue, "ben")
    with pytest.raises(ReviewConflict, match="ben has the review item"):
        say()
    assert not queue.show(item.id, LEA).decisions


def test_fault_116_a_decision_is_about_what_was_seen(
    queue: ReviewQueue, store: Store, save: Save
) -> None:
    save("a")
    item = claimed(queue, "ann").item
    run_out(store, item.id)
    again = queue.claim(item.id, ANN).item
    with pytest.raises(ReviewConflict, match="has changed since you saw it"):
        queue.decide(item.id, ANN, version=item.version, outcome=Outcome.UPHOLD)
    queue.decide(item.id, ANN, version=again.version, outcome=Outcome.UPHOLD)


def test_fault_119_a_new_verdict_is_not_decided_unseen(queue: ReviewQueue, save: Save) -> None:
    uri = save("a")
    item = claimed(queue, "ann").item
    assert save("a", score=0.95) == uri
    with pytest.raises(ReviewConflict, match="is closed: superseded"):
        queue.decide(item.id, ANN, version=item.version, outcome=Outcome.UPHOLD)
    newer = claimed(queue, "ann").item
    assert newer.id != item.id
    assert queue.show(item.id, LEA).item.closed_reason is CloseReason.SUPERSEDED


def test_what_somebody_skips_is_for_others_first(queue: ReviewQueue, save: Save) -> None:
    worst, other = save("a", Severity.CRITICAL), save("b")
    assert decided(queue, "ann", Outcome.SKIP).item.uri == worst
    assert decided(queue, "ann").item.uri == other
    assert claimed(queue, "ann").item.uri == worst, "nobody else was there"


def test_what_is_escalated_is_for_a_higher_role(queue: ReviewQueue, save: Save) -> None:
    save("a")
    id = decided(queue, "ann", Outcome.ESCALATE).item.id
    assert queue.claim_next(BEN) is None
    with pytest.raises(ReviewConflict, match="is for a lead"):
        queue.claim(id, BEN)
    assert decided(queue, "lea", Outcome.ESCALATE, Role.LEAD).item.id == id
    item = claimed(queue, "ada", Role.ADMIN).item
    with pytest.raises(ConfigurationError, match="nobody is above"):
        queue.decide(id, ADA, version=item.version, outcome=Outcome.ESCALATE)


def test_nobody_does_what_is_not_theirs_to_do(queue: ReviewQueue, save: Save) -> None:
    save("a")
    item = queue.list(LEA)[0]
    refused: list[Callable[[], object]] = [
        lambda: queue.claim_next(PORTAL),
        lambda: queue.decide(item.id, PORTAL, version=item.version, outcome=Outcome.UPHOLD),
        lambda: queue.free(item.id, ANN),
        lambda: queue.reopen(item.id, ANN, reason="why not"),
        lambda: queue.appeal(item.id, ANN, note="why not"),
    ]
    for each in refused:
        with pytest.raises(NotAllowed):
            each()


# Second thoughts


@pytest.mark.parametrize("outcome", [Outcome.UPHOLD, Outcome.SKIP, Outcome.ESCALATE])
def test_a_decision_is_taken_back(queue: ReviewQueue, save: Save, outcome: Outcome) -> None:
    save("a")
    id = decided(queue, "ann", outcome).item.id
    queue.undo(id, ANN)
    item = claimed(queue, "ann").item
    assert (item.id, item.holder, item.role) == (id, "ann", "reviewer")
    queue.decide(id, ANN, version=item.version, outcome=Outcome.OVERTURN)
    (said,) = queue.show(id, LEA).decisions
    assert (said.outcome, said.number) == (Outcome.OVERTURN, 2)


def test_only_one_s_own_decision_is_taken_back_and_only_shortly_after(
    queue: ReviewQueue, store: Store, save: Save
) -> None:
    save("a")
    id = decided(queue, "ann").item.id
    with pytest.raises(ReviewConflict, match="no decision on"):
        queue.undo(id, BEN)
    late = ReviewQueue(store, ReviewSettings(undo_s=0))
    with pytest.raises(ReviewConflict, match="a lead can reopen"):
        late.undo(id, ANN)


def test_a_decided_item_is_reopened_with_a_reason(queue: ReviewQueue, save: Save) -> None:
    save("a")
    id = decided(queue, "ann").item.id
    with pytest.raises(ConfigurationError, match="takes a reason"):
        queue.reopen(id, LEA, reason=" ")
    queue.reopen(id, LEA, reason="new policy")
    with pytest.raises(ReviewConflict, match="nobody has"):
        queue.reopen(id, LEA, reason="again")
    assert claimed(queue, "ann").item.id == id


def test_what_was_erased_is_not_decided_anew(queue: ReviewQueue, store: Store, save: Save) -> None:
    save("a")
    id = decided(queue, "ann").item.id
    with store.writing() as session:
        session.execute(update(VideoRow).values(uri=ERASED))
    with pytest.raises(ReviewConflict, match="was erased"):
        queue.reopen(id, LEA, reason="new policy")
    with pytest.raises(ReviewConflict, match="was erased"):
        queue.appeal(id, PORTAL, note="no")


def test_fault_118_everything_that_was_said_is_kept(
    queue: ReviewQueue, store: Store, save: Save
) -> None:
    save("a")
    id = decided(queue, "ann").item.id
    queue.reopen(id, LEA, reason="new policy")
    decided(queue, "ben", Outcome.OVERTURN)
    with store.reading() as session:
        rows = session.execute(
            text("SELECT person, outcome, withdrawn_at IS NULL FROM decision ORDER BY number")
        ).all()
    assert [tuple(row) for row in rows] == [("ann", "uphold", False), ("ben", "overturn", True)]


# A second look


def test_a_second_look_is_somebody_else_s_who_knows_of_nothing(
    twice: ReviewQueue, save: Save
) -> None:
    save("a")
    first = decided(twice, "ann").item
    assert twice.claim_next(ANN) is None
    case = claimed(twice, "ben")
    assert (case.item.purpose, case.item.case) == (Purpose.SECOND_LOOK, first.id)
    assert case.decisions == ()
    twice.release(case.item.id, BEN)
    with pytest.raises(ReviewConflict, match="you have decided this case"):
        twice.claim(case.item.id, ANN)


def test_two_who_agree_need_no_third(twice: ReviewQueue, save: Save) -> None:
    save("a")
    decided(twice, "ann")
    decided(twice, "ben")
    assert twice.count(LEA) == 0


def test_two_who_disagree_need_a_lead(twice: ReviewQueue, save: Save) -> None:
    save("a")
    first = decided(twice, "ann").item
    decided(twice, "ben", Outcome.OVERTURN)
    assert twice.claim_next(somebody("cid")) is None
    case = claimed(twice, "lea", Role.LEAD)
    assert case.item.purpose is Purpose.THIRD_LOOK
    assert [each.person for each in case.decisions] == ["ann", "ben"]
    twice.decide(case.item.id, LEA, version=case.item.version, outcome=Outcome.OVERTURN)
    assert [each.purpose for each in twice.show(first.id, LEA).decisions] == [
        Purpose.VERDICT,
        Purpose.SECOND_LOOK,
        Purpose.THIRD_LOOK,
    ]


def test_an_appeal_outlasts_a_skip_that_is_taken_back_and_a_newer_verdict(
    store: Store, save: Save
) -> None:
    queue = ReviewQueue(store, ReviewSettings(second_look_share=0))
    save("a")
    appeal = queue.appeal(decided(queue, "ann").item.id, PORTAL, note="it is a toy")
    skipped = decided(queue, "ben", Outcome.SKIP).item.id
    assert skipped == appeal
    queue.undo(appeal, BEN)
    save("a", score=0.95)
    case = queue.claim(appeal, BEN)
    queue.decide(appeal, BEN, version=case.item.version, outcome=Outcome.OVERTURN)
    assert queue.show(appeal, LEA).item.state is ItemState.DECIDED


def test_a_second_look_that_is_skipped_and_taken_back_closes_no_appeal(
    twice: ReviewQueue, store: Store, save: Save
) -> None:
    save("a")
    first = decided(twice, "ann").item
    appeal = twice.appeal(first.id, PORTAL, note="it is a toy")
    patient = ReviewQueue(store)
    look = next(item.id for item in twice.list(LEA) if item.purpose is Purpose.SECOND_LOOK)
    case = patient.claim(look, BEN)
    patient.decide(look, BEN, version=case.item.version, outcome=Outcome.SKIP)
    patient.undo(look, BEN)
    assert patient.show(appeal, LEA).item.state is ItemState.OPEN


def test_what_a_newer_verdict_replaced_is_not_taken_back(queue: ReviewQueue, save: Save) -> None:
    save("a")
    id = decided(queue, "ann", Outcome.SKIP).item.id
    save("a", score=0.95)
    attempts: list[Callable[[], object]] = [
        lambda: queue.undo(id, ANN),
        lambda: queue.reopen(id, LEA, reason="why not"),
    ]
    for again in attempts:
        with pytest.raises(ReviewConflict, match="a newer verdict has replaced"):
            again()


def test_what_was_decided_again_since_is_not_reopened(twice: ReviewQueue, save: Save) -> None:
    """The later decision counts, whatever is said of the first one anew."""
    save("a")
    first, look = decided(twice, "ann").item, decided(twice, "ben", Outcome.OVERTURN).item
    third = decided(twice, "lea", Outcome.OVERTURN, Role.LEAD).item
    for id in (first.id, look.id):
        with pytest.raises(ReviewConflict, match="was decided again since") as refused:
            twice.reopen(id, LEA, reason="new facts")
        assert refused.value.hint == f"reopen {third.id}"
    twice.reopen(third.id, LEA, reason="new facts")
    twice.reopen(first.id, LEA, reason="new facts")
    assert [item.id for item in twice.list(LEA)] == [first.id]


def test_what_an_appeal_has_decided_is_not_taken_back_from_under_it(
    queue: ReviewQueue, save: Save
) -> None:
    save("a")
    first = decided(queue, "ann").item.id
    appeal = queue.appeal(first, PORTAL, note="it is a toy")
    decided(queue, "ben", Outcome.OVERTURN)
    attempts: list[Callable[[], object]] = [
        lambda: queue.undo(first, ANN),
        lambda: queue.reopen(first, LEA, reason="why not"),
    ]
    for again in attempts:
        with pytest.raises(ReviewConflict, match="was decided again since") as refused:
            again()
        assert refused.value.hint == f"reopen {appeal}"


def test_a_second_look_at_what_an_appeal_has_decided_asks_no_lead(
    twice: ReviewQueue, save: Save
) -> None:
    """Its question is answered, by whoever decided the appeal."""
    save("a")
    appeal = twice.appeal(decided(twice, "ann").item.id, PORTAL, note="it is a toy")
    case = twice.claim(appeal, BEN)
    twice.decide(appeal, BEN, version=case.item.version, outcome=Outcome.OVERTURN)
    assert decided(twice, "cid", Outcome.UPHOLD).item.purpose is Purpose.SECOND_LOOK
    assert twice.count(LEA) == 0


def test_a_look_at_what_was_taken_back_stays_closed_when_the_upload_is_back(
    twice: ReviewQueue, store: Store, save: Save
) -> None:
    save("a")
    first = decided(twice, "ann").item.id
    with store.writing() as session:
        looks = ReviewItemRow.purpose == Purpose.SECOND_LOOK
        close_items(session, looks, reason=CloseReason.DELETED, now=datetime.now(UTC))
    twice.reopen(first, LEA, reason="new facts")
    save("a")
    assert [item.id for item in twice.list(LEA)] == [first]
    (look,) = twice.list(LEA, state=ItemState.CLOSED)
    assert look.closed_reason is CloseReason.WITHDRAWN


def test_nobody_decides_a_case_under_two_items(twice: ReviewQueue, save: Save) -> None:
    save("a")
    first = decided(twice, "ann").item
    look = next(item.id for item in twice.list(LEA) if item.purpose is Purpose.SECOND_LOOK)
    appeal = twice.appeal(first.id, PORTAL, note="it is a toy")
    cases = [twice.claim(each, BEN) for each in (look, appeal)]
    twice.decide(look, BEN, version=cases[0].item.version, outcome=Outcome.UPHOLD)
    with pytest.raises(ReviewConflict, match="you have decided this case"):
        twice.decide(appeal, BEN, version=cases[1].item.version, outcome=Outcome.OVERTURN)


def test_what_is_taken_back_needs_no_second_look(store: Store, save: Save) -> None:
    queue = ReviewQueue(store, CERTAIN)
    save("a")
    id = decided(queue, "ann").item.id
    assert queue.claim_next(BEN) is None, "it may be taken back yet"
    assert queue.count(LEA) == 1
    queue.undo(id, ANN)
    assert [item.id for item in queue.list(LEA)] == [id]


@pytest.mark.parametrize(("share", "waits"), [(0, 0), (1, 1)])
def test_a_share_of_what_is_approved_is_looked_at(
    database_url: str, share: float, waits: int
) -> None:
    with Store.open(database_url, review=ReviewSettings(audit_share=share)) as store:
        scan = make_scan(make_evidence(), name="a")
        judged = replace(scan.verdict, policy=POLICY.ref, action=Action.APPROVE)
        for _ in range(2):
            store.save(replace(scan, verdict=judged), POLICY, fingerprint="all")
        items = ReviewQueue(store).list(LEA)
    assert [item.purpose for item in items] == [Purpose.AUDIT] * waits
    assert all(item.why == "drawn by lot from what was approved" for item in items)


# An appeal


def test_an_appeal_is_decided_by_somebody_else(queue: ReviewQueue, save: Save) -> None:
    save("a")
    first = decided(queue, "ann").item
    appeal = queue.appeal(first.id, PORTAL, note="it is a toy")
    with pytest.raises(ReviewConflict, match="waits for a decision already"):
        queue.appeal(first.id, PORTAL, note="it is a toy!")
    assert queue.claim_next(ANN) is None
    case = claimed(queue, "ben")
    assert (case.item.id, case.item.note) == (appeal, "it is a toy")
    assert [each.person for each in case.decisions] == ["ann"], "whoever decides it is told"
    queue.decide(appeal, BEN, version=case.item.version, outcome=Outcome.OVERTURN)
    assert queue.appeal(first.id, PORTAL, note="and another") != appeal


def test_what_is_not_decided_cannot_be_appealed(queue: ReviewQueue, save: Save) -> None:
    save("a")
    with pytest.raises(ReviewConflict, match="is not decided"):
        queue.appeal(queue.list(LEA)[0].id, PORTAL, note="now")


def test_an_item_is_due_as_its_severity_says(queue: ReviewQueue, save: Save) -> None:
    save("a", Severity.CRITICAL)
    (item,) = queue.list(LEA)
    assert item.due_at is not None
    assert item.due_at - item.created_at == pytest.approx(
        timedelta(hours=1), abs=timedelta(seconds=1)
    )
