"""A crew: workers that serve one test after another, over a line that a test may spoil."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil

from moderation.client import Client, JobHandle
from moderation.job import JobState, PartState
from moderation.lanes import CONTROL
from moderation.store import Jobs, Store
from moderation.testing.clips import BLACK, WHITE, Clip, solid
from tests.services.installation import Installation, Worker
from tests.services.redis_server import RedisServer
from tests.services.server import until
from tests.services.tcp_proxy import TcpProxy

__all__ = ["CREW", "LANES", "PATIENCE_S", "Crew", "processes"]

CREW = 2
PATIENCE_S = 60.0
LANES = (CONTROL, "cpu")

HELD = solid(0, 0, 255)
"""Shown by a video in whose scan a worker hangs until it is let go."""


class Crew(Installation):
    """Workers that reach their broker over a line of the test's."""

    def __init__(self, folder: Path, database: str, redis: RedisServer, line: TcpProxy) -> None:
        super().__init__(folder, database, f"redis://127.0.0.1:{line.port}/0")
        self.redis, self.line = redis, line
        self.workers: list[Worker] = []
        self._latecomers: list[Worker] = []
        self._given: dict[str, str] = {}
        self.store = Store.open(database)
        self._numbers = itertools.count()
        self._films = {
            "plain": Clip(64, 48, fps=5).show(1, BLACK).show(1, WHITE).write(folder / "plain.mp4"),
            "held": Clip(64, 48, fps=5).show(1, HELD).write(folder / "held.mp4"),
        }

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self._given}

    def worker(self, *arguments: str) -> Worker:
        """As of any installation, but several may start at one time."""
        log = self.settings.home / f"worker{next(self._numbers)}.log"
        made = Worker(self.environment, log, arguments)
        self._workers.append(made)
        return made

    def latecomer(self, **environment: str) -> Worker:
        """One more worker, of another environment, if there is none yet; until the next `staff`."""
        if not self._latecomers:
            self._given = environment
            self._latecomers.append(self.worker())
            self._given = {}
        return self._latecomers[0]

    def staff(self) -> None:
        """Start side by side what is missing, and have nobody else."""
        while self._latecomers:
            self._latecomers.pop().kill()
        self.workers = [each for each in self.workers if each.is_running]
        with ThreadPoolExecutor(CREW) as pool:
            missing = range(CREW - len(self.workers))
            self.workers += pool.map(lambda _: self.worker(), missing)

    def settle(self) -> None:
        """As before the test."""
        self.line.calm()
        self.redis.reset()
        for sign in ("held", "go"):
            (self.settings.home / sign).unlink(missing_ok=True)

    def film(self, kind: str = "plain") -> Path:
        """Another video with the same pictures: a box without meaning tells them apart."""
        number = next(self._numbers)
        path = self.settings.home / f"{kind}-{number}.mp4"
        box = (16).to_bytes(4) + b"free" + number.to_bytes(8)
        path.write_bytes(self._films[kind].read_bytes() + box)
        return path

    def hold(self, client: Client) -> JobHandle:
        """A job in whose scan one of the workers hangs."""
        (self.settings.home / "held").unlink(missing_ok=True)
        job = client.submit(self.film("held"))
        until(lambda: self.is_held, "a detector that hangs")
        return job

    def outcomes(self, job: JobHandle) -> list[list[str]]:
        """Of all attempts, by part."""
        jobs = Jobs(self.store)
        return [
            [each.outcome for each in jobs.attempts(part.id)] for part in jobs.get(job.id).parts
        ]

    def is_over(self, job: JobHandle) -> bool:
        """What follows on the verdict as well."""
        parts = job.refresh().job.parts
        return all(part.state not in (PartState.QUEUED, PartState.RUNNING) for part in parts)

    def assert_done_once(self, jobs: Sequence[JobHandle]) -> None:
        """Each part was begun once, and ended."""
        for job in jobs:
            assert job.wait(PATIENCE_S).state is JobState.DONE
            until(partial(self.is_over, job), "the end of all parts")
            assert {tuple(each) for each in self.outcomes(job)} == {("done",)}

    def assert_one_verdict(self, jobs: Sequence[JobHandle]) -> None:
        """However often a part was begun."""
        for job in jobs:
            assert job.wait(PATIENCE_S).state is JobState.DONE
        uris = [scan.video.uri for scan in self.store.scans()]
        assert [uris.count(job.job.uri) for job in jobs] == [1] * len(jobs)

    def messages(self) -> int:
        """In the queues, and with workers that have not acknowledged them."""
        redis = self.redis.client
        waiting = sum(redis.llen(f"moderation:{lane}") for lane in LANES)
        return int(waiting + redis.hlen("moderation:unacked"))


def processes(worker: Worker) -> list[psutil.Process]:
    (pool,) = worker.pool
    child = psutil.Process(pool)
    return [child.parent(), child]
