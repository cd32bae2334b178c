"""Two things done to one case at one moment: as if one had been done after the other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, select

from moderation.address_guard import AddressGuard
from moderation.decision import Outcome, Purpose
from moderation.errors import ReviewConflict
from moderation.review import ItemState, ReviewItem, ReviewQueue
from moderation.review_settings import ReviewSettings
from moderation.store import Store
from moderation.store.clock import moment
from moderation.store.deliveries import Deliveries
from moderation.store.dispatch import Dispatch, Failed
from moderation.store.models import DecisionRow, ReviewItemRow
from moderation.store.webhooks import Webhooks
from moderation.webhook import Delivery, DeliveryState
from tests.services.desk import ANN, BEN, LEA, PORTAL, claimed, decided, saved

ROUNDS = 6
"""Of each race: what goes wrong once in a while should go wrong here."""


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store.open(database_url, busy_timeout=60) as store:
        yield store


def at_once(*attempts: Callable[[], object]) -> list[str]:
    """What became of each: "done", or why it was refused."""
    barrier = threading.Barrier(len(attempts))

    def attempt(act: Callable[[], object]) -> str:
        barrier.wait(60)
        try:
            act()
        except ReviewConflict as conflict:
            return conflict.message
        return "done"

    with ThreadPoolExecutor(len(attempts)) as pool:
        return list(pool.map(attempt, attempts))


def open_items(queue: ReviewQueue, case: str) -> Counter[Purpose]:
    return Counter(item.purpose for item in queue.list(LEA) if item.case == case)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_two_appeals_on_two_items_of_a_case_one_is_made(
    store: Store, twice: ReviewQueue, number: int
) -> None:
    saved(store, f"{number}")
    items = [decided(twice, name).item for name in ("ann", "ben")]
    outcomes = at_once(*(partial(twice.appeal, item.id, PORTAL, note="no") for item in items))
    assert sorted(outcome == "done" for outcome in outcomes) == [False, True]
    assert any("waits for a decision already" in outcome for outcome in outcomes)
    assert open_items(twice, items[0].case) == {Purpose.APPEAL: 1}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_second_look_is_decided_while_the_first_decision_is_taken_back(
    store: Store, twice: ReviewQueue, number: int
) -> None:
    """Whichever comes first, nobody is asked any more about a decision that does not count."""
    saved(store, f"{number}")
    first = decided(twice, "ann").item.id
    look = claimed(twice, "ben").item
    reopened, said = at_once(
        lambda: twice.reopen(first, LEA, reason="new policy"),
        lambda: twice.decide(look.id, BEN, version=look.version, outcome=Outcome.OVERTURN),
    )
    assert reopened == "done"
    assert said == "done" or "is closed: withdrawn" in said
    assert open_items(twice, first) == {Purpose.VERDICT: 1}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_nobody_decides_two_items_of_a_case_at_one_moment(
    store: Store, twice: ReviewQueue, number: int
) -> None:
    saved(store, f"{number}")
    first = decided(twice, "ann").item.id
    appeal = twice.appeal(first, PORTAL, note="no")
    look = next(item.id for item in twice.list(LEA) if item.purpose is Purpose.SECOND_LOOK)
    held = [twice.claim(each, BEN).item for each in (look, appeal)]

    def say(item: ReviewItem) -> Callable[[], object]:
        return lambda: twice.decide(item.id, BEN, version=item.version, outcome=Outcome.UPHOLD)

    assert sorted(outcome == "done" for outcome in at_once(*map(say, held))) == [False, True]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_decision_and_a_newer_verdict_do_not_wait_for_each_other(
    store: Store, twice: ReviewQueue, number: int
) -> None:
    saved(store, f"{number}")
    item = claimed(twice, "ann").item
    said, newer = at_once(
        lambda: twice.decide(item.id, ANN, version=item.version, outcome=Outcome.UPHOLD),
        lambda: saved(store, f"{number}", score=0.95),
    )
    assert newer == "done"
    assert said == "done" or "is closed: superseded" in said
    waiting = twice.list(LEA)
    assert [each.purpose for each in waiting] == [Purpose.VERDICT]
    assert waiting[0].id != item.id


def test_fault_110_a_decision_that_a_migration_undid_is_made_all_the_same(
    postgres_url: str,
) -> None:
    """The migration has `decision` when the decision has its item; then each wants the other's."""
    with Store.open(postgres_url, busy_timeout=60) as store:
        queue = ReviewQueue(store, ReviewSettings(second_look_share=0))
        saved(store, "a")
        item, tries = claimed(queue, "ann").item, []
        has_item, has_table = threading.Event(), threading.Event()

        @event.listens_for(store.engine, "before_cursor_execute")
        def before(_: Any, __: Any, statement: str, *___: Any) -> None:
            if "INSERT INTO decision" in statement:
                tries.append(statement)
                has_item.set()
                has_table.wait(60)

        with ThreadPoolExecutor(1) as pool, migrating(postgres_url) as connection:
            said = pool.submit(
                queue.decide, item.id, ANN, version=item.version, outcome=Outcome.UPHOLD
            )
            assert has_item.wait(60)
            connection.execute("LOCK TABLE decision IN SHARE ROW EXCLUSIVE MODE")
            has_table.set()
            connection.execute("LOCK TABLE review_item")
            connection.commit()
            decision = said.result(60)
        assert len(tries) >= 2, "it was undone"
        with store.reading() as session:
            assert session.scalars(select(DecisionRow.id)).all() == [decision.id]


def migrating(url: str) -> psycopg.Connection[Any]:
    """A session with more patience than ours, so that ours is undone."""
    connection: psycopg.Connection[Any] = psycopg.connect(url.replace("+psycopg", ""))
    connection.execute("SET deadlock_timeout = '60s'")
    return connection


# A decision that is taken back while it is told


@pytest.fixture
def hasty(store: Store) -> ReviewQueue:
    """Which tells of decisions at once, to somebody who wants to hear of them."""
    guard = AddressGuard(resolve=lambda *_: ["93.184.215.14"])
    Webhooks(store, guard).add("https://one.example.com/", actor="ann")
    return ReviewQueue(store, ReviewSettings(second_look_share=0, undo_s=0))


@pytest.fixture
def patient(store: Store) -> ReviewQueue:
    """In which decisions are taken back for long."""
    return ReviewQueue(store, ReviewSettings(undo_s=600))


def test_what_somebody_was_told_of_is_not_taken_back(
    store: Store, hasty: ReviewQueue, patient: ReviewQueue
) -> None:
    saved(store, "a")
    id = decided(hasty, "ann").item.id
    delivery = Dispatch(store, lease_s=60).claim()
    assert delivery is not None
    with pytest.raises(ReviewConflict, match="others have been told of the decision"):
        patient.undo(id, ANN)
    Dispatch(store, lease_s=60).failed(delivery, Failed(error="no answer", retry_s=600))
    with pytest.raises(ReviewConflict, match="others have been told"):
        patient.undo(id, ANN)
    assert patient.show(id, LEA).item.state is ItemState.DECIDED
    (kept,) = Deliveries(store).log()
    assert kept.state is DeliveryState.WAITING, "it is tried again"


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_decision_is_taken_back_or_told_of_and_never_both(
    store: Store, hasty: ReviewQueue, patient: ReviewQueue, number: int
) -> None:
    saved(store, f"{number}")
    id = decided(hasty, "ann").item.id
    sent: list[Delivery | None] = []
    undone, _ = at_once(
        lambda: patient.undo(id, ANN),
        lambda: sent.append(Dispatch(store, lease_s=60).claim()),
    )
    is_sent = sent[0] is not None
    assert (undone == "done") is not is_sent
    state = patient.show(id, LEA).item.state
    assert state is (ItemState.DECIDED if is_sent else ItemState.OPEN)


def test_a_decision_has_the_moment_of_the_database_s_clock(
    store: Store, twice: ReviewQueue
) -> None:
    """The clock by which the second look about it may be given out: programs' clocks differ."""
    saved(store, "a")
    decided(twice, "ann")
    with store.reading() as session:
        said = session.scalars(select(DecisionRow.decided_at)).one()
        asked = select(ReviewItemRow.held_until_us).where(ReviewItemRow.state == ItemState.OPEN)
        assert said == moment(session.scalars(asked).one())
