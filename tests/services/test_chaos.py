"""Chaos: workers, pool processes, the broker and the database die at random, and nothing is lost.

`make chaos` runs the long form: CHAOS_VIDEOS=300 CHAOS_SEEDS=1,2,3,4,5.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from moderation.client import Client, JobHandle
from moderation.errors import TransientError
from moderation.job import JobState, PartState
from moderation.store import Jobs, Store
from moderation.testing.clips import BLACK, WHITE, Clip
from tests.services.installation import Installation, Worker, is_over
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer

VIDEOS = int(os.environ.get("CHAOS_VIDEOS", "16"))
SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "1").split(",")]
WORKERS = 2
PACE_S = 1.5
PATIENCE_S = 60 + 6 * VIDEOS

Fault = Callable[[], None]


class Fleet:
    """Workers that a supervisor starts again, and what can happen to them."""

    def __init__(
        self,
        installation: Installation,
        redis: RedisServer,
        postgres: PostgresServer,
        seed: int,
    ) -> None:
        self.faults: Counter[str] = Counter()
        self._installation, self._redis, self._postgres = installation, redis, postgres
        self._chance = random.Random(seed)
        self._workers: list[Worker] = []

    def supervise(self) -> None:
        """Start what has ended, as systemd or a compose file does."""
        self._workers = [each for each in self._workers if each.is_running]
        while len(self._workers) < WORKERS:
            self._workers.append(self._installation.worker())

    def strike(self) -> None:
        """One fault, by lot."""
        fault = self._chance.choice(
            [self.worker_dies, self.child_dies, self.broker_dies, self.broker_loses_its_data,
             self.broker_forgets, self.broker_is_full, self.database_dies, self.worker_freezes,
             self.told_twice]
        )  # fmt: skip
        self.faults[fault.__name__] += 1
        fault()

    def worker_dies(self) -> None:
        self._chance.choice(self._workers).kill()

    def child_dies(self) -> None:
        with suppress(psutil.NoSuchProcess, IndexError):
            os.kill(self._chance.choice(self._chance.choice(self._workers).pool), signal.SIGKILL)

    def broker_dies(self) -> None:
        self._redis.kill()
        self._redis.start()

    def broker_loses_its_data(self) -> None:
        self._redis.kill()
        self._redis.forget()
        self._redis.start()

    def broker_forgets(self) -> None:
        self._redis.forget()

    def broker_is_full(self) -> None:
        """Until somebody makes room; workers may end of it."""
        self._redis.client.config_set("maxmemory", "1")
        time.sleep(PACE_S)
        self._redis.client.config_set("maxmemory", "0")

    def database_dies(self) -> None:
        self._postgres.kill()
        self._postgres.start()

    def worker_freezes(self) -> None:
        """Past its lease."""
        victim = self._chance.choice(self._workers)
        victim.freeze()
        time.sleep(1.5 * self._installation.settings.jobs.lease_s)
        victim.thaw()

    def told_twice(self) -> None:
        for body in self._redis.client.lrange("moderation:cpu", 0, -1):
            self._redis.client.lpush("moderation:cpu", body)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    return [
        Clip(64, 48, fps=5).show(1 + n / 5, BLACK).show(1, WHITE).write(folder / f"{n}.mp4")
        for n in range(VIDEOS)
    ]


@pytest.fixture
def installation(
    tmp_path: Path, postgres_url: str, redis_server: RedisServer
) -> Iterator[Installation]:
    # Every strike may cost an attempt; how many make a dead letter is another test's.
    made = Installation(tmp_path / "home", postgres_url, redis_server.url, attempts=100)
    yield made
    made.close()


def over(jobs: list[JobHandle]) -> bool:
    with suppress(TransientError):
        waiting = (job for job in jobs if not job.state.is_final)
        return all(job.refresh().state.is_final for job in waiting) and is_over(jobs)
    return False


def seen(jobs: list[JobHandle]) -> dict[str, list[str]]:
    return {job.job.uri: [each.id for each in job.evidence] for job in jobs}


@pytest.mark.timeout(2 * PATIENCE_S)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_video_gets_one_verdict_whatever_dies(
    installation: Installation,
    films: list[Path],
    redis_server: RedisServer,
    postgres_server: PostgresServer,
    tmp_path: Path,
    seed: int,
) -> None:
    fleet = Fleet(installation, redis_server, postgres_server, seed)
    with installation.client() as client:
        jobs = client.submit_many(films)
        deadline = time.monotonic() + PATIENCE_S
        while not over(jobs) and time.monotonic() < deadline:
            fleet.supervise()
            time.sleep(PACE_S)  # what is done between two strikes is chance as well
            fleet.strike()
        assert {job.state for job in jobs} == {JobState.DONE}
        found = seen(jobs)
    sys.stdout.write(f"seed {seed}: {len(jobs)} videos, {dict(fleet.faults)}, none lost\n")
    assert_nothing_is_left(installation)
    assert found == undisturbed(films, tmp_path / "calm", postgres_server, redis_server)


def assert_nothing_is_left(installation: Installation) -> None:
    """Each video has one verdict in force, and no part waits or runs."""
    with Store.open(installation.settings.database_url) as store:
        assert not Jobs(store).counts()
        assert set(Counter(scan.video.sha256 for scan in store.scans()).values()) == {1}
        parts = [
            part for job in Jobs(store).find(limit=None) for part in Jobs(store).get(job.id).parts
        ]
    assert {part.state for part in parts} == {PartState.DONE}


def undisturbed(
    films: list[Path], home: Path, postgres: PostgresServer, redis: RedisServer
) -> dict[str, list[str]]:
    """What is seen where nothing dies."""
    redis.forget()
    calm = Installation(home, postgres.create_database(), redis.url)
    try:
        calm.worker()
        with Client(calm.settings) as client:
            return seen([job.wait(PATIENCE_S) for job in client.submit_many(films)])
    finally:
        calm.close()
