"""What plugins print is logged, and cut."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from moderation_workers.prints import Prints, logged
from structlog.testing import capture_logs
from structlog.typing import EventDict


@pytest.fixture
def entries() -> Iterator[list[EventDict]]:
    with capture_logs() as captured:
        yield captured


def texts(entries: list[EventDict]) -> list[str]:
    return [each["text"] for each in entries if each["event"] == "printed"]


def test_fault_076_what_is_printed_is_logged_line_by_line(entries: list[EventDict]) -> None:
    with logged():
        sys.stdout.write("one\ntwo")
        sys.stdout.write(" and a half\n\n")
        sys.stderr.write("three")
    assert texts(entries) == ["one", "two and a half", "three"]


def test_fault_076_a_flood_is_cut_and_counted(entries: list[EventDict]) -> None:
    with logged():
        for number in range(5_000):
            sys.stdout.write(f"{number}\n")
    assert texts(entries) == [str(number) for number in range(100)]
    assert entries[-1] == {
        "event": "more was printed than is logged",
        "lines": 4_900,
        "log_level": "warning",
    }


def test_fault_076_a_line_without_an_end_is_cut(entries: list[EventDict]) -> None:
    stream = Prints()
    for _ in range(1_000):
        stream.write("x" * 10_000)
    assert len(stream._line) < 1_000
    stream.end()
    (only,) = entries
    assert (len(only["text"]), only["cut"]) == (500, True)


def test_a_progress_bar_is_lines(entries: list[EventDict]) -> None:
    with logged():
        sys.stderr.write("\r 10 %\r 20 %")
    assert texts(entries) == [" 10 %", " 20 %"]


def test_each_part_begins_to_count_anew(entries: list[EventDict]) -> None:
    for _ in range(2):
        with logged():
            sys.stdout.write("x\n" * 101)
    assert len(texts(entries)) == 200


def test_after_a_part_streams_are_as_before(entries: list[EventDict]) -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(SystemExit), logged():
        raise SystemExit
    assert (sys.stdout, sys.stderr) == before
    assert entries == []


def test_fault_076_a_secret_that_is_printed_is_not_logged() -> None:
    code = (
        "from moderation import logs; from moderation.config import Settings;"
        "from moderation_workers import prints;"
        "logs.set_up(20, Settings.read())\n"
        "with prints.logged(): print('redis://user:hunter2@host/0')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "hunter2" not in done.stdout + done.stderr
    assert "user:***@host" in done.stderr
