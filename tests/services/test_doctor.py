"""`moderation doctor` where workers are set up: broker, database, lanes; and where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from moderation_workers.wake import waker

from moderation.cli.doctor import doctor
from moderation.config import Settings
from moderation.finding import Finding
from moderation.job import Submission
from moderation.job_settings import JobSettings
from moderation.lanes import CONTROL
from moderation.policy import Policy
from moderation.store import Jobs, Store
from moderation.store.workers import Presence, Workers
from tests.services.redis_server import RedisServer

NOWHERE = "redis://:hunter2@127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation without detectors, whose doctor takes no time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODERATION_HOME", str(tmp_path))
    monkeypatch.setenv("MODERATION_PLUGINS", "workers")
    monkeypatch.setenv("COLUMNS", "1000")
    (tmp_path / "moderation.toml").write_text('[lanes]\ngpu = ["objects"]\ncpu = ["*"]\n')
    return tmp_path


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(Settings.read().database_url) as opened:
        yield opened


def told(broker: str) -> list[Finding]:
    return list(waker(Settings(jobs=JobSettings(broker=broker))).check())


def run(broker: str = "") -> tuple[int, str]:
    """Exit code and output."""
    environment = {"MODERATION_JOBS__BROKER": broker or None}
    done = CliRunner(env=environment).invoke(doctor, standalone_mode=False)
    assert done.exception is None, done.exception
    return done.return_value, done.stdout


def line(output: str, *words: str) -> str:
    (found,) = (each for each in output.splitlines() if all(word in each for word in words))
    return found


# The broker


def test_a_broker_that_keeps_what_it_is_told_is_fine(redis_server: RedisServer) -> None:
    answers, keeps = told(redis_server.url)
    assert (answers.status, answers.detail.endswith(" answers")) == ("ok", True)
    assert (keeps.status, "a restart forgets nothing" in keeps.detail) == ("ok", True)


def test_a_broker_without_a_file_is_told_to_forget(redis_server: RedisServer) -> None:
    redis_server.client.config_set("appendonly", "no")
    _, keeps = told(redis_server.url)
    assert "messages are lost when it restarts" in keeps.detail


def test_fault_017_a_broker_that_drops_messages_is_refused(redis_server: RedisServer) -> None:
    redis_server.client.config_set("maxmemory-policy", "allkeys-lru")
    code, output = run(redis_server.url)
    assert code == 3
    assert line(output, "bad", "broker", "maxmemory-policy allkeys-lru", "noeviction")


def test_a_broker_that_is_away_is_named_without_its_password() -> None:
    code, output = run(NOWHERE)
    assert code == 3
    assert line(output, "bad", "broker", "127.0.0.1:1", "check that Redis runs")
    assert "hunter2" not in output


def test_a_wrong_password_is_said_and_not_shown(redis_server: RedisServer) -> None:
    place = redis_server.url.removeprefix("redis://")
    (refused,) = told(f"redis://nobody:hunter2@{place}")
    assert (refused.status, "correct user and password" in refused.detail) == ("bad", True)
    assert (place in refused.detail, "hunter2" in refused.detail) == (True, False)


# The database, the lanes


def test_the_database_is_told_with_its_schema(database_url: str) -> None:
    done = CliRunner(env={"MODERATION_DATABASE": database_url}).invoke(doctor)
    assert line(done.stdout, "ok", "database", "schema 00")


def test_who_only_scans_hears_nothing_of_brokers() -> None:
    code, output = run()
    assert code == 0
    assert line(output, "off", "workers", "not checked")
    assert "broker  " not in output


def test_lanes_without_a_worker_are_named(store: Store, redis_server: RedisServer) -> None:
    digest = Jobs(store).keep(Policy.read("default"))
    Jobs(store).submit([Submission(uri="s3://b/a", pin="", policy=digest)])
    code, output = run(redis_server.url)
    assert code == 0
    assert line(output, "warning", "workers", "none runs: start one with `moderation worker`")
    assert line(output, "warning", "lanes", "lane control has no worker: 1 part waits")


def test_workers_are_named_and_those_that_fell_silent(
    store: Store, redis_server: RedisServer
) -> None:
    for name, silent_s in (("alive@node", 60), ("dead@node", 0)):
        presence = Presence(name=name, host="node", lanes=(CONTROL, "cpu"), device="cpu")
        Workers(store).say(presence, silent_s=silent_s)
    _, output = run(redis_server.url)
    assert line(output, "ok", "workers", "1 run: alive@node")
    assert line(output, "warning", "workers", "dead@node fell silent at")
    assert line(output, "warning", "lanes", "lane gpu has no worker: nothing waits yet")


def test_lanes_that_do_not_hold_are_bad(home: Path) -> None:
    (home / "moderation.toml").write_text('[lanes]\ngpu = ["objects"]\n')
    code, output = run()
    assert code == 3
    assert line(output, "bad", "workers", '[lanes] has no lane with "*"')
