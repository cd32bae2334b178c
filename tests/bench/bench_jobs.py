"""What the database makes of jobs: `python tests/bench/bench_jobs.py`.

Nobody decodes or looks: what is left are the transactions of clients and workers, on a SQLite file
and on a PostgreSQL of the bench's own.

- submitted: jobs from `Client.submit_many`, their versions known
- done: jobs that two processes take through all their parts with made results
- claim: one part taken and given back, where few wait and where very many of many tags do
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cost import Cost, measured
from machine import described, sentence
from sqlalchemy import event, text

from moderation.client import Client
from moderation.config import Settings
from moderation.job import Pinned, Submission
from moderation.job_settings import JobSettings
from moderation.lanes import CONTROL
from moderation.store import Jobs, Leases, Store
from tests.services.job_flow import LANES, POLICY, work
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer

WORKERS: Final = 2
LANES_OF_A_WORKER: Final = (CONTROL, *LANES)
CLAIMS: Final = 200
FEW: Final = 1_000
BATCH: Final = 5_000


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one database.

    done   of that many jobs by two processes at once
    steps  median milliseconds of each transaction of theirs
    """

    database: str
    submit: Cost
    again: Cost
    jobs: int
    done: Cost
    steps_ms: dict[str, float]
    claim_few_ms: float
    claim_many_ms: float
    plan: list[str]

    def told(self) -> str:
        rate, cpu_ms = self.jobs / self.done.wall_s, 1e3 * self.done.cpu_s / self.jobs
        steps = ", ".join(f"{name} {ms:.1f}" for name, ms in self.steps_ms.items())
        lines = [
            f"{self.database}",
            f"  submitted    {_told(self.submit)}",
            f"  once more    {_told(self.again)}",
            f"  done         {_told(self.done)}: {rate:.0f} a second, {cpu_ms:.0f} ms of CPU each",
            f"  transactions {steps} ms",
            f"  claim        {self.claim_few_ms:.1f} ms among few, "
            f"{self.claim_many_ms:.1f} ms among many",
            *(f"    {line}" for line in self.plan),
        ]
        return "\n".join(lines)


def _told(cost: Cost) -> str:
    return f"{cost.wall_s:.1f} s, {cost.cpu_s:.1f} s of CPU, others took {cost.disturbed:.0%}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000, help="submitted together")
    parser.add_argument("--worked", type=int, default=400, help="of them taken to the end")
    parser.add_argument("--waiting", type=int, default=100_000, help="among which one is claimed")
    parser.add_argument("--tags", type=int, default=300, help="that those have")
    parser.add_argument("--json", type=Path, help="where to write the figures as well")
    options = parser.parse_args()
    machine = described()
    sys.stdout.write(f"{sentence(machine)}\n{options.jobs} jobs\n")
    found = []
    for figures in of_each(options):
        found.append(figures)
        sys.stdout.write(f"{figures.told()}\n")
    if options.json:
        document = {"machine": machine, "figures": [asdict(each) for each in found]}
        options.json.write_text(json.dumps(document, indent=2))
    return 0


def of_each(options: argparse.Namespace) -> Iterator[Figures]:
    with tempfile.TemporaryDirectory() as home, RedisServer() as redis, PostgresServer() as server:
        for name, url in (
            ("PostgreSQL", server.create_database()),
            ("SQLite", f"sqlite:///{home}/moderation.db"),
        ):
            settings = Settings(
                home=Path(home),
                database=url,
                jobs=JobSettings.model_validate({"broker": redis.url}),
            )
            yield of_one(name, settings, options)


def of_one(name: str, settings: Settings, options: argparse.Namespace) -> Figures:
    url = settings.database_url
    pinned = [Pinned(f"s3://bench/{n}.mp4", f"etag:{n}") for n in range(options.jobs)]
    with Client(settings) as client:
        with measured() as submit:
            client.submit_many(pinned, tag="bench")
        with measured() as again:
            client.submit_many(pinned, tag="bench")
    done, steps = worked(url, options.worked // WORKERS)
    with Store.open(url) as store:
        clear(store)
        fill(store, FEW, options.tags)
        few = claims_ms(store)
        fill(store, options.waiting, options.tags)
        many = claims_ms(store)
        return Figures(
            database=name,
            submit=submit,
            again=again,
            jobs=options.worked // WORKERS * WORKERS,
            done=done,
            steps_ms=steps,
            claim_few_ms=few,
            claim_many_ms=many,
            plan=plan_of_claim(store),
        )


def worked(url: str, jobs: int) -> tuple[Cost, dict[str, float]]:
    """So many jobs by each worker: what that cost, and what each transaction took."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, context) as pool:
        list(pool.map(worker, [url] * WORKERS, [1] * WORKERS))  # started, and all is compiled
        with measured() as cost:
            each = list(pool.map(worker, [url] * WORKERS, [jobs] * WORKERS))
    steps: defaultdict[str, list[float]] = defaultdict(list)
    for times in each:
        for name, taken in times.items():
            steps[name] += taken
    medians = {name: 1e3 * statistics.median(taken) for name, taken in sorted(steps.items())}
    return cost, medians


def worker(url: str, jobs: int) -> dict[str, list[float]]:
    """Ends as many jobs as it was given; seconds by step."""
    watch = Stopwatch()
    with Store.open(url) as store:
        leases = Leases(store, lease_s=600)
        while watch.count("decide ends") < jobs:
            for lane in LANES_OF_A_WORKER:
                work(leases, lane, "bench", watch.begin)
                watch.begin("")
    return watch.seconds


class Stopwatch:
    def __init__(self) -> None:
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._step, self._began = "", 0.0

    def begin(self, step: str) -> None:
        now = time.perf_counter()
        if self._step:
            self.seconds[self._step].append(now - self._began)
        self._step, self._began = step, now

    def count(self, step: str) -> int:
        return len(self.seconds[step])


def clear(store: Store) -> None:
    """Nothing waits any more."""
    with store.writing() as session:
        session.execute(text("UPDATE part SET state = 'done'"))


def fill(store: Store, waiting: int, tags: int) -> None:
    """That many wait, of that many tags, one of which has half of them."""
    jobs = Jobs(store)
    digest = jobs.keep(POLICY)
    for tag in range(tags + 1):
        count = waiting // 2 if tag == tags else waiting // 2 // tags
        given = [
            Submission(uri=f"s3://{waiting}/{tag}/{n}", pin="", policy=digest, tag=f"tag {tag}")
            for n in range(count)
        ]
        jobs.submit(given)


def claims_ms(store: Store) -> float:
    """Median of a claim."""
    leases = Leases(store)
    seconds = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        lease = leases.claim(CONTROL, "bench")
        seconds.append(time.perf_counter() - began)
        if lease is None:
            raise RuntimeError("nothing waits")
    return 1e3 * statistics.median(seconds)


def plan_of_claim(store: Store) -> list[str]:
    """What the database does to find the part whose turn it is."""
    if store.engine.dialect.name != "postgresql":
        return []
    said: list[str] = []

    @event.listens_for(store.engine, "before_cursor_execute")
    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        if statement.startswith("UPDATE part") and not said:
            cursor.execute("ANALYZE part")
            cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}", parameters)
            said.extend(str(line) for (line,) in cursor.fetchall())

    Leases(store).claim(CONTROL, "bench")
    return said


if __name__ == "__main__":
    sys.exit(main())
