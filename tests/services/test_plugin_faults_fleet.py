"""What plugins and devices do to the processes of a fleet, by the rows of the catalogue of faults.

What costs no process is in `test_plugin_faults.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moderation.client import Client, JobHandle
from moderation.job import JobState, Kind, PartState
from moderation.store import Jobs, Store
from moderation.testing.clips import BLACK, WHITE, Clip, solid
from moderation.verdict import Action, CoverageStatus
from tests.services.installation import Installation
from tests.services.redis_server import RedisServer
from tests.services.server import until

_PLUGIN = '''
"""Looks at white; what else a frame shows tells it what to do, another thing at each try."""

import ctypes, os, time
from pathlib import Path
from moderation import Detector, Frames, hookimpl


class OutOfMemoryError(RuntimeError):
    """As torch has it."""


def leave():
    os._exit(0)


def crash():
    ctypes.string_at(0)


def hold_the_lock():
    ctypes.PyDLL(None).sleep(600)


def sleep():
    time.sleep(600)


def lose_the_device():
    if "FRAGILE_DEVICE" in os.environ:
        (Path(os.environ["MODERATION_HOME"]) / "gone").touch()
    raise RuntimeError("CUDA error: unspecified launch failure")


def leak(kept=[]):
    kept.append(b"x" * (700 << 20))


DEEDS = {
    "red": [leave, crash],
    "green": [hold_the_lock, sleep],
    "blue": [lose_the_device],
    "yellow": [leak],
}
COLOURS = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 0): "yellow"}


class Colours(Detector):
    name = "colours"
    wants = Frames(per_second=4, batch=8)
    labels = {"white": "Violence/Weapons/Firearm"}

    def detect(self, batches):
        for batch in batches:
            colour = self.colour_of(batch[0])
            if colour:
                self.do_next(colour)
            elif len(batch) > 2 and os.environ.get("SMALL_DEVICE"):
                raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            for frame in batch:
                if frame.image.min() > 200:
                    yield self.evidence("white", 0.9, frame.span)
                    time.sleep(float(os.environ.get("SLOW_S", "0")))

    @staticmethod
    def colour_of(frame):
        return COLOURS.get(tuple(each > 200 for each in frame.image.mean(axis=(0, 1)).tolist()))

    @staticmethod
    def do_next(colour):
        done = Path(os.environ["MODERATION_HOME"]) / colour
        count = len(done.read_text()) if done.exists() else 0
        done.write_text("x" * (count + 1))
        if count < len(DEEDS[colour]):
            DEEDS[colour][count]()


@hookimpl
def register_detectors(register):
    register(Colours)
'''

_TORCH = '''
"""Answers as torch does on a machine with one GPU, until that is gone."""

import os
from pathlib import Path
from types import SimpleNamespace

there = not (Path(os.environ["MODERATION_HOME"]) / "gone").exists()
cuda = SimpleNamespace(
    is_available=lambda: there,
    is_initialized=lambda: False,
    device_count=lambda: int(there),
    get_device_properties=lambda _: SimpleNamespace(name="H100", uuid="one"),
)
backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False))
tensor = SimpleNamespace(add_=lambda _: SimpleNamespace(item=lambda: 1))
zeros = lambda _, device: tensor
'''

Make = Callable[..., Installation]
Film = Callable[..., Path]


@pytest.fixture
def film(tmp_path: Path) -> Film:
    def write(*pictures: object, seconds: float = 1) -> Path:
        clip = Clip(64, 48, fps=8)
        for picture in pictures:
            clip.show(seconds, picture)  # type: ignore[arg-type]
        return clip.write(tmp_path / f"film-{len(list(tmp_path.glob('film*')))}.mp4")

    return write


@pytest.fixture
def make(tmp_path: Path, postgres_url: str, redis_server: RedisServer) -> Iterator[Make]:
    """An installation with the plugin above."""
    made: list[Installation] = []

    def installed(**jobs: float) -> Installation:
        home, broker = tmp_path / "home", redis_server.url
        installation = Installation(home, postgres_url, broker, s3=None, **jobs)
        (tmp_path / "home" / "plugin" / "trivial.py").write_text(_PLUGIN)
        made.append(installation)
        return installation

    yield installed
    for each in made:
        each.close()


def outcomes(fleet: Installation, job: JobHandle, kind: Kind = Kind.SCAN) -> list[str]:
    with Store.open(fleet.settings.database_url) as store:
        (part,) = (each for each in job.refresh().job.parts if each.kind is kind)
        return [each.outcome for each in Jobs(store).attempts(part.id)]


def reviewed(client: Client, path: Path) -> JobHandle:
    job = client.submit(path).wait(90)
    assert (job.state, job.verdict.action) == (JobState.DONE, Action.REVIEW)
    return job


def test_fault_075_a_plugin_that_ends_its_process_has_not_succeeded(make: Make, film: Film) -> None:
    """With exit code 0 at the first try and by a crash at the second."""
    fleet = make(lease_s=3)
    worker = fleet.worker()
    with fleet.client() as client:
        job = reviewed(client, film(solid(255, 0, 0), WHITE))
        assert outcomes(fleet, job) == ["lost", "lost", "done"]
        assert worker.is_running
    assert "Segmentation fault" in worker.log
    assert "in crash" in worker.log, "it says where"


def test_fault_007_what_was_seen_before_time_was_up_is_kept(
    make: Make, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the last try; a video that nobody has seen whole is not approved."""
    monkeypatch.setenv("SLOW_S", "0.5")
    fleet = make(time_limit_s=3, attempts=2)
    fleet.worker()
    with fleet.client() as client:
        job = reviewed(client, film(*[WHITE, BLACK] * 40, seconds=0.25))
        assert outcomes(fleet, job) == ["failed", "done"]
        (seen,) = job.scan.coverage
        assert job.verdict.missing
    assert job.evidence
    assert (seen.status, seen.share < 1) == (CoverageStatus.PARTIAL, True)
    assert seen.reason == "the part takes longer than jobs.time_limit_s"


def test_fault_008_074_a_plugin_that_never_answers_ends_with_its_process(
    make: Make, film: Film
) -> None:
    """It keeps Python's lock at the first try, and sleeps at the second."""
    fleet = make(lease_s=3, time_limit_s=2, grace_s=1)
    worker = fleet.worker()
    before = worker.pool
    with fleet.client() as client:
        job = reviewed(client, film(solid(0, 255, 0), WHITE))
        assert outcomes(fleet, job)[-1] == "done"
        assert set(outcomes(fleet, job)[:-1]) <= {"lost", "failed"}
        assert len(outcomes(fleet, job)) == 3
    assert worker.is_running
    assert not set(before) & set(worker.pool)


def test_fault_006_a_process_that_has_grown_is_replaced_and_no_job_notices(
    make: Make, film: Film
) -> None:
    fleet = make(max_memory_mb=600)
    worker = fleet.worker()
    before = worker.pool
    with fleet.client() as client:
        for first in (solid(255, 255, 0), BLACK):
            assert outcomes(fleet, reviewed(client, film(first, WHITE))) == ["done"]
    assert not set(before) & set(worker.pool)


def test_fault_080_a_device_that_is_too_small_for_a_batch_costs_no_attempt(
    make: Make, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALL_DEVICE", "1")
    fleet = make()
    fleet.worker()
    with fleet.client() as client:
        job = reviewed(client, film(*[WHITE, BLACK] * 4, seconds=0.25))
        assert outcomes(fleet, job) == ["done"]
        (seen,) = job.scan.coverage
    assert (seen.status, seen.share) == (CoverageStatus.COMPLETE, 1.0)
    assert seen.reason == "batch halved to 2: out of memory"


def test_fault_081_a_lost_device_gives_the_part_back_and_gets_a_fresh_process(
    make: Make, film: Film
) -> None:
    fleet = make()
    worker = fleet.worker()
    before = worker.pool
    with fleet.client() as client:
        job = reviewed(client, film(solid(0, 0, 255), WHITE))
        assert outcomes(fleet, job) == ["failed", "done"]
    assert not set(before) & set(worker.pool)


def test_fault_081_a_worker_whose_device_does_not_come_back_ends(
    make: Make, film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor starts it again, and it refuses to start until the device is there."""
    monkeypatch.setenv("FRAGILE_DEVICE", "1")
    fleet = make()
    (tmp_path / "home" / "plugin" / "torch.py").write_text(_TORCH)
    worker = fleet.worker("--device", "cuda:0")
    with fleet.client() as client:
        job = client.submit(film(solid(0, 0, 255), WHITE))
        until(lambda: not worker.is_running, "the worker's end")
        assert "cuda:0 was asked for" in worker.log
        assert worker.stop() != 0, "so that a supervisor that asks for the reason starts it again"
        assert outcomes(fleet, job) == ["failed"]
        assert PartState.QUEUED in {part.state for part in job.refresh().job.parts}
