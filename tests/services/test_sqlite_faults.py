"""SQLite whose writers die, that is locked, or whose disk is full: nothing acknowledged is lost.

Named after the rows of the fault catalogue.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from moderation.errors import OutOfSpace, StoreBusy
from moderation.job import JobState, Lease
from moderation.lanes import CONTROL
from moderation.store import Jobs, Leases, Store
from tests.services.job_flow import LANES, drain, end, submit, work, wrong
from tests.services.victims import Victims

WRITER_KILLS = 20
ATTEMPTS = 20
"""Of a part among kills that come as fast as they can: none may run out of them."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "moderation.db"


def taken(leases: Leases, lane: str = CONTROL) -> Lease:
    lease = leases.claim(lane, "one")
    assert lease is not None
    return lease


def test_fault_111_a_sqlite_writer_killed_at_any_moment_loses_nothing_it_acknowledged(
    file: Path,
) -> None:
    url = f"sqlite:///{file}"
    chance, submitted = random.Random(1), set[str]()
    with Victims() as victims, Store.open(url) as store:
        jobs = Jobs(store)
        for number in range(WRITER_KILLS):
            said = killed(victims.start(url, "endless", f"{number}"), chance)
            submitted |= said["submitted"]
            assert {jobs.get(each).state for each in said["done"]} == {JobState.DONE}
            assert integrity(file) == "ok"
        drain(Jobs(store), Leases(store, lease_s=60, attempts=ATTEMPTS), "survivor")
        assert len(submitted) >= WRITER_KILLS
        assert [wrong(store, each, ATTEMPTS) for each in submitted] == [[] for _ in submitted]


def killed(lines: Iterator[str], chance: random.Random) -> dict[str, set[str]]:
    """What a victim said that was killed some time after its first job was done."""
    said: dict[str, set[str]] = {"submitted": set(), "done": set()}
    for line in lines:
        words = json.loads(line)
        if "point" in words:
            break
        first = not said["done"]
        for what in said.keys() & words.keys():
            said[what].add(words[what])
        if first and said["done"]:
            time.sleep(chance.uniform(0, 0.05))  # so that any moment may be the last
            os.kill(words["pid"], signal.SIGKILL)
    return said


def test_fault_112_a_file_that_another_writes_is_busy_after_the_timeout(file: Path) -> None:
    with Store.open(f"sqlite:///{file}", busy_timeout=0.1) as store:
        jobs, leases = Jobs(store), Leases(store)
        submit(jobs, "a")
        lease = taken(leases)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            for act in (
                lambda: submit(jobs, "b"),
                lambda: leases.claim(CONTROL, "two"),
                lambda: leases.renew(lease),
                leases.reap,
                lambda: end(leases, lease),
            ):
                with pytest.raises(StoreBusy, match="locked by another process"):
                    act()
            assert len(jobs.find()) == 1, "who reads does not wait"
            other.execute("ROLLBACK")
        end(leases, lease)
        assert submit(jobs, "b")


def test_fault_112_a_file_that_another_writes_is_waited_for(file: Path) -> None:
    with (
        Store.open(f"sqlite:///{file}", busy_timeout=30) as store,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        other.execute("BEGIN EXCLUSIVE")
        submitted = pool.submit(submit, Jobs(store), "a")
        assert not submitted.done()
        other.execute("ROLLBACK")
        assert len(submitted.result()) == 1


def test_fault_113_a_full_disk_refuses_and_loses_nothing(file: Path) -> None:
    with Store.open(f"sqlite:///{file}") as store:
        jobs, leases, pages = Jobs(store), Leases(store), [0]

        @event.listens_for(store.engine, "checkout")
        def limit(connection: sqlite3.Connection, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages[0]}")

        pages[0] = 1 << 30
        (job,) = submit(jobs, "a")
        work(leases, CONTROL, "one")
        lease = taken(leases, LANES[0])
        pages[0] = 1
        with pytest.raises(OutOfSpace, match="make room"):
            submit(jobs, *(f"{n}" for n in range(500)))
        with pytest.raises(OutOfSpace, match="make room"):
            leases.seen(lease, ["x" * 1000] * 1000)
        assert integrity(file) == "ok"
        assert [each.id for each in jobs.find()] == [job.id]
        pages[0] = 1 << 30
        end(leases, lease)
        drain(jobs, leases, "one")
        assert not wrong(store, job.id, 1)


def test_fault_113_a_disk_that_fails_is_named_and_nothing_acknowledged_is_lost(file: Path) -> None:
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-o", os.devnull, "true"], check=False).returncode:
        pytest.skip("no strace that may trace, which makes the disk fail")
    code = f"""
        import sys
        from moderation.errors import StoreError
        from moderation.store import Jobs, Store
        from tests.services.job_flow import submit
        try:
            with Store.open("sqlite:///{file}") as store:
                for number in range(1000):
                    print(submit(Jobs(store), str(number))[0].id, flush=True)
        except StoreError as error:
            sys.exit(str(error))
    """
    fail = ["-f", "-o", os.devnull, "-e", "trace=fdatasync,fsync"]
    fail += ["-e", "inject=fdatasync,fsync:error=EIO:when=30+", "--seccomp-bpf"]
    with Store.open(f"sqlite:///{file}"):
        pass
    done = subprocess.run(
        [strace, *fail, sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"the disk of the database {file} fails (disk I/O error)")
    acknowledged = done.stdout.split()
    assert acknowledged
    with Store.open(f"sqlite:///{file}") as store:
        assert {job.id for job in Jobs(store).find(limit=None)} >= set(acknowledged)
    assert integrity(file) == "ok"


def integrity(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def test_whose_turn_it_is_stands_in_an_index(file: Path) -> None:
    """However many wait, nothing is sorted for a claim."""
    plans: list[str] = []
    with Store.open(f"sqlite:///{file}") as store:
        submit(Jobs(store), *(f"{n}" for n in range(100)))

        @event.listens_for(store.engine, "before_cursor_execute")
        def explain(_: Any, cursor: sqlite3.Cursor, statement: str, given: Any, *__: Any) -> None:
            if statement.startswith("UPDATE part") and not plans:
                cursor.execute(f"EXPLAIN QUERY PLAN {statement}", given)
                plans.extend(row[-1] for row in cursor.fetchall())

        taken(Leases(store))
    assert "SEARCH part USING INDEX ix_part_next (lane=? AND state=?)" in plans
    assert not any("TEMP B-TREE" in each for each in plans)
