"""What a page costs on the server's side: `python tests/bench/bench_pages.py`.

The whole way of a request in one process: who asks, the database, the view, the template. On a
SQLite file and on a PostgreSQL of the bench's own.

- queue: a page of a queue in which 10,000 items wait
- item: a video of three hours with 5,000 pieces of evidence
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from cost import Cost, measured, median
from machine import described, sentence
from sqlalchemy import event

from moderation.config import Settings
from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Severity
from moderation.web import Installation
from tests.services.postgres_server import PostgresServer
from tests.web.asking import TestClient, asking
from tests.web.conftest import ADMIN
from tests.web.long_video import long_scan

WAITING: Final = 10_000


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one page: medians of the rounds, and the slowest of them.

    cpu_ms  what is left where others take the processors
    """

    database: str
    page: str
    median_ms: float
    cpu_ms: float
    slowest_ms: float
    statements: int
    kilobytes: float

    def told(self) -> str:
        times = f"{self.median_ms:6.0f} ms, at most {self.slowest_ms:.0f}; {self.cpu_ms:.0f} of CPU"
        size = f"{self.statements} statements, {self.kilobytes:.0f} kB"
        return f"{self.database:10} {self.page:6} {times}; {size}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--items", type=int, default=WAITING, help="that wait")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    print(sentence(described()))
    found = []
    for each in of_each(options.items, options.rounds):
        print(each.told(), flush=True)
        found.append(each)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=2))


def of_each(items: int, rounds: int) -> Iterator[Figures]:
    with tempfile.TemporaryDirectory() as home, PostgresServer() as server:
        for name, url in (("SQLite", ""), ("PostgreSQL", server.create_database())):
            yield from of_one(name, Settings(home=Path(home), database=url), items, rounds)


def of_one(name: str, settings: Settings, items: int, rounds: int) -> Iterator[Figures]:
    with Installation.open(settings) as here:
        lea = Person(name="lea", role=Role.LEAD, created_at=datetime.now(UTC))
        here.people.add(lea.name, lea.role, by=ADMIN)
        client = asking(here, here.people.issue(lea.name, by=ADMIN).secret)
        long = prepare(here, items)
        for page, path in (("queue", "/queue"), ("item", f"/items/{long}")):
            here.queue.claim(long, lea)
            yield timed(here, client, name, page, path, rounds)


def prepare(here: Installation, items: int) -> str:
    """The id of the long video's item."""
    policy = Policy.read("default")
    severities = [each for each in Severity if each is not Severity.NONE]
    here.store.save(long_scan(policy), policy, fingerprint="all")
    (long,) = here.queue.list(ADMIN)
    for number in range(items - 1):
        severity, name = severities[number % len(severities)], f"upload {number}.mp4"
        evidence = [make_evidence(start_s=start) for start in (1, 5, 9)]
        scan = make_scan(*evidence, name=name, policy=policy.ref, severity=severity, id=name)
        here.store.save(scan, policy, fingerprint="all")
    return long.id


def timed(
    here: Installation, client: TestClient, database: str, page: str, path: str, rounds: int
) -> Figures:
    statements, costs = [0], list[Cost]()

    def count(*_: object) -> None:
        statements[0] += 1

    client.get(path).raise_for_status()
    for _ in range(rounds):
        statements[0] = 0
        event.listen(here.store.engine, "before_cursor_execute", count)
        with measured() as cost:
            answer = client.get(path).raise_for_status()
        costs.append(cost)
        event.remove(here.store.engine, "before_cursor_execute", count)
    usual, slowest = median(costs), max(each.wall_s for each in costs)
    return Figures(
        database,
        page,
        median_ms=usual.wall_s * 1e3,
        cpu_ms=usual.cpu_s * 1e3,
        slowest_ms=slowest * 1e3,
        statements=statements[0],
        kilobytes=len(answer.content) / 1e3,
    )


if __name__ == "__main__":
    main()
