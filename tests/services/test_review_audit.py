"""What becomes of review items and decisions stands in the audit log, and holds them to it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from moderation.audit import AuditLog
from moderation.cli import main
from moderation.decision import Outcome, Purpose
from moderation.policy import Policy
from moderation.review import ReviewQueue
from moderation.store import Store, seal
from moderation.store.bare import strip_scans
from moderation.store.claims import noted
from moderation.store.expire import Expiry
from moderation.store.load import load_scan
from moderation.store.models import AuditRow, DecisionRow, ReviewItemRow, ScanRow, VerdictRow
from moderation.verdict import Action
from tests.services.desk import ANN, BEN, LEA, POLICY, PORTAL, claimed, decided, run_out, saved

SECRET = "the neighbour's boy"


@pytest.fixture
def log(store: Store) -> AuditLog:
    return AuditLog(store)


def events(log: AuditLog, item: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Who did what, the first thing first."""
    found = reversed(log.entries(subject=f"item:{item}"))
    return [(each.actor, each.action, {**each.content}) for each in found]


# Items


def test_an_item_is_opened_once_and_closed_by_a_newer_verdict(
    store: Store, queue: ReviewQueue, log: AuditLog
) -> None:
    for _ in range(2):
        saved(store, "a")
    item = claimed(queue, "ann").item
    saved(store, "a", score=0.95)
    assert events(log, item.id) == [
        ("queue", "item.opened", {"purpose": "verdict", "case": item.id}),
        ("ann", "item.claimed", {}),
        ("queue", "item.closed", {"reason": "superseded", "holder": "ann"}),
    ]


def test_an_item_that_waits_again_is_opened_again(
    store: Store, queue: ReviewQueue, log: AuditLog
) -> None:
    saved(store, "a")
    id = claimed(queue, "ann").item.id
    lenient = Policy.restore(POLICY.canonical.replace('"version":"1"', '"version":"2"'))
    with store.reading() as session:
        scan = load_scan(session, session.scalars(select(VerdictRow.id)).one())
    approved = replace(scan.verdict, action=Action.APPROVE, policy=lenient.ref)
    store.save(replace(scan, verdict=approved), lenient, fingerprint="all")
    saved(store, "a")
    opened = ("queue", "item.opened", {"purpose": "verdict", "case": id})
    assert [events(log, id)[place] for place in (0, -1)] == [opened, opened]
    assert claimed(queue, "ben").item.id == id


def test_fault_117_a_claim_that_ran_out_is_in_the_log_when_the_next_one_finds_it(
    store: Store, queue: ReviewQueue, log: AuditLog
) -> None:
    saved(store, "a")
    id = claimed(queue, "ann").item.id
    run_out(store, id)
    claimed(queue, "ben")
    run_out(store, id)
    queue.claim(id, ANN)
    assert [each for each in events(log, id) if each[0] == "queue"][1:] == [
        ("queue", "item.lease_expired", {"holder": "ann"}),
        ("queue", "item.lease_expired", {"holder": "ben"}),
    ]


def test_what_asks_about_a_decision_is_opened_by_it_and_closed_with_it(
    store: Store, twice: ReviewQueue, log: AuditLog
) -> None:
    saved(store, "a")
    first = decided(twice, "ann").item.id
    appeal = twice.appeal(first, PORTAL, note=SECRET)
    look = next(item.id for item in twice.list(LEA) if item.purpose is Purpose.SECOND_LOOK)
    twice.reopen(first, LEA, reason=SECRET)
    for item, purpose in ((look, "second_look"), (appeal, "appeal")):
        assert events(log, item) == [
            ("queue", "item.opened", {"purpose": purpose, "case": first}),
            ("lea", "item.closed", {"reason": "withdrawn"}),
        ]
    assert log.verify().flaw is None


# Decisions


@pytest.fixture
def said(store: Store, queue: ReviewQueue) -> DecisionRow:
    """A decision with words, and others without."""
    for name in "abc":
        saved(store, name)
    item = claimed(queue, "ann").item
    queue.decide(item.id, ANN, version=item.version, outcome=Outcome.UPHOLD, note=SECRET)
    decided(queue, "ann", Outcome.SKIP)
    decided(queue, "ben")
    with store.reading() as session:
        return session.scalars(select(DecisionRow).order_by(DecisionRow.id)).all()[0]


def test_decisions_are_as_the_log_says_also_those_that_were_taken_back(
    queue: ReviewQueue, log: AuditLog, said: DecisionRow
) -> None:
    queue.reopen(said.item_id, LEA, reason="new policy")
    again = decided(queue, "ben").item.id
    queue.undo(again, BEN)
    found = log.check_decisions()
    assert (found.whole, found.erased, found.unsealed, found.flaw) == (4, 0, 0, None)
    assert log.verify().flaw is None


CHANGES = {
    "outcome": ("UPDATE decision SET outcome = 'overturn' WHERE id = :id", "who decided what"),
    "person": ("UPDATE decision SET person = 'eve' WHERE id = :id", "who decided what"),
    "reason": ("UPDATE decision SET reason = 'toy' WHERE id = :id", "who decided what"),
    "moment": ("UPDATE decision SET decided_at = '2026-01-01' WHERE id = :id", "or when"),
    "note": ("UPDATE decision SET note = 'fine' WHERE id = :id", "its words"),
    "segments": ("UPDATE decision SET segments = '[1]' WHERE id = :id", "its words"),
    "salt": ("UPDATE decision SET salt = '' WHERE id = :id", "its words"),
    "in force": (
        "UPDATE decision SET withdrawn_at = decided_at WHERE id = :id",
        "was taken back, or put in force again",
    ),
    "away": ("DELETE FROM decision WHERE id = :id", "is missing"),
}


@pytest.mark.parametrize(("change", "what"), CHANGES.values(), ids=CHANGES)
def test_fault_120_a_decision_that_was_changed_behind_its_back_is_named(
    store: Store, log: AuditLog, said: DecisionRow, change: str, what: str
) -> None:
    with store.writing() as session:
        session.execute(text(change), {"id": said.id})
    assert log.verify().flaw is None, "of the events, none was changed"
    flaw = log.check_decisions().flaw
    assert flaw is not None
    assert (flaw.decision, flaw.item) == (said.id, said.item_id)
    assert what in flaw.what


def test_fault_120_a_decision_that_cannot_be_read_any_more_is_named_by_its_item(
    store: Store, log: AuditLog, said: DecisionRow
) -> None:
    with store.writing() as session:
        session.execute(text("UPDATE decision SET segments = 'x' WHERE id = :id"), {"id": said.id})
    flaw = log.check_decisions().flaw
    assert flaw is not None
    assert str(flaw).startswith(f"a decision on item {said.item_id} was changed and cannot be read")


def test_fault_120_a_decision_that_nobody_made_is_named(
    store: Store, log: AuditLog, said: DecisionRow
) -> None:
    with store.writing() as session:
        columns = ("case_id", "person", "outcome", "reason", "note", "segments", "version")
        copied = {name: getattr(said, name) for name in (*columns, "seconds", "decided_at")}
        forged = DecisionRow(item_id=said.item_id, number=9, withdrawn_note="", **copied)
        session.add(forged)
        session.flush()
        id = forged.id
    flaw = log.check_decisions().flaw
    assert flaw is not None
    assert str(flaw).startswith(f"decision {id} on item {said.item_id} was put in")


def test_a_decision_whose_words_were_erased_still_holds(
    store: Store, log: AuditLog, said: DecisionRow
) -> None:
    with store.writing() as session:
        strip_scans(session, session.scalars(select(ScanRow.id)).all())
    found = log.check_decisions()
    assert (found.whole, found.erased, found.flaw) == (0, 3, None)
    with store.reading() as session:
        kept = session.get_one(DecisionRow, said.id)
        assert (kept.note, kept.salt) == ("", ""), "nobody can try words on the hash"
        assert not [each for each in session.scalars(select(AuditRow.content)) if SECRET in each]
    with store.writing() as session:
        changed = update(DecisionRow).where(DecisionRow.id == said.id)
        session.execute(changed.values(outcome="overturn"))
    assert log.check_decisions().flaw is not None, "the outcome is bound all the same"


@pytest.mark.usefixtures("said")
def test_a_salt_that_an_older_program_left_is_no_flaw_and_goes_at_last(
    store: Store, log: AuditLog
) -> None:
    """A worker of revision 0005 erases the words alone."""
    with store.writing() as session:
        session.execute(update(DecisionRow).values(note=""))
    found = log.check_decisions()
    assert (found.whole, found.erased, found.flaw) == (2, 1, None)
    with store.writing() as session:
        strip_scans(session, session.scalars(select(ScanRow.id)).all())
        assert {*session.scalars(select(DecisionRow.salt))} == {""}
    assert log.check_decisions().flaw is None


def test_what_retention_takes_away_during_a_check_is_no_flaw(
    store: Store, log: AuditLog, said: DecisionRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, later = seal._items, datetime.now(UTC) + timedelta(days=1)

    def swept(asked: Store, last: str) -> Sequence[str]:
        items = listed(asked, last)
        with store.writing() as session:
            session.execute(
                update(ReviewItemRow).values(state="decided", closed_at=said.decided_at)
            )
            scans = session.scalars(select(ScanRow.id)).all()
        Expiry(store).drop(scans, later, later)
        return items

    monkeypatch.setattr(seal, "_items", swept)
    found = log.check_decisions()
    assert (found.whole, found.erased, found.flaw) == (0, 0, None)


def test_decisions_of_older_programs_are_counted_and_no_flaw(
    store: Store, queue: ReviewQueue, log: AuditLog
) -> None:
    saved(store, "a")
    item = claimed(queue, "ann").item
    now = datetime.now(UTC)
    with store.writing() as session:
        old = DecisionRow(
            item_id=item.id, case_id=item.case, number=1, person="ann", outcome="uphold",
            reason="", note="", segments=[], version=1, seconds=1.0, decided_at=now,
        )  # fmt: skip
        session.add(old)
        session.flush()
        noted(session, "ann", "item.decided", item.id, decision=old.id, outcome="uphold")
    found = log.check_decisions()
    assert (found.whole, found.unsealed, found.flaw) == (0, 1, None)


def test_the_command_names_a_decision_that_was_changed(
    store: Store,
    database_url: str,
    said: DecisionRow,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MODERATION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODERATION_DATABASE", database_url)
    monkeypatch.setattr(sys, "argv", ["moderation", "audit", "verify"])

    def verified() -> Any:
        with pytest.raises(SystemExit) as done:
            main()
        return done.value.code

    assert verified() == 0
    assert "all 3 decisions are as their events say" in capsys.readouterr().err
    with store.writing() as session:
        session.execute(update(DecisionRow).where(DecisionRow.id == said.id).values(note="fine"))
    assert verified() == 3
    assert f"decision {said.id} on item {said.item_id} was changed" in capsys.readouterr().err
