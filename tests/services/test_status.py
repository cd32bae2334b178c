"""`moderation status`: what a person sees of jobs, lanes and workers, and a program."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from moderation.cli.jobs import jobs_table
from moderation.cli.lanes import deserted
from moderation.cli.status import status
from moderation.config import Settings
from moderation.job import Job, JobState, Submission
from moderation.lanes import CONTROL
from moderation.policy import Policy
from moderation.store import Jobs, Leases, Store
from moderation.store.workers import LaneLoad, Presence, Workers

COMMAND = (sys.executable, "-c", "from moderation.cli import main; main()", "status")

Submit = Callable[[str], Job]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODERATION_HOME", str(tmp_path))
    monkeypatch.setenv("MODERATION_PLUGINS", "workers")
    (tmp_path / "moderation.toml").write_text('[lanes]\ngpu = ["objects"]\ncpu = ["*"]\n')


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(Settings.read().database_url) as opened:
        yield opened


@pytest.fixture
def submit(store: Store) -> Submit:
    jobs = Jobs(store)
    digest = jobs.keep(Policy.read("default"))
    return lambda uri: jobs.submit([Submission(uri=uri, pin="", policy=digest)])[0]


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(status, arguments)
    assert done.exit_code == 0, done.output
    return done


def load(lane: str, waiting: int = 0, running: int = 0, workers: int = 0) -> LaneLoad:
    return LaneLoad(lane=lane, waiting=waiting, running=running, workers=workers)


# Once


def test_nothing_is_said_where_there_is_nothing() -> None:
    done = run()
    assert (done.stdout.strip(), done.stderr) == ("there are no jobs", "")


def test_jobs_are_listed_with_the_load_of_the_lanes(store: Store, submit: Submit) -> None:
    presence = Presence(name="one", host="node", lanes=(CONTROL, "cpu"), device="cpu")
    Workers(store).say(presence, silent_s=60)
    job = submit("s3://uploads/a.mp4")
    rows = [line.split() for line in run().stdout.splitlines()]
    assert [job.id, "queued"] in [row[:2] for row in rows]
    assert [CONTROL, "1", "0", "1"] in rows
    assert ["gpu", "0", "0", "0"] in rows


def test_a_lane_that_has_work_and_no_worker_is_loud(submit: Submit) -> None:
    submit("s3://uploads/a.mp4")
    start = "start one with `moderation worker --lane control`"
    assert run().stderr.strip() == f"lane control has no worker: 1 part waits; {start}"


@pytest.mark.parametrize(
    ("loads", "said"),
    [
        ([load("gpu", waiting=12)], ["12 parts wait"]),
        ([load("gpu", waiting=2, running=1)], ["2 parts wait and 1 part is held by nobody alive"]),
        ([load("gpu"), load("cpu", workers=1)], ["nothing waits yet"]),
        ([load("gpu"), load("cpu")], []),
        ([load("gpu", waiting=12, workers=1)], []),
    ],
)
def test_a_lane_is_deserted_that_has_work_or_workers_beside_it(
    loads: list[LaneLoad], said: list[str]
) -> None:
    start = "start one with `moderation worker --lane gpu`"
    assert list(deserted(loads)) == [f"lane gpu has no worker: {each}; {start}" for each in said]


def test_one_job_is_shown_with_its_parts(store: Store, submit: Submit) -> None:
    job = submit("s3://uploads/a.mp4?versionId=7")
    leases = Leases(store)
    lease = leases.claim(CONTROL, "one")
    assert lease is not None
    leases.plan(lease, {}, ["cpu", "gpu"])
    lease = leases.claim("cpu", "one")
    assert lease is not None
    leases.renew(lease, 0.5)
    shown = run(job.id).stdout
    assert "s3://uploads/a.mp4?versionId=7" in shown
    assert all(word in shown for word in ("ingest", "scan", "50%", "25%"))


def test_programs_read_json(submit: Submit) -> None:
    job = submit("s3://uploads/a.mp4")
    document = json.loads(run("--json").stdout)
    assert [(each["id"], each["progress"]) for each in document["jobs"]] == [(job.id, 0)]
    assert [each["lane"] for each in document["lanes"]] == [CONTROL, "cpu", "gpu"]
    assert document["workers"] == []


@pytest.mark.parametrize("state", JobState)
def test_a_row_is_one_line_of_80_columns(state: JobState) -> None:
    uri = (
        "s3://uploads-of-the-community/2026/11/21/user-5/holiday video 影片.mp4?versionId=Zx8kQ0aB"
    )
    job = Job(
        id="0" * 16, uri=uri, pin="", policy="", priority=5, tag="", state=state,
        submitted_at=datetime.now(UTC),
    )  # fmt: skip
    console = Console(width=80, file=io.StringIO(), force_terminal=True, no_color=True)
    with console.capture() as captured:
        console.print(jobs_table([job, job], console.width))
    _, *rows = captured.get().splitlines()
    assert len(rows) == 2
    assert all(row.rstrip().endswith("holiday video 影片.mp4") for row in rows)


# Watched


def test_a_pipe_gets_a_line_for_each_change_until_the_end(store: Store, submit: Submit) -> None:
    job = submit("s3://uploads/a.mp4")
    with subprocess.Popen([*COMMAND, job.id, "--watch"], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == f"{job.id} queued 0% s3://uploads/a.mp4\n"
        Jobs(store).cancel(job.id)
        assert run.stdout.read() == f"{job.id} cancelled 100% s3://uploads/a.mp4\n"
        assert run.wait(60) == 0


def test_a_terminal_is_refreshed_until_ctrl_c(submit: Submit) -> None:
    job = submit("s3://uploads/a.mp4")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
    with subprocess.Popen(
        [*COMMAND, "--watch"], stdout=theirs, stderr=theirs, env=environment
    ) as run:
        os.close(theirs)
        seen = b""
        while seen.count(job.id.encode()) < 2:  # shown, and shown again in its place
            seen += os.read(ours, 4096)
        run.send_signal(signal.SIGINT)
        while b"interrupted" not in seen:
            seen += os.read(ours, 4096)
        assert run.wait(60) == 130
    os.close(ours)
    assert b"\x1b[?25h" in seen, "the cursor is back"
    assert b"Traceback" not in seen


def test_to_watch_is_for_people() -> None:
    done = CliRunner().invoke(status, ["--watch", "--json"])
    assert (done.exit_code, "leave out --json" in done.output) == (2, True)
