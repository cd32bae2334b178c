"""The heartbeat file of a worker: fresh while it hears of work, and what its check says."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from moderation_workers.healthy import STALE_S, ailment
from moderation_workers.heartbeat_file import BEAT_S

from tests.services.installation import Installation
from tests.services.redis_server import RedisServer
from tests.services.server import until


@pytest.fixture
def heartbeat(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


@pytest.fixture
def installation(
    tmp_path: Path, heartbeat: Path, redis_server: RedisServer
) -> Iterator[Installation]:
    database = f"sqlite:///{tmp_path / 'moderation.db'}"
    made = Installation(tmp_path / "home", database, redis_server.url, heartbeat=heartbeat)
    yield made
    made.close()


def make_stale(file: Path) -> None:
    os.utime(file, (0, time.time() - STALE_S - 60))
    assert "s old" in ailment(file, time.time())


def is_fresh(file: Path) -> bool:
    return not ailment(file, time.time())


def test_a_file_that_was_never_written_is_named(tmp_path: Path) -> None:
    assert "No such file" in ailment(tmp_path / "nothing", 0)


def test_many_signs_of_life_may_be_missed_before_a_worker_is_ill() -> None:
    assert STALE_S > 10 * BEAT_S


def test_a_worker_gives_a_sign_of_life_also_after_its_broker_was_away(
    installation: Installation, heartbeat: Path, redis_server: RedisServer
) -> None:
    worker = installation.worker()
    assert is_fresh(heartbeat)
    make_stale(heartbeat)
    until(lambda: is_fresh(heartbeat), "a sign of life")
    redis_server.kill()
    redis_server.start()
    make_stale(heartbeat)
    until(lambda: is_fresh(heartbeat), "a sign of life after the broker's restart")
    assert worker.is_running
