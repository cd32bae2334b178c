"""`moderation queue`: a person works through what waits, from a terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from moderation.cli import cli
from moderation.errors import ConfigurationError, ReviewConflict
from moderation.policy import Policy
from moderation.store import Store
from moderation.testing.scans import make_evidence, make_scan

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command; what it raises is what the test sees."""
    monkeypatch.setenv("MODERATION_HOME", str(tmp_path))
    monkeypatch.setenv("MODERATION_REVIEW__SECOND_LOOK_SHARE", "0")
    policy = Policy.read("default")
    with Store.open(f"sqlite:///{tmp_path / 'moderation.db'}") as store:
        scan = make_scan(make_evidence())
        store.save(
            replace(scan, verdict=replace(scan.verdict, policy=policy.ref)), policy, fingerprint="a"
        )
    return lambda *given: CliRunner().invoke(cli, ["queue", *given], catch_exceptions=False)


@pytest.fixture
def item(run: Run) -> str:
    return run().stdout.split("\n")[1].split()[0]


def test_what_is_claimed_is_shown_with_until_when_it_is_held(run: Run, item: str) -> None:
    done = run("claim")
    assert "clip.mp4" in done.stdout
    assert f"{item} (verdict) is open, with " in done.stderr
    assert " until " in done.stderr


def test_nothing_waits_for_whoever_has_decided_everything(run: Run, item: str) -> None:
    run("claim")
    run("decide", item, "uphold", "--note", "a [bold]knife[/bold]")
    assert "nothing waits" in run().stdout
    assert item in run("list", "--state", "decided").stdout
    assert "uphold: a [bold]knife[/bold]" in run("show", item).stderr
    assert run("claim").stderr == "nothing waits\n"


def test_a_decision_is_taken_back_at_once(run: Run, item: str) -> None:
    run("claim", item[:4])
    run("decide", item, "overturn")
    assert run("undo", item).stderr == f"{item} is yours again\n"
    run("release", item)
    assert item in run().stdout


def test_what_is_not_claimed_is_not_decided(run: Run, item: str) -> None:
    with pytest.raises(ReviewConflict, match="nobody has the review item"):
        run("decide", item, "uphold")
    with pytest.raises(ReviewConflict, match="is not decided"):
        run("appeal", item, "--note", "no")


def test_an_appeal_waits_for_somebody_else(run: Run, item: str) -> None:
    run("claim")
    run("decide", item, "uphold")
    appeal = run("appeal", item, "--note", "it is a butter knife").stdout.strip()
    assert "appeal: it is a butter knife" in run("show", appeal).stderr
    assert run("claim").stderr == "nothing waits for you (1 for others)\n"


def test_a_decided_item_is_reopened_with_a_reason(run: Run, item: str) -> None:
    run("claim")
    run("decide", item, "uphold")
    with pytest.raises(ConfigurationError, match="takes a reason"):
        run("reopen", item, "--reason", " ")
    run("reopen", item, "--reason", "new policy")
    assert item in run().stdout
