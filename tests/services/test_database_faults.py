"""PostgreSQL that dies, hangs up or undoes a transaction: nothing acknowledged is lost.

Named after the rows of the fault catalogue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text

from moderation.errors import StoreBusy, TransientError
from moderation.job import JobState
from moderation.lanes import CONTROL
from moderation.store import Hold, Jobs, Leases, Store
from moderation.store.database import retried
from tests.services.job_flow import LANES, drain, submit, work, wrong
from tests.services.postgres_server import PostgresServer
from tests.services.server import until

POSTMASTER_KILLS = 3
ATTEMPTS = 20
"""Of a part among kills that come as fast as they can: none may run out of them."""


_PACE_S = 0.05
"""Between two acts of a client: the test is about the database, not about the processor."""


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    with Store.open(postgres_url) as store:
        yield store


@pytest.fixture
def administrator(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else in the same database."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def cut_all(administrator: psycopg.Connection[Any]) -> int:
    """Every connection to the database but this one; how many there were."""
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
    cuts = len(administrator.execute(cut).fetchall())
    left = f"SELECT 1 FROM pg_stat_activity WHERE {others}"
    until(lambda: not administrator.execute(left).fetchall(), "the end of the connections")
    return cuts


# PostgreSQL dies


class Load:
    """Clients that submit and workers that work, as long as they may, whatever they are told."""

    def __init__(self, store: Store) -> None:
        self._store, self._over = store, threading.Event()
        self.acknowledged: list[str] = []
        self.failures = 0

    def submits(self) -> None:
        for number in count():
            self._insist(partial(self._submit, f"{number}"))
            if self._over.wait(_PACE_S):
                return

    def works(self, owner: str) -> None:
        leases = Leases(self._store, lease_s=1, attempts=ATTEMPTS)
        while not self._over.is_set():
            self._insist(leases.reap)
            for lane in (CONTROL, *LANES):
                self._insist(partial(work, leases, lane, owner))

    def has_more_than(self, jobs: int) -> bool:
        return len(self.acknowledged) > jobs

    def stop(self) -> None:
        self._over.set()

    def _submit(self, name: str) -> None:
        (job,) = submit(Jobs(self._store), name)
        self.acknowledged.append(job.id)

    def _insist(self, act: Callable[[], object]) -> None:
        """Until it is done: the next try may find the database awake."""
        while True:
            try:
                act()
            except TransientError:
                self.failures += 1
                self._over.wait(_PACE_S)
            else:
                return


def test_fault_108_a_postgresql_killed_under_load_loses_no_acknowledged_job(
    store: Store, postgres_server: PostgresServer
) -> None:
    load = Load(store)
    with ThreadPoolExecutor(3) as pool:
        pool.submit(load.submits)
        workers = [pool.submit(load.works, f"worker {n}") for n in range(2)]
        for _ in range(POSTMASTER_KILLS):
            before = len(load.acknowledged)
            until(partial(load.has_more_than, before + 5), "more jobs")
            postgres_server.kill()
            postgres_server.start()
        load.stop()
    assert [each.result() for each in workers] == [None, None]
    assert load.failures
    drain(Jobs(store), Leases(store, lease_s=60, attempts=ATTEMPTS), "survivor")
    assert load.acknowledged
    assert [wrong(store, each, ATTEMPTS) for each in load.acknowledged] == [
        [] for _ in load.acknowledged
    ]


def test_fault_109_a_restart_of_postgresql_is_not_noticed_by_who_was_idle(
    store: Store, postgres_server: PostgresServer
) -> None:
    (job,) = submit(Jobs(store), "a")
    postgres_server.kill()
    postgres_server.start()
    assert submit(Jobs(store), "a") == [job]


def test_fault_109_idle_connections_that_are_cut_are_replaced_and_nothing_is_there_twice(
    store: Store, administrator: psycopg.Connection[Any]
) -> None:
    jobs = Jobs(store)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda n: submit(jobs, f"{n}"), range(20)))
        assert cut_all(administrator)
        list(pool.map(lambda n: submit(jobs, f"{n}"), range(30)))
    assert len(jobs.find(limit=None)) == 30


def test_fault_109_a_connection_cut_in_a_transaction_costs_that_alone(
    store: Store, administrator: psycopg.Connection[Any]
) -> None:
    submit(Jobs(store), "a")

    def cut_between_two_statements() -> None:
        with store.writing() as session:
            session.execute(text("UPDATE job SET tag = 'half'"))
            cut_all(administrator)
            session.execute(text("UPDATE part SET tag = 'whole'"))

    with pytest.raises(StoreBusy, match="does not answer"):
        cut_between_two_statements()
    assert [job.tag for job in Jobs(store).find()] == [""]


def test_fault_109_a_postgresql_that_is_away_is_busy_and_says_why(
    store: Store, postgres_server: PostgresServer
) -> None:
    postgres_server.kill()
    with pytest.raises(StoreBusy, match=r"does not answer \(.*refused"):
        submit(Jobs(store), "a")
    postgres_server.start()
    submit(Jobs(store), "a")


def test_fault_109_whoever_finds_all_connections_in_use_is_told_so(postgres_url: str) -> None:
    with Store.open(postgres_url, busy_timeout=0.1) as store:

        def hold_one_more() -> None:
            with store.reading() as session:
                session.execute(text("SELECT 1"))
                hold_one_more()

        with pytest.raises(StoreBusy, match="all connections of this process"):
            hold_one_more()
        assert submit(Jobs(store), "a")


# Transactions in each other's way


def test_fault_110_a_deadlock_undoes_a_transaction_which_is_begun_anew(
    store: Store, administrator: psycopg.Connection[Any]
) -> None:
    """Two sessions, reversed order; the other one has more patience, so that ours is undone."""
    submit(Jobs(store), "a")
    tries = []

    @retried
    def job_before_part() -> None:
        with store.writing() as session:
            tries.append(session.execute(text("SELECT id FROM job FOR UPDATE")).all())
            session.execute(text("UPDATE part SET error = 'ours'"))

    with ThreadPoolExecutor(1) as pool:
        with administrator.transaction():
            administrator.execute("SET LOCAL deadlock_timeout = '60s'")
            administrator.execute("UPDATE part SET error = 'theirs'")
            ours = pool.submit(job_before_part)
            until(lambda: len(tries) == 1, "the lock of the job")
            administrator.execute("SELECT id FROM job FOR UPDATE")
        ours.result()
    assert 2 <= len(tries) <= 4, "the other one may come first once more"
    assert administrator.execute("SELECT error FROM part").fetchall() == [("ours",)]


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_fault_110_a_transaction_that_is_undone_again_and_again_is_busy_in_the_end(
    store: Store, state: str
) -> None:
    tries = []

    @retried
    def undone() -> None:
        tries.append(1)
        with store.writing() as session:
            session.execute(text(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$"))

    with pytest.raises(StoreBusy, match="stood in each other's way"):
        undone()
    assert len(tries) == 4, "once, and three times anew"


def test_fault_110_what_was_not_undone_by_another_is_not_begun_anew(store: Store) -> None:
    tries = []

    @retried
    def broken() -> None:
        tries.append(1)
        with store.writing() as session:
            session.execute(text("DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$"))

    with pytest.raises(StoreBusy):
        broken()
    assert len(tries) == 1


def test_fault_110_who_claims_and_who_cancels_at_one_moment_do_not_wait_for_each_other(
    store: Store,
) -> None:
    """The claim has its part when the cancellation has the job; then each wants the other's."""
    jobs, leases = Jobs(store), Leases(store)
    (job,) = submit(jobs, "a")
    has_part, has_job, undone = threading.Event(), threading.Event(), []

    @event.listens_for(store.engine, "before_cursor_execute")
    def before(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("UPDATE job") and not has_job.is_set():
            has_part.set()
            has_job.wait(30)

    @event.listens_for(store.engine, "after_cursor_execute")
    def after(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "FROM job" in statement and statement.endswith("FOR UPDATE"):
            has_job.set()

    event.listen(store.engine, "handle_error", lambda context: undone.append(str(context)))
    with ThreadPoolExecutor(2) as pool:
        claim = pool.submit(leases.claim, CONTROL, "one")
        assert has_part.wait(30)
        pool.submit(jobs.cancel, job.id).result()
        lease = claim.result()
    assert not undone
    assert lease is not None
    assert leases.renew(lease) is Hold.CANCELLED
    assert jobs.get(job.id).state is JobState.CANCELLED


def test_fault_110_all_who_submit_the_same_in_any_order_get_the_same_jobs(store: Store) -> None:
    jobs, undone = Jobs(store), []
    event.listen(store.engine, "handle_error", lambda context: undone.append(str(context)))
    names = [f"{n}" for n in range(200)]
    with ThreadPoolExecutor(4) as pool:
        orders = [names, names[::-1]] * 4
        answers = list(pool.map(lambda order: submit(jobs, *order), orders))
    assert len({frozenset(job.id for job in answer) for answer in answers}) == 1
    assert not undone


def test_fault_112_a_row_that_another_holds_is_waited_for_and_no_longer_than_that(
    postgres_url: str, administrator: psycopg.Connection[Any]
) -> None:
    with Store.open(postgres_url, busy_timeout=0.2) as store:
        (job,) = submit(Jobs(store), "a")
        with administrator.transaction():
            administrator.execute("SELECT id FROM job FOR UPDATE")
            with pytest.raises(StoreBusy, match="locked by another process"):
                Jobs(store).cancel(job.id)
        assert Jobs(store).cancel(job.id).state is JobState.CANCELLED
