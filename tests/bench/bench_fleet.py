"""What sharing the work costs, and what it gives: `python tests/bench/bench_fleet.py`.

Workers of their own on a Redis and a PostgreSQL of their own, with a detector that computes next
to nothing, so that everything else is seen:

- overhead: one short video through submit, queue, worker and database, against the same pipeline
  in one process; medians, workers warm
- throughput: many short videos from `submit_many` to their verdicts, on two workers; with what a
  process that does nothing but start decoders reaches, because each video has one of its own
- a long video, in sections, with a detector that computes for most of the time: on two workers
  against one
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

from machine import described, sentence

from moderation.client import Client
from moderation.media import MediaReader
from moderation.panel import Panel
from moderation.pipeline import Pipeline
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.source import Source
from moderation.store import Store
from moderation.testing.clips import BLACK, WHITE, Clip, long_clip
from moderation.testing.detectors import Brightness, as_plugin
from tests.services.installation import Installation
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer

OVERHEAD_S: Final = 0.15
VIDEOS_A_SECOND: Final = 100
SPEEDUP: Final = 1.8

_BUSY: Final = '''
import time
from moderation import Detector, Frames, hookimpl


class Busy(Detector):
    """Computes for a fixed time on each frame, as an engine on one core does."""

    name = "colours"
    wants = Frames(per_second=1, batch=4, unchanged="tell")
    labels = {"white": "Violence/Weapons/Firearm"}

    def detect(self, batches):
        for batch in batches:
            for frame in batch:
                until = time.thread_time() + {seconds}
                while time.thread_time() < until:
                    pass
        yield from ()


@hookimpl
def register_detectors(register):
    register(Busy)
'''


@dataclass(frozen=True, slots=True)
class Fleet:
    """The figures; seconds, and videos a second."""

    scan_s: float
    job_s: float
    videos: int
    throughput: float
    decoders_a_second: float
    long_s: float
    one_worker_s: float
    two_workers_s: float

    @property
    def overhead_s(self) -> float:
        return self.job_s - self.scan_s

    @property
    def speedup(self) -> float:
        return self.one_worker_s / self.two_workers_s

    def told(self) -> str:
        return "\n".join(
            [
                f"one short video: {self.job_s:.3f} s as a job, {self.scan_s:.3f} s in one "
                f"process: {self.overhead_s * 1000:.0f} ms more; to reach: under "
                f"{OVERHEAD_S * 1000:.0f} ms",
                f"{self.videos} short videos on two workers: {self.throughput:.1f} a second; "
                f"decoders alone, started by two processes: {self.decoders_a_second:.1f} a second; "
                f"to reach: {VIDEOS_A_SECOND}, or what binds",
                f"{self.long_s / 60:.0f} minutes: {self.one_worker_s:.1f} s on one worker, "
                f"{self.two_workers_s:.1f} s on two: {self.speedup:.2f} times as fast; to reach: "
                f"{SPEEDUP} on {os.cpu_count()} cores",
            ]
        )


class Bench(Installation):
    """An installation whose detector computes for `busy_s` on each frame, if that is not 0."""

    def __init__(
        self, folder: Path, database: str, broker: str, *, busy_s: float = 0, **jobs: object
    ) -> None:
        self._busy_s = busy_s
        super().__init__(folder, database, broker, s3=None, **{"lease_s": 60, **jobs})

    def _write_plugin(self) -> None:
        super()._write_plugin()
        if self._busy_s:
            plugin = self._folder / "plugin" / "trivial.py"
            plugin.write_text(_BUSY.replace("{seconds}", str(self._busy_s)))


@contextmanager
def servers() -> Iterator[tuple[RedisServer, PostgresServer]]:
    with RedisServer() as redis, PostgresServer() as postgres:
        yield redis, postgres


def films(folder: Path, count: int) -> list[Path]:
    """Videos of two seconds, no two of the same bytes."""
    made = []
    for number in range(count):
        scene = Clip(64, 48, fps=5).show(1, BLACK if number % 2 else WHITE)
        path = scene.show(1, WHITE).write(folder / f"film{number}.mp4")
        with path.open("ab") as file:  # a box that no demuxer reads
            file.write((16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))
        made.append(path)
    return made


def warm(client: Client, folder: Path, count: int) -> None:
    folder.mkdir()
    for job in client.submit_many(films(folder, count)):
        job.wait(300)


def overhead(folder: Path, redis: RedisServer, postgres: PostgresServer) -> tuple[float, float]:
    """Seconds of a video as a job, and of its scan in one process; in turn, medians."""
    installation = Bench(folder / "overhead", postgres.create_database(), redis.url)
    installation.worker()
    paths = films(folder, 12)
    registry = Registry()
    registry.register(as_plugin(Brightness), "mine")
    settings = installation.settings.model_copy(update={"detectors": {}})
    try:
        with installation.client() as client, Store.open(f"sqlite:///{folder}/scan.db") as store:
            warm(client, folder / "warm", 3)
            policy = Policy.read(settings.policy)
            pipeline = Pipeline(settings, Panel(registry, settings), policy, store)
            pipeline.scan(str(paths[0]), force=True)
            jobs, scans = [], []
            for path in paths:
                jobs.append(_timed(partial(_judged, client, path)))
                scans.append(_timed(partial(pipeline.scan, str(path), force=True)))
    finally:
        installation.close()
    return statistics.median(jobs), statistics.median(scans)


def _judged(client: Client, path: Path) -> None:
    client.submit(path).wait(3600)


def throughput(folder: Path, redis: RedisServer, postgres: PostgresServer, count: int) -> float:
    """Videos a second."""
    installation = Bench(folder / "throughput", postgres.create_database(), redis.url)
    for _ in range(2):
        installation.worker()
    paths = films(folder, count)
    try:
        with installation.client() as client:
            warm(client, folder / "warm2", 6)
            began = time.perf_counter()
            for job in client.submit_many(paths):
                job.wait(600)
            return count / (time.perf_counter() - began)
    finally:
        installation.close()


def decoders(path: Path, count: int = 20) -> float:
    """Files probed a second by processes of their own, two at a time."""

    def probe(_: int) -> None:
        with Source.open(path) as source, MediaReader(source) as media:
            media.probe()

    with ThreadPoolExecutor(2) as pool:
        took_s = _timed(lambda: list(pool.map(probe, range(count))))
    return count / took_s


def long_video(
    folder: Path, redis: RedisServer, postgres: PostgresServer, minutes: int, workers: int
) -> float:
    """Seconds from submission to verdict."""
    installation = Bench(
        folder / f"long{workers}",
        postgres.create_database(),
        redis.url,
        busy_s=0.02,
        section_s=minutes * 60 / 6,
    )
    for _ in range(workers):
        installation.worker()
    path = long_clip(folder / f"long{workers}.mkv", minutes * 60)
    try:
        with installation.client() as client:
            warm(client, folder / f"warm_long{workers}", 3 * workers)
            return _timed(partial(_judged, client, path))
    finally:
        installation.close()


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--videos", type=int, default=120)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--out", type=Path, help="JSON file of the figures")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    machine = described()
    with tempfile.TemporaryDirectory() as name, servers() as (redis, postgres):
        folder = Path(name)
        job_s, scan_s = overhead(folder, redis, postgres)
        figures = Fleet(
            job_s=job_s,
            scan_s=scan_s,
            videos=given.videos,
            throughput=throughput(folder, redis, postgres, given.videos),
            decoders_a_second=decoders(folder / "film0.mp4"),
            long_s=given.minutes * 60,
            one_worker_s=long_video(folder, redis, postgres, given.minutes, 1),
            two_workers_s=long_video(folder, redis, postgres, given.minutes, 2),
        )
    sys.stdout.write(f"{figures.told()}\n{sentence(machine)}\n")
    if given.out:
        given.out.write_text(json.dumps({"machine": machine, **asdict(figures)}, indent=1))


if __name__ == "__main__":
    main()
