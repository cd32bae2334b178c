"""Processes that are kept running, and that never outlive who keeps them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from moderation_workers import supervisor
from moderation_workers.supervisor import ProcessGroup, Supervised

STUBBORN = ("sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.05; done")


@pytest.fixture
def group() -> Iterator[ProcessGroup]:
    with ProcessGroup() as made:
        yield made


def wait_for(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen within 60 s")
        time.sleep(0.005)


def test_what_ended_is_told_with_its_last_words(group: ProcessGroup, tmp_path: Path) -> None:
    words = ("sh", "-c", "echo so it began; echo and so it ended >&2; exit 3")
    kept = Supervised("the worker", group, words, tmp_path / "log")
    wait_for(lambda: not kept.runs)
    told = kept.look_after()
    assert told == (
        "the worker ended (exit code 3: and so it ended): it starts again in 1 s, "
        f"and its log is {tmp_path / 'log'}"
    )
    assert kept.look_after() == ""


def test_what_ends_at_once_is_started_ever_less_often(
    group: ProcessGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_FIRST_PAUSE_S", 0.01)
    kept = Supervised("it", group, ("sh", "-c", "echo once"), tmp_path / "log")
    pauses: list[str] = []

    def thrice() -> bool:
        told = kept.look_after()
        pauses.extend([told.partition("again in ")[2].partition(",")[0]] if told else [])
        return len(pauses) == 3

    wait_for(thrice)
    assert pauses == ["0.01 s", "0.02 s", "0.04 s"]
    assert (tmp_path / "log").read_text() == "once\n" * 3


def test_what_does_not_end_in_time_is_said(group: ProcessGroup, tmp_path: Path) -> None:
    kept = Supervised("it", group, STUBBORN, tmp_path / "log")
    wait_for((tmp_path / "log").read_text)
    assert not kept.stop(within_s=0.05)
    assert kept.runs


def test_the_end_of_the_group_is_the_end_of_all_in_it(tmp_path: Path) -> None:
    with ProcessGroup() as group:
        (group.folder / "socket").touch()
        child = group.spawn(STUBBORN, tmp_path / "log")
        wait_for((tmp_path / "log").read_text)
        below = psutil.Process(child.pid).children(recursive=True)
    assert child.wait(60) == -9
    wait_for(lambda: not any(each.is_running() for each in below))
    assert not group.folder.exists()
