"""The audit log: what was done is written down once, in order, and can be gone through again."""

from __future__ import annotations

import hashlib
import json
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from moderation import audit
from moderation.audit import AuditLog, Head
from moderation.cli import main
from moderation.errors import ConfigurationError
from moderation.store import Store
from moderation.store.audit import GENESIS, record

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'moderation.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as store:
        yield store


@pytest.fixture
def log(store: Store) -> AuditLog:
    return AuditLog(store)


def note(session: Session, subject: str = "item:a", **given: Any) -> None:
    values = {"actor": "anna", "action": "item.decided", "content": {"outcome": "uphold"}}
    record(session, subject=subject, **{"now": NOON, **values, **given})


def noted(store: Store, *subjects: str, **given: Any) -> None:
    with store.writing() as session:
        for subject in subjects:
            note(session, subject, **given)


def undone(store: Store) -> None:
    with store.writing() as session:
        note(session, "item:undone")
        raise RuntimeError("dropped")


# Written


def test_events_are_numbered_from_one_within_a_transaction_and_from_one_to_the_next(
    store: Store, log: AuditLog
) -> None:
    noted(store, "item:a", "item:b")
    noted(store, "item:c")
    assert [(each.number, each.subject) for each in log.entries()] == [
        (3, "item:c"),
        (2, "item:b"),
        (1, "item:a"),
    ]


def test_an_event_is_kept_as_it_was_noted(store: Store, log: AuditLog) -> None:
    content: dict[str, Any] = {"outcome": "uphold", "segments": [{"label": "Hate", "score": 0.1}]}
    with store.writing() as session:
        note(session, content=content, now=NOON.astimezone(timezone(timedelta(hours=2))))
        content["outcome"] = "overturn"
    (event,) = log.entries()
    assert (event.actor, event.action, event.at) == ("anna", "item.decided", NOON)
    assert event.content == content | {"outcome": "uphold"}


def test_whoever_knows_the_formula_computes_the_same_digests(store: Store, log: AuditLog) -> None:
    noted(store, "item:ä", "item:b", content={"b": 1.5, "a": "é"})
    digest = GENESIS
    for event in reversed(log.entries()):
        entry = {
            "action": event.action,
            "actor": event.actor,
            "at": "2026-11-21T12:00:00.000000+00:00",
            "content": event.content,
            "number": event.number,
            "subject": event.subject,
        }
        exact = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256((digest + exact).encode()).hexdigest()
        assert event.digest == digest


@pytest.mark.parametrize(
    "strange", ["\ud800", "\x00", "\ufdd0d800", "line\nbreak", 'a"b\\', "日本"]
)
def test_whatever_strangers_write_is_kept_and_holds(
    store: Store, log: AuditLog, strange: str
) -> None:
    noted(store, strange, actor=strange, content={strange: strange})
    (event,) = log.entries(subject=strange)
    assert (event.actor, event.content) == (strange, {strange: strange})
    assert log.verify().flaw is None


def test_what_was_undone_was_never_noted_and_leaves_no_gap(store: Store, log: AuditLog) -> None:
    noted(store, "item:a")
    with pytest.raises(RuntimeError, match="dropped"):
        undone(store)
    noted(store, "item:b")
    assert [(each.number, each.subject) for each in log.entries()] == [(2, "item:b"), (1, "item:a")]


def test_a_session_that_goes_on_after_it_was_undone_forgets_what_it_noted(
    store: Store, log: AuditLog
) -> None:
    with Session(store.engine) as session:
        for subject, ends in [("a", True), ("undone", False), ("b", True)]:
            with session.begin() as transaction:
                note(session, f"item:{subject}")
                if not ends:
                    transaction.rollback()
    assert [each.subject for each in log.entries()] == ["item:b", "item:a"]


def test_what_belongs_to_no_transaction_is_refused(store: Store) -> None:
    with Session(store.engine) as session, pytest.raises(RuntimeError, match="transaction"):
        note(session)


def test_what_a_savepoint_might_undo_is_refused_and_the_rest_is_noted(
    store: Store, log: AuditLog
) -> None:
    with store.writing() as session:
        note(session, "item:a")
        with pytest.raises(RuntimeError, match="savepoint"), session.begin_nested():
            note(session, "item:b")
        with session.begin_nested():
            session.execute(text("SELECT 1"))
    assert [each.subject for each in log.entries()] == ["item:a"]


@pytest.mark.parametrize("content", [{"a": float("nan")}, {"a": {1}}])
def test_a_content_that_is_no_json_is_refused_at_once(store: Store, content: Any) -> None:
    with pytest.raises((TypeError, ValueError)), store.writing() as session:
        note(session, content=content)


# Read


def test_events_are_found_by_what_they_are_about_and_when_they_were(
    store: Store, log: AuditLog
) -> None:
    for hours, subject in enumerate(["item:a", "item:b", "item:a", "item:a"]):
        noted(store, subject, now=NOON + timedelta(hours=hours))
    assert [each.number for each in log.entries(subject="item:a")] == [4, 3, 1]
    assert [each.number for each in log.entries(since=NOON + timedelta(hours=2))] == [4, 3]
    assert [each.number for each in log.entries(limit=1)] == [4]


# Gone through


def test_a_log_of_nothing_holds(log: AuditLog) -> None:
    found = log.verify()
    assert (found.flaw, found.head) == (None, Head()) == (None, log.head())


def test_all_events_hold_over_as_many_batches_as_it_takes(
    store: Store, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_BATCH", 3)
    noted(store, *map(str, range(10)))
    found = log.verify()
    assert found.flaw is None
    assert found.head == log.head()
    assert found.head.number == 10


def test_a_head_that_was_noted_holds_for_the_log_that_has_grown(
    store: Store, log: AuditLog
) -> None:
    noted(store, "item:a", "item:b")
    head = Head.parse(f" {log.head()}\n")
    noted(store, "item:c")
    assert log.verify(head).flaw is None
    assert log.verify(Head()).flaw is None


@pytest.mark.parametrize(
    "text", ["", "7", "7:abc", f"-1:{GENESIS}", f"7:{GENESIS}0", "７:" + GENESIS]
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no head"):
        Head.parse(text)


def test_a_long_log_takes_no_more_memory_than_a_batch_of_it(
    store: Store, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_BATCH", 100)
    for _ in range(20):
        noted(store, *["item:a"] * 100, content={"note": "n" * 5_000})
    log.verify()
    tracemalloc.start()
    try:
        log.verify()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000, "of 10 MB"


def test_what_was_found_goes_to_the_programs_log(store: Store, log: AuditLog) -> None:
    noted(store, "item:a")
    with capture_logs() as logs:
        log.verify()
        log.verify(Head(5, GENESIS))
    assert [(each["event"], each["log_level"]) for each in logs] == [
        ("audit.verified", "info"),
        ("audit.flawed", "error"),
    ]
    assert logs[0]["head"] == str(log.head())
    assert logs[1]["number"] == 2


# The command


@pytest.fixture
def command(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("MODERATION_DATABASE", url)

    def run(*arguments: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["moderation", "audit", *arguments])
        with pytest.raises(SystemExit) as done:
            main()
        told = capsys.readouterr()
        return done.value.code, told.out, told.err

    return run


def test_the_command_prints_a_head_and_checks_it_another_time(
    command: Any, store: Store, log: AuditLog
) -> None:
    noted(store, "item:a")
    code, head, told = command("verify")
    assert (code, head) == (0, f"{log.head()}\n")
    assert "all 1 events hold" in told
    noted(store, "item:b")
    assert command("verify", "--head", head)[0] == 0
    code, out, told = command("verify", "--head", f"7:{GENESIS}")
    assert (code, out) == (3, "")
    assert "event 3 is missing: the log ended with event 7" in told
    assert command("verify", "--head", "nonsense")[0] == 2


def test_the_command_shows_events_which_command_nothing(command: Any, store: Store) -> None:
    noted(store, "item:a", "item:b", now=datetime.now(UTC), content={"note": "[bold]\x1b[2J"})
    code, out, _ = command("list", "--since", "1h", "--subject", "item:b")
    assert code == 0
    assert "item:b" in out
    assert "item:a" not in out
    assert "[bold]" in out
    assert "\x1b" not in out
    assert "nothing was done" in command("list", "--subject", "item:c")[2]
