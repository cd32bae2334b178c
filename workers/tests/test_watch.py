"""`moderation watch`: what it refuses before it reads or listens."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from moderation_workers.watch import watch

from moderation.errors import ConfigurationError, PolicyError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--queue-url", "http://127.0.0.1:9/q", "--webhook", "127.0.0.1:0"],
        ["--webhook", "127.0.0.1"],
        ["--webhook", ":80"],
        ["--webhook", "127.0.0.1:99999"],
        ["--webhook", "127.0.0.1:0", "--min-bytes", "2", "--max-bytes", "1"],
        ["--queue-url", "q", "--region", "eu-central-1", "--endpoint", "nonsense"],
        ["--folder", ".", "--suffix", ".mp4"],
        ["--folder", ".", "--policy", "in/=default"],
    ],
)
def test_a_command_line_that_does_not_hold_is_refused(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        watch.main(arguments, standalone_mode=False)


def test_a_policy_that_there_is_not_is_refused() -> None:
    with pytest.raises(PolicyError):
        watch.main(["--webhook", "127.0.0.1:0", "--policy", "in/=nonsense"], standalone_mode=False)


def test_a_folder_that_our_results_lie_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="would be taken for videos"):
        watch.main(["--folder", str(tmp_path)], standalone_mode=False)


def test_an_empty_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    given = ["--webhook", "127.0.0.1:0", "--token-file", str(tmp_path / "token")]
    with pytest.raises(click.UsageError, match="is empty"):
        watch.main(given, standalone_mode=False)


def test_without_a_token_it_listens_to_no_other_machine() -> None:
    with pytest.raises(ConfigurationError, match="needs a token"):
        watch.main(["--webhook", "0.0.0.0:0"], standalone_mode=False)
