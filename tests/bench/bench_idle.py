"""What workers cost that have nothing to do: `python tests/bench/bench_idle.py`.

Workers with the default settings, on a Redis and a PostgreSQL of their own. Each has done a job
before, so that everything is loaded and connected that stays so. Counted of its main process, its
pool process and whatever else is left below them, over the time that is watched:

- share of one core
- how often the kernel woke a thread of theirs
- connections to Redis and to PostgreSQL at the end, and commands that Redis was given
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from machine import described, sentence

from moderation.job_settings import JobSettings
from moderation.testing.clips import WHITE, Clip
from tests.services.installation import Installation, Worker
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer
from tests.services.server import until

REACH: Final = 0.01
"""Of a core, by all processes of one worker."""

_DEFAULTS: Final = JobSettings()


@dataclass(frozen=True, slots=True)
class Idle:
    """One worker.

    core       share of one core, by process: main and pool
    wakes      a second, of all its threads
    redis      connections at the end
    database   likewise
    opened     connections that were not there at the beginning
    """

    core: Mapping[str, float]
    wakes: float
    redis: int
    database: int
    opened: int

    @property
    def busy(self) -> float:
        return sum(self.core.values())

    def told(self) -> str:
        shares = ", ".join(f"{name} {share:.2%}" for name, share in self.core.items())
        return (
            f"{self.busy:6.2%} of a core ({shares}), {self.wakes:.1f} wake-ups a second, "
            f"{self.redis} connections to Redis, {self.database} to PostgreSQL, "
            f"{self.opened} new ones"
        )


class Watched:
    """The processes of one worker, from now on."""

    def __init__(self, worker: Worker, redis: int, database: int) -> None:
        (pool,) = worker.pool
        child = psutil.Process(pool)
        self._processes = {"main": child.parent(), "pool": child}
        self._ports = (redis, database)
        self._began, self._cpu, self._woken = time.monotonic(), self._cpu_s(), self._wakes()
        self._connected = set(self._connections())

    def end(self) -> Idle:
        took_s, cpu = time.monotonic() - self._began, self._cpu_s()
        connected = set(self._connections())
        redis, database = ([each for each in connected if each[1] == p] for p in self._ports)
        return Idle(
            core={name: (cpu[name] - spent) / took_s for name, spent in self._cpu.items()},
            wakes=(self._wakes() - self._woken) / took_s,
            redis=len(redis),
            database=len(database),
            opened=len(connected - self._connected),
        )

    def _cpu_s(self) -> dict[str, float]:
        return {name: sum(each.cpu_times()[:2]) for name, each in self._processes.items()}

    def _wakes(self) -> int:
        return sum(each.num_ctx_switches().voluntary for each in self._processes.values())

    def _connections(self) -> Iterator[tuple[int, int]]:
        """Our port and that of the server."""
        for process in self._processes.values():
            for each in process.net_connections("tcp"):
                if each.raddr and each.raddr.port in self._ports:
                    yield each.laddr.port, each.raddr.port


@contextmanager
def idle_workers(count: int, folder: Path) -> Iterator[tuple[list[Watched], RedisServer]]:
    with ExitStack() as stack:
        redis, postgres = stack.enter_context(RedisServer()), stack.enter_context(PostgresServer())
        defaults = {name: getattr(_DEFAULTS, name) for name in ("lease_s", "sweep_s", "shutdown_s")}
        url = postgres.create_database()
        installation = Installation(folder / "home", url, redis.url, **defaults)
        stack.callback(installation.close)
        workers = [installation.worker() for _ in range(count)]
        warm_up(installation, workers, folder)
        yield [Watched(each, redis.port, postgres.port) for each in workers], redis


def warm_up(installation: Installation, workers: Sequence[Worker], folder: Path) -> None:
    """Until each has done something, and what that needed has ended."""
    number = 0
    with installation.client() as client:
        while not all(has_worked(each) for each in workers):
            number += 1
            film = Clip(64, 48, fps=5).show(1 + number / 5, WHITE).write(folder / f"{number}.mp4")
            client.submit(film).wait(60)
    until(lambda: not any(map(decoders, workers)), "the end of the decoders")


def has_worked(worker: Worker) -> bool:
    """Its pool process is connected to the database."""
    return bool(psutil.Process(worker.pool[0]).net_connections("tcp"))


def decoders(worker: Worker) -> list[psutil.Process]:
    return list(psutil.Process(worker.pool[0]).children())


def watched(count: int, seconds: float) -> tuple[list[Idle], dict[str, float]]:
    """Of each worker; and the commands a second, by name, that Redis was given by all of them."""
    with (
        tempfile.TemporaryDirectory() as folder,
        idle_workers(count, Path(folder)) as (workers, redis),
    ):
        before = commands(redis)
        time.sleep(seconds)
        given = {
            name: (calls - before.get(name, 0)) / seconds for name, calls in commands(redis).items()
        }
        return [each.end() for each in workers], {k: v for k, v in given.items() if v}


def commands(redis: RedisServer) -> dict[str, int]:
    stats: Mapping[str, Any] = redis.client.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--out", type=Path, help="JSON file of the figures")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    machine = described()
    found, told = watched(given.workers, given.seconds)
    lines = [f"worker {number}: {each.told()}" for number, each in enumerate(found, 1)]
    busiest = max(each.busy for each in found)
    lines.append(f"over {given.seconds:g} s; the busier one: {busiest:.2%}; to reach: {REACH:.0%}")
    rates = ", ".join(f"{name} {rate:.2f}" for name, rate in sorted(told.items()))
    lines.append(f"commands that Redis was given a second: {rates}")
    sys.stdout.write("\n".join([*lines, sentence(machine)]) + "\n")
    if given.out:
        figures = {"machine": machine, "idle": [asdict(each) for each in found], "redis": told}
        given.out.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
