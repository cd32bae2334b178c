"""Poison: videos that break what looks at them cost themselves, and nobody else anything.

One worker, which nobody helps, is given all of them between two innocent ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from moderation.client import JobHandle
from moderation.job import JobState, Kind, PartState
from moderation.store import Jobs, Store
from moderation.testing.clips import Clip, solid
from moderation.verdict import Action, CoverageStatus
from tests.services.installation import Installation, Worker, is_over
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer
from tests.services.server import until

PATIENCE_S: Final = 240
ATTEMPTS: Final = 2
LENGTH_S: Final = 30
"""Of the shortest video; no two are alike."""

_PLUGIN: Final = '''
"""A detector that does to itself, or to the decoder beside it, what the video's colour says."""

import contextlib, os, resource, signal, time
import psutil
from moderation import Detector, Frames, hookimpl

RED, GREEN, BLUE = 4, 2, 1


class Colours(Detector):
    name = "colours"
    wants = Frames(per_second=1, batch=1, unchanged="tell")
    labels = {"white": "Violence/Weapons/Firearm"}

    def load(self, device):
        pass

    def detect(self, batches):
        for batch in batches:
            for frame in batch:
                red, green, blue = (each > 120 for each in frame.image.mean(axis=(0, 1)))
                colour = RED * red + GREEN * green + BLUE * blue
                self.suffer(colour)
                if colour == RED + GREEN + BLUE:
                    yield self.evidence("white", 0.9, frame.span)

    def suffer(self, colour):
        if colour == RED:
            raise RuntimeError("it is red")
        if colour == GREEN:
            strike_decoder(signal.SIGSEGV)
        if colour == BLUE:
            strike_decoder(signal.SIGSTOP)
        if colour == RED + GREEN:
            time.sleep(3600)
        if colour == RED + BLUE:
            eat()
        if colour == GREEN + BLUE:
            os.kill(os.getpid(), signal.SIGKILL)


def strike_decoder(number):
    for each in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # nor a zombie: it is dead already
            if "moderation.media.worker" in each.cmdline():
                each.send_signal(number)


def eat():
    """All that there is; a limit stands in for the machine's end."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), before[1]))
    try:
        eaten = [bytearray(8 << 20) for _ in range(1000)]
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@hookimpl
def register_detectors(register):
    register(Colours)
'''


class Poisoned(Installation):
    """With that plugin, and little patience."""

    @property
    def environment(self) -> dict[str, str]:
        impatient = {"MODERATION_MEDIA__DECODER_STALL_S": "4", "MODERATION_DETECTOR_STALL": "4"}
        return {**super().environment, **impatient}

    def _write_plugin(self) -> None:
        super()._write_plugin()
        (self._folder / "plugin" / "trivial.py").write_text(_PLUGIN)


VIDEOS: Final = {
    "innocent": (255, 255, 255),
    "raises": (255, 0, 0),
    "kills its decoder": (0, 255, 0),
    "hangs its decoder": (0, 0, 255),
    "eats memory": (255, 0, 255),
    "kills the worker's process": (0, 255, 255),
    "hangs the detector": (255, 255, 0),
    "innocent as well": (255, 255, 255),
}


HELD: Final = ("kills its decoder", "hangs its decoder")
"""Whose decoder must still be there when the first frame is looked at."""

SMALL, LARGE = (64, 48), (1280, 720)
"""Pixels. Of large frames few fit between the decoder and who looks: it has to wait for them."""


class Aftermath:
    """What became of all of them, by name."""

    def __init__(self, installation: Installation, worker: Worker, jobs: dict[str, JobHandle]):
        self.installation, self.worker, self.jobs = installation, worker, jobs

    def reason(self, name: str) -> str:
        """Why nobody saw it whole."""
        job = self.jobs[name]
        assert (job.state, job.verdict.action) == (JobState.DONE, Action.INCOMPLETE)
        (seen,) = job.scan.coverage
        assert seen.status is not CoverageStatus.COMPLETE
        return seen.reason

    def outcomes(self, name: str) -> list[str]:
        """Of the attempts at its scan."""
        with Store.open(self.installation.settings.database_url) as store:
            (part,) = (each for each in self.jobs[name].job.parts if each.kind is Kind.SCAN)
            return [each.outcome for each in Jobs(store).attempts(part.id)]


@pytest.fixture(scope="module")
def aftermath(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    redis_server_session: RedisServer,
) -> Iterator[Aftermath]:
    redis_server_session.reset()
    folder = tmp_path_factory.mktemp("poison")
    database = postgres_server.create_database()
    installation = Poisoned(folder / "home", database, redis_server_session.url, attempts=ATTEMPTS)
    films = {
        name: film(
            folder / f"{name}.mp4", LENGTH_S + number, colour, LARGE if name in HELD else SMALL
        )
        for number, (name, colour) in enumerate(VIDEOS.items())
    }
    try:
        with installation.client() as client:
            jobs = {name: client.submit(path) for name, path in films.items()}
            worker = installation.worker()
            for job in jobs.values():
                job.wait(PATIENCE_S)
            until(lambda: is_over(jobs.values()), "the end of all parts")
            yield Aftermath(installation, worker, jobs)
    finally:
        installation.close()
        postgres_server.drop_database(database)


def film(path: Path, seconds: int, colour: tuple[int, int, int], size: tuple[int, int]) -> Path:
    """In which the colour never stays: every frame is looked at."""

    def blinking(at: float) -> Any:
        shade = 1 - 0.3 * (int(at) % 2)
        return solid(*(round(each * shade) for each in colour))

    return Clip(*size, fps=5).show(seconds, blinking).write(path)


def test_who_is_innocent_is_judged_as_if_nobody_else_was_there(aftermath: Aftermath) -> None:
    for name in ("innocent", "innocent as well"):
        job = aftermath.jobs[name]
        told = {(each.detector, each.status, each.reason) for each in job.scan.coverage}
        assert told == {("colours", CoverageStatus.COMPLETE, "")}, name
        assert (job.state, job.verdict.action) == (JobState.DONE, Action.REVIEW)
        assert len(job.evidence) >= LENGTH_S
        assert {part.state for part in job.job.parts} == {PartState.DONE}


def test_a_detector_that_raises_says_what(aftermath: Aftermath) -> None:
    assert "RuntimeError: it is red" in aftermath.reason("raises")


def test_a_decoder_that_is_killed_says_by_what(aftermath: Aftermath) -> None:
    assert "the decoder crashed (SIGSEGV)" in aftermath.reason("kills its decoder")


def test_a_decoder_that_hangs_is_ended(aftermath: Aftermath) -> None:
    assert "no sign of life" in aftermath.reason("hangs its decoder")


def test_a_detector_that_hangs_is_left_alone(aftermath: Aftermath) -> None:
    assert "did not answer for 4 s" in aftermath.reason("hangs the detector")


def test_a_detector_that_eats_all_memory_says_so(aftermath: Aftermath) -> None:
    assert "memory" in aftermath.reason("eats memory").lower()


def test_fault_003_what_kills_the_workers_process_is_a_dead_letter(aftermath: Aftermath) -> None:
    name = "kills the worker's process"
    assert "fell silent" in aftermath.reason(name)
    assert aftermath.outcomes(name) == ["lost"] * ATTEMPTS
    dead = aftermath.installation.run("dead", "show", aftermath.jobs[name].id)
    assert "fell silent" in dead.stdout


def test_no_worker_needs_a_hand(aftermath: Aftermath) -> None:
    assert aftermath.worker.is_running
    with Store.open(aftermath.installation.settings.database_url) as store:
        assert not Jobs(store).counts()
