"""Workers in processes of their own, on a real broker and real databases, and what kills them."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import ROOT
from moderation.client import Client, JobHandle
from moderation.job import Attempt, JobState, Kind, PartState
from moderation.store import Jobs, Store
from moderation.testing.clips import BLACK, WHITE, Clip, solid
from moderation.verdict import Action, CoverageStatus
from tests.services.installation import Installation
from tests.services.redis_server import RedisServer
from tests.services.server import until

RED, GREEN, BLUE = solid(255, 0, 0), solid(0, 255, 0), solid(0, 0, 255)
CYAN = solid(0, 255, 255)

Film = Callable[..., Path]


@pytest.fixture
def film(tmp_path: Path) -> Film:
    """A clip of a second of each picture; another `number` is another file."""

    def write(*pictures: object, number: int = 0) -> Path:
        clip = Clip(64, 48, fps=5)
        for picture in pictures:
            clip.show(1 + number / 5, picture)  # type: ignore[arg-type]
        return clip.write(tmp_path / f"film-{number}-{len(list(tmp_path.glob('film*')))}.mp4")

    return write


@pytest.fixture
def installation(
    tmp_path: Path, database_url: str, redis_server: RedisServer
) -> Iterator[Installation]:
    """On either database."""
    made = Installation(tmp_path / "home", database_url, redis_server.url)
    yield made
    made.close()


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_server: RedisServer) -> Iterator[Installation]:
    """On PostgreSQL, as teams have it."""
    made = Installation(tmp_path / "home", postgres_url, redis_server.url)
    yield made
    made.close()


def attempts(installation: Installation, job: JobHandle, kind: Kind) -> tuple[Attempt, ...]:
    with Store.open(installation.settings.database_url) as store:
        (part,) = (each for each in job.refresh().job.parts if each.kind is kind)
        return Jobs(store).attempts(part.id)


def verdicts(installation: Installation) -> Counter[str]:
    with Store.open(installation.settings.database_url) as store:
        return Counter(scan.video.uri for scan in store.scans())


def held(installation: Installation, client: Client, path: Path) -> JobHandle:
    """A job in whose scan a worker hangs."""
    job = client.submit(path)
    until(lambda: installation.is_held, "a detector that hangs")
    return job


# As it should be


def test_a_submitted_video_gets_its_verdict(installation: Installation, film: Film) -> None:
    installation.worker()
    with installation.client() as client:
        job = client.submit(film(BLACK, WHITE), tag="upload:1").wait(60)
        assert (job.state, job.verdict.action) == (JobState.DONE, Action.REVIEW)
        assert {each.span.start.seconds for each in job.evidence} >= {1, 1.8}
        assert '"review"' in job.report("json")
    assert sum(verdicts(installation).values()) == 1


def test_known_bytes_are_judged_anew_without_a_look(fleet: Installation, film: Film) -> None:
    fleet.worker()
    with fleet.client() as client:
        path = film(WHITE)
        first = client.submit(path).wait(60)
        again = client.submit(path, policy="light").wait(60)
        assert again.id != first.id
        assert Kind.SCAN not in {part.kind for part in again.job.parts}
        assert again.evidence == first.evidence
        assert again.verdict.policy.name == "light"


def test_many_videos_on_two_workers_get_one_verdict_each(fleet: Installation, film: Film) -> None:
    paths = [film(BLACK, WHITE, number=n) for n in range(12)]
    with fleet.client() as client:
        jobs = client.submit_many([*paths, *paths])
        for _ in range(2):
            fleet.worker()
        states = [job.wait(60).state for job in jobs]
        assert states == [JobState.DONE] * 24
        assert set(verdicts(fleet).values()) == {1}
        owners = {each.owner for job in jobs for each in attempts(fleet, job, Kind.SCAN)}
        assert len(owners) == 2


def test_what_is_no_video_gets_a_verdict_for_a_person(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "noise.mp4").write_bytes(b"\0" * 5000)
    installation.worker()
    with installation.client() as client:
        job = client.submit(tmp_path / "noise.mp4").wait(60)
        assert (job.state, job.verdict.action) == (JobState.DONE, Action.INCOMPLETE)
        assert job.scan.failure is not None


def test_a_file_that_changed_since_is_not_judged(fleet: Installation, film: Film) -> None:
    with fleet.client() as client:
        path = film(WHITE)
        job = client.submit(path)
        path.write_bytes(film(BLACK, number=1).read_bytes())
        fleet.worker()
        assert job.wait(60).state is JobState.FAILED
        assert "source_changed" in job.job.error


def test_the_command_line_says_what_becomes_of_jobs(fleet: Installation, film: Film) -> None:
    path = film(BLACK, WHITE)
    fleet.worker()
    submitted = fleet.run("submit", str(path), "--wait")
    assert submitted.returncode == 0, submitted.stderr
    job_id = submitted.stdout.strip()
    status = fleet.run("status", job_id).stdout
    assert all(word in status for word in (job_id, "done", "review", "ingest", "scan", "decide"))
    assert "nothing failed for good" in fleet.run("dead").stderr
    assert fleet.run("status", "nonsense").returncode == 2


def test_the_example_of_the_readme_runs(fleet: Installation, film: Film) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    examples = re.findall(r"```python\n(from moderation import Client.*?)```", readme, re.DOTALL)
    (example,) = (each for each in examples if "Client()" in each)
    fleet.worker()
    done = subprocess.run(
        [sys.executable, "-c", example.replace("s3://uploads/a.mp4", str(film(WHITE)))],
        env=fleet.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "JobState.RUNNING" in done.stdout or "running" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_worker_for_a_lane_that_there_is_not_says_so(fleet: Installation) -> None:
    done = fleet.run("worker", "--lane", "gpo")
    assert done.returncode == 2
    assert "there is no lane gpo" in done.stderr


# Workers that die


def test_fault_001_a_pool_process_that_is_killed_costs_one_attempt(
    fleet: Installation, film: Film
) -> None:
    worker = fleet.worker()
    with fleet.client() as client:
        job = held(fleet, client, film(BLUE))
        for pid in worker.pool:
            os.kill(pid, signal.SIGKILL)
        assert job.wait(60).state is JobState.DONE
        assert [each.outcome for each in attempts(fleet, job, Kind.SCAN)] == ["lost", "done"]


def test_fault_002_another_worker_goes_on_where_one_was_killed(
    installation: Installation, film: Film
) -> None:
    victim = installation.worker()
    with installation.client() as client:
        job = held(installation, client, film(BLUE))
        victim.kill()
        installation.worker()
        assert job.wait(60).state is JobState.DONE
    assert sum(verdicts(installation).values()) == 1


def test_fault_003_a_video_that_kills_its_workers_ends_in_the_dead_letters(
    fleet: Installation, film: Film
) -> None:
    worker = fleet.worker()
    with fleet.client() as client:
        poison, harmless = client.submit(film(GREEN)), client.submit(film(WHITE, number=1))
        assert harmless.wait(60).verdict.action is Action.REVIEW
        assert poison.wait(60).verdict.action is Action.INCOMPLETE
        (seen,) = poison.scan.coverage
        assert (seen.status, "fell silent" in seen.reason) == (CoverageStatus.FAILED, True)
        assert len(attempts(fleet, poison, Kind.SCAN)) == 3
    assert worker.is_running, "no worker needs a hand"
    assert "fell silent" in fleet.run("dead", "show", poison.id).stdout


def test_a_detector_that_raises_costs_its_own_coverage(
    installation: Installation, film: Film
) -> None:
    installation.worker()
    with installation.client() as client:
        job = client.submit(film(RED)).wait(60)
        assert job.verdict.action is Action.INCOMPLETE
        assert "it is red" in job.scan.coverage[0].reason


def test_fault_004_a_poison_that_takes_the_whole_worker_along_is_tried_no_more_often(
    tmp_path: Path, postgres_url: str, redis_server: RedisServer, film: Film
) -> None:
    fleet = Installation(tmp_path / "home", postgres_url, redis_server.url, lease_s=3)
    try:
        with fleet.client() as client:
            poison = client.submit(film(CYAN))
            for number in range(3):
                worker = fleet.worker()
                until(lambda: not worker.is_running, f"death number {number}")  # noqa: B023
            fleet.worker()
            assert poison.wait(60).verdict.action is Action.INCOMPLETE
            innocent = client.submit(film(WHITE)).wait(60)
            assert innocent.verdict.action is Action.REVIEW
        outcomes = [each.outcome for each in attempts(fleet, poison, Kind.SCAN)]
        assert outcomes == ["lost"] * 3
    finally:
        fleet.close()


def test_fault_023_a_worker_that_is_told_to_stop_gives_its_part_back(
    fleet: Installation, film: Film
) -> None:
    worker = fleet.worker()
    with fleet.client() as client:
        job = held(fleet, client, film(BLUE))
        worker.stop()
        (given_back,) = attempts(fleet, job, Kind.SCAN)
        assert given_back.outcome == "released"
        fleet.worker()
        assert job.wait(60).state is JobState.DONE


def test_fault_025_a_worker_that_was_frozen_past_its_lease_changes_nothing(
    fleet: Installation, film: Film
) -> None:
    frozen = fleet.worker()
    with fleet.client() as client:
        job = held(fleet, client, film(BLUE))
        frozen.freeze()
        fleet.worker()
        assert job.wait(60).state is JobState.DONE
        first = job.scan.id
        fleet.let_go()
        frozen.thaw()
        until(lambda: "a lease was lost" in frozen.log or "given up" in frozen.log, "its end")
        assert job.refresh().scan.id == first
    assert sum(verdicts(fleet).values()) == 1


def test_fault_035_a_cancelled_job_stops_at_its_next_batch(fleet: Installation, film: Film) -> None:
    fleet.worker()
    with fleet.client() as client:
        job = held(fleet, client, film(BLUE, WHITE))
        assert job.cancel().state is JobState.CANCELLED
        fleet.let_go()
        following = client.submit(film(WHITE, number=1)).wait(60)
        assert following.state is JobState.DONE
        assert {part.state for part in job.refresh().job.parts[1:]} == {PartState.CANCELLED}


# A broker that dies


def test_fault_014_jobs_are_taken_while_the_broker_is_away(
    fleet: Installation, redis_server: RedisServer, film: Film
) -> None:
    redis_server.kill()
    with fleet.client() as client:
        job = client.submit(film(WHITE))
        redis_server.start()
        fleet.worker()
        assert job.wait(60).state is JobState.DONE


def test_fault_015_a_broker_that_forgets_everything_loses_no_job(
    fleet: Installation, redis_server: RedisServer, film: Film
) -> None:
    with fleet.client() as client:
        jobs = client.submit_many([film(WHITE, number=n) for n in range(5)])
        redis_server.client.flushall()
        fleet.worker()
        assert {job.wait(60).state for job in jobs} == {JobState.DONE}


def test_fault_011_a_broker_that_dies_during_a_scan_repeats_nothing(
    fleet: Installation, redis_server: RedisServer, film: Film
) -> None:
    fleet.worker()
    with fleet.client() as client:
        job = held(fleet, client, film(BLUE))
        redis_server.kill()
        fleet.let_go()
        until(lambda: job.refresh().job.parts[1].state is PartState.DONE, "the scan")
        redis_server.start()
        assert job.wait(60).state is JobState.DONE
        assert [each.outcome for each in attempts(fleet, job, Kind.SCAN)] == ["done"]


def test_fault_029_a_pickle_is_never_opened(
    fleet: Installation, redis_server: RedisServer, film: Film, tmp_path: Path
) -> None:
    worker, canary = fleet.worker(), tmp_path / "canary"
    pickled = f"cposix\nsystem\n(Vtouch {canary}\ntR.".encode()
    delivery = {"exchange": "", "routing_key": "control"}
    message = {
        "body": base64.b64encode(pickled).decode(),
        "content-encoding": "binary",
        "content-type": "application/x-python-serialize",
        "headers": {"task": "moderation.work", "id": "1", "lang": "py", "argsrepr": ""},
        "properties": {
            "body_encoding": "base64", "delivery_tag": "1", "delivery_info": delivery,
            "correlation_id": "1",
        },
    }  # fmt: skip
    redis_server.client.lpush("moderation:control", json.dumps(message))
    with fleet.client() as client:
        assert client.submit(film(WHITE)).wait(60).state is JobState.DONE
    assert worker.is_running
    assert not canary.exists()


@pytest.mark.parametrize("body", ["nonsense", "{}", '{"body": 1}'])
def test_fault_029_a_message_that_is_none_holds_up_nobody(
    fleet: Installation, redis_server: RedisServer, film: Film, body: str
) -> None:
    """The worker that got it may end of it; its supervisor starts it again."""
    redis_server.client.lpush("moderation:control", body)
    with fleet.client() as client:
        job = client.submit(film(WHITE))
        for _ in range(2):
            fleet.worker()
        assert job.wait(60).state is JobState.DONE
