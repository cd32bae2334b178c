"""The audit log under many hands, and under those that would change it; tokens that nobody reads.

Named after the rows of the fault catalogue; on both databases.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, event, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from moderation.audit import AuditLog, Head
from moderation.errors import AccessDenied
from moderation.people import People, Person, Role
from moderation.store import Store
from moderation.store.audit import GENESIS, digest_of, record
from moderation.store.models import AuditRow, PersonRow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ADMIN = Person(name="root", role=Role.ADMIN, created_at=NOON)

WRITERS = 20
EVENTS_EACH = 50


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    # Patience for a machine on which twenty threads take turns at one disk.
    with Store.open(database_url, busy_timeout=60) as store:
        yield store


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'moderation.db'}") as store:
        yield store


@pytest.fixture
def log(store: Store) -> AuditLog:
    return AuditLog(store)


def note(session: Session, subject: str, actor: str = "anna") -> None:
    content = {"outcome": "uphold"}
    record(session, actor=actor, action="item.decided", subject=subject, content=content, now=NOON)


def noted(store: Store, events: int) -> None:
    with store.writing() as session:
        for number in range(events):
            note(session, f"item:{number}")


# Many hands


def test_twenty_writers_leave_no_gap_and_nobody_is_in_anothers_way(
    store: Store, log: AuditLog
) -> None:
    """Each changes one of two rows, some before they note an event and some after."""
    people, undone = People(store), []
    for name in ("anna", "berta"):
        people.add(name, Role.REVIEWER, by=ADMIN)
    event.listen(store.engine, "handle_error", lambda context: undone.append(str(context)))

    def write(writer: int) -> None:
        row = update(PersonRow).where(PersonRow.name == ("anna", "berta")[writer % 2])
        for number in range(EVENTS_EACH):
            with store.writing() as session:
                if writer % 4 < 2:
                    session.execute(row.values(role=Role.LEAD))
                note(session, f"item:{number}", actor=str(writer))
                if writer % 4 >= 2:
                    session.execute(row.values(role=Role.LEAD))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    events = log.entries(limit=None)[:-2]
    assert undone == []
    assert log.verify().flaw is None
    assert log.head().number == WRITERS * EVENTS_EACH + 2
    for writer in range(WRITERS):
        subjects = [each.subject for each in reversed(events) if each.actor == str(writer)]
        assert subjects == [f"item:{number}" for number in range(EVENTS_EACH)]


def test_whoever_notes_an_event_and_then_wants_a_row_stands_in_nobodys_way(
    postgres_url: str,
) -> None:
    """The other one has that row, and notes an event too: in a lock held from there on they would
    wait for each other."""
    with Store.open(postgres_url, busy_timeout=5) as store:
        People(store).add("anna", Role.REVIEWER, by=ADMIN)
        row = update(PersonRow).values(role=Role.LEAD)
        with store.writing() as first:
            note(first, "item:first")
            with store.writing() as second:
                second.execute(row)
                note(second, "item:second")
            first.execute(row)
        log = AuditLog(store)
        assert [each.subject for each in log.entries(limit=2)] == ["item:first", "item:second"]
        assert log.verify().flaw is None


# Hands that would change it


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_event SET actor = 'berta' WHERE number = 2",
        "DELETE FROM audit_event WHERE number = 2",
        "DELETE FROM audit_event",
    ],
)
def test_fault_120_the_database_refuses_to_change_the_log(
    store: Store, log: AuditLog, change: str
) -> None:
    noted(store, 3)
    before = log.entries()
    with pytest.raises(DBAPIError, match="only ever added to"), store.engine.begin() as connection:
        connection.execute(text(change))
    assert log.entries() == before


def test_fault_120_postgresql_refuses_to_empty_the_log(postgres_url: str) -> None:
    with Store.open(postgres_url) as store:
        noted(store, 3)
        with pytest.raises(DBAPIError, match="only ever added to"), store.engine.begin() as session:
            session.execute(text("TRUNCATE audit_event"))
        assert AuditLog(store).head().number == 3


_EVENT = "number, at, actor, action, subject, content, previous, digest"


@pytest.mark.parametrize(
    "change",
    [
        f"INSERT OR REPLACE INTO audit_event ({_EVENT}) SELECT 2, at, 'berta', action, subject,"
        " content, previous, digest FROM audit_event WHERE number = 1",
        "UPDATE OR REPLACE audit_event SET number = 2 WHERE number = 1",
    ],
)
def test_fault_120_sqlite_refuses_to_replace_an_event(sqlite_store: Store, change: str) -> None:
    noted(sqlite_store, 3)
    beginning = sqlite_store.engine.begin()
    with pytest.raises(DBAPIError, match="only ever added to"), beginning as connection:
        connection.execute(text(change))


@contextmanager
def superuser(store: Store) -> Iterator[Connection]:
    """Somebody who may switch the triggers off, and does."""
    with store.engine.begin() as connection:
        if store.engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            for act in ("update", "delete", "insert"):
                connection.execute(text(f"DROP TRIGGER audit_event_refuse_{act}"))
        yield connection


def rehash(connection: Connection, first: int, last: int) -> None:
    """As somebody would who knows how it is done."""
    for number in range(first, last + 1):
        of = AuditRow.__table__.c
        row = connection.execute(select(AuditRow.__table__).where(of.number == number)).one()
        before = select(of.digest).where(of.number == number - 1)
        values = row._asdict() | {"previous": connection.scalar(before) or GENESIS}
        del values["digest"]
        connection.execute(
            update(AuditRow)
            .where(of.number == number)
            .values(previous=values["previous"], digest=digest_of(**values))
        )


CHANGES = {
    "content": ("UPDATE audit_event SET content = '{}' WHERE number = 3", 3, "was changed"),
    "actor": ("UPDATE audit_event SET actor = 'berta' WHERE number = 3", 3, "was changed"),
    "action": ("UPDATE audit_event SET action = 'item.seen' WHERE number = 3", 3, "was changed"),
    "subject": ("UPDATE audit_event SET subject = 'item:z' WHERE number = 3", 3, "was changed"),
    "moment": (
        "UPDATE audit_event SET at = '2026-11-21 12:00:00.000001' WHERE number = 3",
        3,
        "was changed",
    ),
    "hash": ("UPDATE audit_event SET digest = previous WHERE number = 3", 3, "was changed"),
    "link": ("UPDATE audit_event SET previous = digest WHERE number = 3", 3, "was changed"),
    "two of them": ("UPDATE audit_event SET content = '{}' WHERE number > 2", 3, "was changed"),
    "the first": ("DELETE FROM audit_event WHERE number = 1", 1, "is missing"),
    "one between": ("DELETE FROM audit_event WHERE number = 3", 3, "is missing"),
    "many": ("DELETE FROM audit_event WHERE number BETWEEN 3 AND 9", 3, "is missing"),
    "the place": ("UPDATE audit_event SET number = 99 WHERE number = 3", 3, "is missing"),
    "one before": (
        f"INSERT INTO audit_event ({_EVENT}) SELECT 0, at, actor, action, subject, content,"
        " previous, digest FROM audit_event WHERE number = 3",
        0,
        "was put in",
    ),
    "one at the end": (
        f"INSERT INTO audit_event ({_EVENT}) SELECT 11, at, actor, action, subject, content,"
        " digest, digest FROM audit_event WHERE number = 10",
        11,
        "was changed",
    ),
}


@pytest.mark.parametrize(("change", "number", "what"), CHANGES.values(), ids=CHANGES)
def test_fault_120_what_got_past_the_triggers_is_found_and_the_first_event_of_it_named(
    store: Store, log: AuditLog, change: str, number: int, what: str
) -> None:
    noted(store, 10)
    before = log.entries()
    with superuser(store) as connection:
        connection.execute(text(change))
    flaw = log.verify().flaw
    assert flaw is not None
    assert flaw.number == number
    assert flaw.what.startswith(what)
    if number > 1:
        assert log.verify().head == Head(number - 1, before[-(number - 1)].digest)


def test_fault_120_an_event_that_was_hashed_anew_is_betrayed_by_the_next(
    store: Store, log: AuditLog
) -> None:
    noted(store, 10)
    with superuser(store) as connection:
        connection.execute(text("UPDATE audit_event SET content = '{}' WHERE number = 3"))
        rehash(connection, 3, 3)
    assert str(log.verify().flaw) == (
        "event 3 was changed and hashed anew: event 4 follows on another"
    )


def test_fault_120_the_end_cut_off_and_the_rest_hashed_anew_show_by_a_head_from_outside(
    store: Store, log: AuditLog
) -> None:
    noted(store, 10)
    head = log.head()
    with superuser(store) as connection:
        connection.execute(text("UPDATE audit_event SET content = '{}' WHERE number = 3"))
        rehash(connection, 3, 10)
    assert log.verify().flaw is None
    found = log.verify(head)
    assert str(found.flaw).startswith("event 10 is not the one that was noted")
    assert found.head.number == 9
    with store.writing() as session:
        if store.engine.dialect.name == "postgresql":
            session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("DELETE FROM audit_event WHERE number > 8"))
    assert log.verify().flaw is None
    assert str(log.verify(head).flaw) == "event 9 is missing: the log ended with event 10"


@pytest.mark.parametrize(
    "change",
    ["actor = x'ff00'", "actor = CAST(x'ff' AS TEXT)", "at = 'yesterday'", "number = 'three'"],
)
def test_fault_120_an_event_of_which_sqlite_keeps_no_text_is_named(
    sqlite_store: Store, change: str
) -> None:
    noted(sqlite_store, 10)
    with superuser(sqlite_store) as connection:
        connection.execute(text(f"UPDATE audit_event SET {change} WHERE number = 3"))
    flaw = AuditLog(sqlite_store).verify().flaw
    assert flaw is not None
    assert flaw.number == 3


# Secrets


def test_fault_138_a_token_is_in_no_database_no_log_and_no_error(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    people, said = People(store), []
    people.add("anna", Role.REVIEWER, by=ADMIN)
    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        issued = people.issue("anna", by=ADMIN, label="laptop")
        people.authenticate(issued.secret)
        people.revoke(issued.secret, by=ADMIN)
        with pytest.raises(AccessDenied) as denied:
            people.authenticate(issued.secret)
        said += [repr(issued), repr(denied.value), str(denied.value), repr(people.tokens())]
    everything = "\n".join([*said, *map(repr, logs), caplog.text, *dumped(store)])
    assert issued.token.id in everything
    assert issued.secret not in everything
    assert issued.secret.removeprefix("mod_") not in everything


def dumped(store: Store) -> Iterator[str]:
    """Every row of every table."""
    tables = MetaData()
    tables.reflect(store.engine)
    with store.engine.connect() as connection:
        for table in tables.sorted_tables:
            rows: Any = connection.execute(select(table))
            yield from map(repr, rows)
