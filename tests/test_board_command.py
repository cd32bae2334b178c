"""`moderation queue board`: the figures of the board, in a terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from moderation.cli import cli
from moderation.decision import Outcome
from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.review import ReviewQueue
from moderation.review_settings import ReviewSettings
from moderation.store import Store
from moderation.testing.scans import make_evidence, make_scan


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("MODERATION_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    return Store.open(f"sqlite:///{tmp_path / 'moderation.db'}")


def somebody(name: str) -> Person:
    return Person(name=name, role=Role.LEAD, created_at=datetime.now(UTC))


def save(store: Store, *names: str) -> None:
    policy = Policy.read("default")
    for name in names:
        scan = make_scan(make_evidence(), name=name)
        judged = replace(scan.verdict, policy=policy.ref)
        store.save(replace(scan, verdict=judged), policy, fingerprint="a")


def rows(*given: str) -> list[list[str]]:
    """The words of each line."""
    done = CliRunner().invoke(cli, ["queue", "board", *given], catch_exceptions=False)
    assert done.exit_code == 0
    return [line.split() for line in done.stdout.splitlines()]


def test_an_empty_queue_has_figures(store: Store) -> None:
    store.close()
    shown = rows()
    assert ["critical", "0", "0", "0", "0"] in shown
    assert shown[-1] == ["nothing", "was", "looked", "at", "twice"]


def test_the_figures_are_those_of_the_page(store: Store) -> None:
    save(store, "a", "b", "c", "d")
    with store:
        queue = ReviewQueue(store, ReviewSettings(second_look_share=0))
        for name, outcome in (("ann", Outcome.OVERTURN), ("[bold]b", Outcome.UPHOLD)):
            case = queue.claim_next(somebody(name))
            assert case is not None
            by, version = somebody(name), case.item.version
            queue.decide(case.item.id, by, version=version, outcome=outcome)
        held = queue.claim_next(somebody("cem"))
        assert held is not None
    shown = rows("--days", "7")
    assert ["high", "2", "0", "0", "0"] in shown
    assert [held.item.id, "cem"] in [row[:2] for row in shown]
    assert ["[bold]b", "1", "1.0", "1.0"] in [row[:4] for row in shown]
    assert ["knife", "2", "1", "50%", "9%", "to", "91%"] in shown
    assert ["objects", "2", "1", "50%", "9%", "to", "91%"] in shown
