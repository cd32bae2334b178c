"""Workers say that they are there, and are gone when they end or fall silent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moderation.job import Submission
from moderation.lanes import CONTROL
from moderation.policy import Policy
from moderation.store import Jobs, Leases, Store
from moderation.store.workers import LaneLoad, Presence, Workers
from tests.services.installation import Installation
from tests.services.redis_server import RedisServer
from tests.services.server import until

NODE = Presence(name="gpu-1@node", host="node", lanes=(CONTROL, "gpu"), device="cuda:0")
OTHER = Presence(name="cpu-1@node", host="node", lanes=(CONTROL, "cpu"), device="cpu")

Submit = Callable[..., None]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store.open(database_url) as opened:
        yield opened


@pytest.fixture
def workers(store: Store) -> Workers:
    return Workers(store)


@pytest.fixture
def submit(store: Store) -> Submit:
    jobs = Jobs(store)
    digest = jobs.keep(Policy.read("default"))

    def submit(*names: str) -> None:
        jobs.submit([Submission(uri=f"s3://b/{name}", pin="", policy=digest) for name in names])

    return submit


def test_who_says_so_is_there(workers: Workers) -> None:
    workers.say(NODE, silent_s=60)
    (seen,) = workers.alive()
    assert (seen.name, seen.host, seen.lanes, seen.device) == (
        "gpu-1@node", "node", (CONTROL, "gpu"), "cuda:0",
    )  # fmt: skip
    assert seen.began == seen.seen


def test_saying_it_again_keeps_the_beginning(workers: Workers) -> None:
    workers.say(NODE, silent_s=60)
    (first,) = workers.alive()
    workers.say(NODE, silent_s=60)
    (again,) = workers.alive()
    assert (again.began, again.seen >= first.seen) == (first.began, True)


def test_who_ends_is_gone_without_a_trace(workers: Workers) -> None:
    workers.say(NODE, silent_s=60)
    workers.say(OTHER, silent_s=60)
    workers.forget(NODE.name)
    assert ([each.name for each in workers.alive()], workers.silent()) == ([OTHER.name], [])


def test_who_falls_silent_is_gone_and_named(workers: Workers) -> None:
    workers.say(NODE, silent_s=0)
    assert workers.alive() == []
    assert [each.name for each in workers.silent()] == [NODE.name]


def test_who_wakes_up_is_there_again(workers: Workers) -> None:
    workers.say(NODE, silent_s=0)
    workers.say(NODE, silent_s=60)
    assert ([each.name for each in workers.alive()], workers.silent()) == ([NODE.name], [])


def test_who_is_silent_for_long_is_forgotten(workers: Workers) -> None:
    workers.say(NODE, silent_s=-3601)
    workers.say(OTHER, silent_s=60)
    assert workers.silent() == []


def test_what_a_worker_runs_is_known(submit: Submit, store: Store, workers: Workers) -> None:
    submit("a")
    workers.say(NODE, silent_s=60)
    lease = Leases(store).claim(CONTROL, NODE.name)
    assert lease is not None
    assert [each.jobs for each in workers.alive()] == [(lease.job_id,)]


def test_the_memory_of_a_gpu_is_known_until_the_worker_ends(workers: Workers) -> None:
    workers.say(NODE, silent_s=60)
    workers.say_memory(NODE.name, used=3 << 30, total=80 << 30)
    workers.say(NODE, silent_s=60)
    assert [(each.gpu_used, each.gpu_total) for each in workers.alive()] == [(3 << 30, 80 << 30)]


def test_lanes_are_told_with_their_load_and_workers(
    submit: Submit, store: Store, workers: Workers
) -> None:
    submit("a", "b", "c")
    assert Leases(store).claim(CONTROL, NODE.name)
    workers.say(NODE, silent_s=60)
    workers.say(OTHER, silent_s=0)
    assert workers.loads(["gpu", "cpu"]) == [
        LaneLoad(lane=CONTROL, waiting=2, running=1, workers=1),
        LaneLoad(lane="cpu", waiting=0, running=0, workers=0),
        LaneLoad(lane="gpu", waiting=0, running=0, workers=1),
    ]


# Real ones


def test_workers_are_there_until_they_end_or_are_killed(
    tmp_path: Path, postgres_url: str, redis_server: RedisServer
) -> None:
    fleet = Installation(tmp_path / "home", postgres_url, redis_server.url)
    try:
        ending, dying = fleet.worker("--lane", "cpu"), fleet.worker()
        with Store.open(postgres_url) as store:
            workers = Workers(store)
            assert [each.lanes for each in workers.alive()] == [(CONTROL, "cpu")] * 2
            assert ending.stop() == 0
            (left,) = workers.alive()
            assert workers.silent() == []
            dying.kill()
            until(lambda: not workers.alive(), "the end of what a dead worker said")
            assert [each.name for each in workers.silent()] == [left.name]
    finally:
        fleet.close()


def test_celerys_own_tools_find_a_worker_from_any_folder(
    tmp_path: Path, postgres_url: str, redis_server: RedisServer
) -> None:
    """`moderation_workers.app` is all that Flower has to know."""
    fleet = Installation(tmp_path / "home", postgres_url, redis_server.url)
    try:
        fleet.worker()
        with Store.open(postgres_url) as store:
            (worker,) = Workers(store).alive()
        for command in (["inspect", "ping"], ["control", "enable_events"]):
            answer = celery(fleet, tmp_path, *command, "--destination", worker.name)
            assert (answer.returncode, worker.name in answer.stdout) == (0, True), answer.stderr
    finally:
        fleet.close()


def celery(fleet: Installation, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "celery", "-A", "moderation_workers.app", *command, "--timeout=60"],
        env=fleet.environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
