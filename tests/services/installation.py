"""An installation for tests: settings, workers as processes of their own, and trivial detectors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from moderation.client import Client, JobHandle
from moderation.config import Settings
from moderation.job import PartState
from moderation.job_settings import JobSettings
from moderation.s3_settings import S3Settings
from tests.services.server import until

__all__ = ["Installation", "Worker", "is_over"]


def is_over(jobs: Iterable[JobHandle]) -> bool:
    """Whether nothing is left to do: a job is done with its verdict, and published after it."""
    live = {PartState.QUEUED, PartState.RUNNING}
    return not any(part.state in live for job in jobs for part in job.refresh().job.parts)


_PLUGIN = '''
"""Detectors that compute nothing; what a frame shows tells them what to do."""

import os, signal, time
from pathlib import Path
from moderation import Detector, Frames, Text, hookimpl


class Colours(Detector):
    name = "colours"
    wants = Frames(per_second=1, batch=1)
    labels = {"white": "Violence/Weapons/Firearm"}

    def load(self, device):
        pass

    def hang_once(self):
        """Until it is killed, frozen or told; the next time it goes on."""
        home = Path(os.environ["MODERATION_HOME"])
        if not (home / "held").exists():
            (home / "held").touch()
            while not (home / "go").exists():
                time.sleep(0.01)

    def detect(self, batches):
        for batch in batches:
            for frame in batch:
                red, green, blue = (int(each) for each in frame.image.mean(axis=(0, 1)))
                if red > 200 and green < 50 and blue < 50:
                    raise RuntimeError("it is red")
                if green > 200 and red < 50 and blue > 200:
                    os.kill(os.getppid(), signal.SIGKILL)
                    os.kill(os.getpid(), signal.SIGKILL)
                if green > 200 and red < 50 and blue < 50:
                    os.kill(os.getpid(), signal.SIGKILL)
                if blue > 200 and red < 50 and green < 50:
                    self.hang_once()
                if red > 200:
                    yield self.evidence("white", 0.9, frame.span)


@hookimpl
def register_detectors(register):
    register(Colours)
'''

POLICY = """
schema = "moderation.policy/v1"
name = "test"
version = "1"

[coverage]
colours = 1.0

[[rules]]
id = "white"
label = "Violence/Weapons"
action = "review"
"""


class Installation:
    """Where everything of one test lies.

    jobs  settings that differ from those of `JobSettings`, or from what makes a test short
    """

    def __init__(
        self,
        folder: Path,
        database: str,
        broker: str,
        *,
        s3: S3Settings | None = None,
        **jobs: object,
    ) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        given = {"lease_s": 5, "sweep_s": 0.5, "retry_s": 0, "shutdown_s": 1, **jobs}
        self._jobs = {"broker": broker, **given}
        self._write_plugin()
        (folder / "policy.toml").write_text(POLICY)
        self.settings = Settings(
            home=folder,
            database=database,
            policy=str(folder / "policy.toml"),
            jobs=JobSettings.model_validate(self._jobs),
            s3=s3 or S3Settings(),
        )
        self.more: dict[str, str] = {}
        """Variables of its environment besides those of its settings."""
        self._workers: list[Worker] = []

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that belongs to it."""
        kept = {name: value for name, value in os.environ.items() if "MODERATION" not in name}
        return {
            **kept,
            "PYTHONPATH": str(self._folder / "plugin"),
            "MODERATION_HOME": str(self._folder),
            "MODERATION_DATABASE": self.settings.database,
            "MODERATION_POLICY": self.settings.policy,
            "MODERATION_PLUGINS": "trivial,workers",
            "MODERATION_S3__ENDPOINT_URL": self.settings.s3.endpoint_url,
            **{f"MODERATION_JOBS__{key.upper()}": str(value) for key, value in self._jobs.items()},
            **self.more,
        }

    @property
    def is_held(self) -> bool:
        """Whether a detector hangs in a blue video."""
        return (self._folder / "held").exists()

    def let_go(self) -> None:
        """It need not hang any more."""
        (self._folder / "go").touch()

    def client(self) -> Client:
        return Client(self.settings)

    def worker(self, *arguments: str) -> Worker:
        """A running one, that has said that it is ready."""
        number = len(self._workers)
        log = self._folder / f"worker{number}.log"
        self._workers.append(Worker(self.environment, log, arguments))
        return self._workers[-1]

    @contextmanager
    def running(self, *arguments: str) -> Iterator[None]:
        """A command of `moderation` that goes on until it is told to stop."""
        process = subprocess.Popen([*_COMMAND, *arguments], env=self.environment, cwd=self._folder)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of `moderation`."""
        return subprocess.run(
            [*_COMMAND, *arguments],
            env=self.environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def close(self) -> None:
        for each in self._workers:
            each.kill()

    def _write_plugin(self) -> None:
        place = self._folder / "plugin"
        about = place / "trivial-1.dist-info"
        about.mkdir(parents=True)
        (place / "trivial.py").write_text(_PLUGIN)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: trivial\nVersion: 1\n")
        (about / "entry_points.txt").write_text("[moderation]\ntrivial = trivial\n")


_COMMAND = (sys.executable, "-c", "from moderation.cli import main; main()")


def _runs_tasks(process: psutil.Process) -> bool:
    try:
        return "semaphore_tracker" not in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it is being replaced
        return False


class Worker:
    """One `moderation worker`, with its pool process."""

    def __init__(self, environment: dict[str, str], log: Path, arguments: tuple[str, ...]) -> None:
        self._log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [*_COMMAND, "worker", *arguments],
                env=environment,
                cwd=log.parent,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        until(self._is_ready, f"a worker's start ({log})")

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def pool(self) -> list[int]:
        """The processes below it that run tasks; another counts its semaphores."""
        below = psutil.Process(self._process.pid).children()
        return [each.pid for each in below if _runs_tasks(each)]

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def freeze(self) -> None:
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def stop(self) -> int:
        """As `docker stop` does; its exit code."""
        self._process.terminate()
        return self._process.wait(60)

    def kill(self) -> None:
        """-9, all of it."""
        if self._process.poll() is None:
            below = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            for each in below:
                try:
                    each.kill()
                except psutil.NoSuchProcess:
                    continue
            self._process.wait()

    def _is_ready(self) -> bool:
        if not self.is_running:
            raise RuntimeError(self.log)
        return " ready." in self.log
