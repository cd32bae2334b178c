"""Fault 123: a back-up that is taken while everything writes, and gone back to later."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_network
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from moderation.address_guard import AddressGuard
from moderation.audit import AuditLog
from moderation.decision import Outcome
from moderation.errors import ReviewConflict
from moderation.job import PartState
from moderation.person import Person, Role
from moderation.review import ItemState, ReviewQueue
from moderation.review_settings import ReviewSettings
from moderation.store import Jobs, Leases, Store
from moderation.store.deliveries import Deliveries
from moderation.store.models import DecisionRow, DeliveryRow, PartRow, ReviewItemRow
from moderation.store.webhooks import Webhooks
from moderation.webhook import DeliveryState
from moderation.webhook_delivery import Sender
from moderation.webhook_settings import WebhookSettings
from tests.services.job_flow import drain, submit, work, wrong
from tests.services.postgres_server import PostgresServer
from tests.services.receiver import Receiver
from tests.services.server import until

LOOPBACK = ip_network("127.0.0.0/8")
HOOKS = WebhookSettings(allowed_networks=(LOOPBACK,), poll_s=0.02, senders=1)
REVIEW = ReviewSettings(undo_s=0, second_look_share=0)
ATTEMPTS = 3

ANN, LEA = (
    Person(name=name, role=role, created_at=datetime.now(UTC))
    for name, role in (("ann", Role.REVIEWER), ("lea", Role.LEAD))
)


class Database(ABC):
    """A database with the means that it brings for back-ups."""

    url: str

    @abstractmethod
    def back_up(self, file: Path) -> None:
        """While others write."""

    @abstractmethod
    def restore(self, file: Path) -> None:
        """When nobody does; `url` is where it is then."""


class Sqlite(Database):
    def __init__(self, folder: Path) -> None:
        self._file = folder / "moderation.db"
        self.url = f"sqlite:///{self._file}"

    def back_up(self, file: Path) -> None:
        connection = sqlite3.connect(self._file, isolation_level=None)
        connection.execute("VACUUM INTO ?", [str(file)])
        connection.close()

    def restore(self, file: Path) -> None:
        for suffix in ("", "-wal", "-shm"):  # a log of other changes must not be read into it
            Path(f"{self._file}{suffix}").unlink(missing_ok=True)
        shutil.copy(file, self._file)


class Postgresql(Database):
    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.url = server.create_database()

    def back_up(self, file: Path) -> None:
        self._run("pg_dump", "--format=custom", f"--file={file}", self._address)

    def restore(self, file: Path) -> None:
        self._server.drop_database(self.url)
        self.url = self._server.create_database(empty=True)
        self._run("pg_restore", "--exit-on-error", f"--dbname={self._address}", str(file))

    @property
    def _address(self) -> str:
        return self.url.replace("+psycopg", "")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([self._server.find() / program, *arguments], check=True, timeout=120)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        yield Sqlite(tmp_path)
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    if not (server.find() / "pg_dump").exists():
        pytest.skip("there is no pg_dump beside postgres")
    made = Postgresql(server)
    yield made
    server.drop_database(made.url)


class Life:
    """A client, a worker, a reviewer and a sender of webhooks, until told to end."""

    def __init__(self, store: Store) -> None:
        self._store, self._over = store, threading.Event()
        self.names: list[str] = []
        self._threads = [
            threading.Thread(target=each)
            for each in (self._submit, self._work, self._review, self._send)
        ]

    def __enter__(self) -> Life:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _submit(self) -> None:
        jobs = Jobs(self._store)
        for n in count():
            if self._over.wait(0.1):
                return
            submit(jobs, f"video {n}")
            self.names.append(f"video {n}")

    def _work(self) -> None:
        leases = Leases(self._store, lease_s=60, attempts=ATTEMPTS)
        while not self._over.is_set():
            for lane in leases.waiting():
                work(leases, lane, "worker")

    def _review(self) -> None:
        queue = ReviewQueue(self._store, REVIEW)
        while not self._over.wait(0.01):
            decide_next(queue)

    def _send(self) -> None:
        Sender(self._store, HOOKS).run(self._over)


def decide_next(queue: ReviewQueue) -> bool:
    """Whether there was one."""
    case = queue.claim_next(ANN)
    if case is not None:
        item = case.item
        queue.decide(item.id, ANN, version=item.version, outcome=Outcome.UPHOLD)
    return case is not None


def decided(store: Store) -> int:
    with store.reading() as session:
        return session.execute(select(func.count(DecisionRow.id))).scalar_one()


def test_fault_123_a_restored_back_up_goes_on_from_where_it_was(
    database: Database, tmp_path: Path
) -> None:
    with Receiver() as receiver:
        names, late = lived(database, receiver, tmp_path / "back-up")
        before = len(receiver.ids)
        database.restore(tmp_path / "back-up")
        with Store.open(database.url) as store:
            known, delivered = events(store), events(store, DeliveryState.DELIVERED)
            assert delivered
            assert {*receiver.ids} - known, "of later events the back-up knows nothing"
            assert_whole(store)
            late(ReviewQueue(store, REVIEW))
            go_on(store, names)
            assert_whole(store)
            assert events(store) == events(store, DeliveryState.DELIVERED)
        assert_told_once(receiver, before, known, delivered)


def lived(
    database: Database, receiver: Receiver, back_up: Path
) -> tuple[list[str], Callable[[ReviewQueue], None]]:
    """The names of all uploads, and what somebody still does whose page outlived the database."""
    with Store.open(database.url) as store:
        guard = AddressGuard([LOOPBACK], lambda *_: ["127.0.0.1"])
        Webhooks(store, guard).add(receiver.url, actor="ann")
        with Life(store) as life:
            until(lambda: decided(store) >= 3 and len(receiver.ids) >= 6, "a while")
            database.back_up(back_up)
            before, known = decided(store), events(store)
            until(
                lambda: decided(store) >= before + 3 and len({*receiver.ids} - known) >= 3,
                "a while more",
            )
        with store.reading() as session:
            newest = select(DecisionRow).order_by(DecisionRow.id.desc()).limit(1)
            last = session.execute(newest).scalar_one()
            id, version = last.item_id, last.version
        return life.names, lambda queue: decide_late(queue, id, version)


def decide_late(queue: ReviewQueue, id: str, version: int) -> None:
    """An item that was claimed after the back-up; now it waits again, or is not there yet."""
    with queue.store.reading() as session:
        known = session.get(ReviewItemRow, id) is not None
    if known:
        with pytest.raises(ReviewConflict):
            queue.decide(id, ANN, version=version, outcome=Outcome.OVERTURN)


def events(store: Store, state: DeliveryState | None = None) -> set[str]:
    return {each.event.id for each in Deliveries(store).log(state=state, limit=None)}


def go_on(store: Store, names: list[str]) -> None:
    """Clients submit what they have no verdict of, workers work, people decide, events are sent."""
    jobs, queue = Jobs(store), ReviewQueue(store, REVIEW)
    with store.writing() as session:  # leases of those before run out
        session.execute(
            update(PartRow).where(PartRow.state == PartState.RUNNING).values(lease_us=0)
        )
        session.execute(update(ReviewItemRow).values(held_until_us=0))
        session.execute(update(DeliveryRow).values(due_us=0))
    ids = [submit(jobs, name)[0].id for name in names]
    drain(jobs, Leases(store, lease_s=60, attempts=ATTEMPTS), "survivor")
    assert [fault for id in ids for fault in wrong(store, id, ATTEMPTS)] == []
    while decide_next(queue):
        pass
    Sender(store, HOOKS).send_due()


def assert_whole(store: Store) -> None:
    """The audit log follows on itself, and each item's state on its decisions."""
    log = AuditLog(store)
    assert log.verify().flaw is None
    assert log.check_decisions().flaw is None
    final = select(DecisionRow.item_id).where(DecisionRow.withdrawn_at.is_(None))
    done = select(ReviewItemRow.id).where(ReviewItemRow.state == ItemState.DECIDED)
    with store.reading() as session:
        said = session.scalars(final).all()
        assert sorted(said) == sorted(session.scalars(done))
        assert len(set(said)) == len(said), "decided once"


def assert_told_once(receiver: Receiver, before: int, known: set[str], delivered: set[str]) -> None:
    """But for what was on its way when the back-up was taken: at least once, under one id."""
    earlier, later = receiver.ids[:before], receiver.ids[before:]
    assert not delivered & {*later}
    assert {*earlier} & {*later} <= known - delivered
    bodies = defaultdict(set)
    for request in receiver.requests:
        bodies[request.id].add(request.body)
    assert {len(each) for each in bodies.values()} == {1}
    assert known <= bodies.keys()
