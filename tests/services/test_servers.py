"""The servers that other tests rely on, and the store on PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest

from moderation.errors import StoreBusy
from moderation.policy import Policy
from moderation.store import Store
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from tests.services.conftest import installed
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import SETTINGS, RedisServer
from tests.services.server import Server, until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=[RedisServer, PostgresServer], ids=["redis", "postgresql"])
def kind(request: pytest.FixtureRequest) -> type[Server]:
    return installed(request.param)


@pytest.fixture
def server(kind: type[Server]) -> Iterator[Server]:
    """One of its own, for a test of its end."""
    with kind() as server:
        yield server


@pytest.fixture(params=["redis_server", "postgres_server"], ids=["redis", "postgresql"])
def shared(request: pytest.FixtureRequest) -> Iterator[Server]:
    server: Server = request.getfixturevalue(request.param)
    yield server
    server.start()


@pytest.fixture
def policy() -> Policy:
    return Policy.read("default")


def family(server: Server) -> list[psutil.Process]:
    first = psutil.Process(server.pid)
    return [first, *first.children(recursive=True)]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(each.is_running() and alive(each.pid) for each in processes)


def alive(pid: int) -> bool:
    """A zombie is not: when it is buried is the business of who adopted it."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def connection_string(url: str) -> str:
    return url.replace("+psycopg", "")


# The servers


def test_a_killed_server_leaves_no_process_and_starts_again_on_its_port(shared: Server) -> None:
    processes, port = family(shared), shared.port
    shared.kill()
    assert gone(processes)
    assert not shared.answers()
    shared.start()
    assert shared.answers()
    assert shared.port == port
    assert shared.pid != processes[0].pid


def test_a_running_server_is_not_started_twice(shared: Server) -> None:
    shared.start()
    pid = shared.pid
    shared.start()
    assert shared.pid == pid


def test_a_server_that_does_not_start_says_why(shared: Server) -> None:
    shared.kill()
    data = shared.folder / "data"
    data.rename(shared.folder / "elsewhere")
    with pytest.raises(RuntimeError, match=r"does not start(.|\n)*No such file or directory"):
        shared.start()
    (shared.folder / "elsewhere").rename(data)


def test_a_closed_server_leaves_neither_process_nor_folder(server: Server) -> None:
    processes = family(server)
    server.close()
    assert gone(processes)
    assert not server.folder.exists()


def test_a_frozen_server_can_be_closed(server: Server) -> None:
    processes = family(server)
    server.freeze()
    server.close()
    assert gone(processes)


def test_a_session_that_is_killed_leaves_neither_process_nor_folder(kind: type[Server]) -> None:
    code = f"""if True:
        import os, signal
        from {kind.__module__} import {kind.__name__}
        server = {kind.__name__}()
        print(server.pid, server.folder, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    session = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    pid, folder = session.stdout.split()
    until(lambda: not Path(folder).exists(), "the end of the folder")
    until(lambda: not alive(int(pid)), "the end of the server")


def test_redis_keeps_what_it_acknowledged_when_it_is_killed(redis_server: RedisServer) -> None:
    for number in range(1000):
        redis_server.client.rpush("queue", number)
    redis_server.kill()
    redis_server.start()
    assert redis_server.client.llen("queue") == 1000


@pytest.mark.parametrize("dead", [False, True], ids=["running", "killed"])
def test_redis_forgets_when_it_is_told_to(redis_server: RedisServer, dead: bool) -> None:
    redis_server.client.set("key", "value")
    if dead:
        redis_server.kill()
    redis_server.forget()
    redis_server.start()
    assert redis_server.client.dbsize() == 0


def test_redis_is_as_it_was_whatever_a_test_did(redis_server: RedisServer) -> None:
    redis_server.client.set("key", "value")
    redis_server.client.config_set("maxmemory", "3mb")
    redis_server.client.config_set("maxmemory-policy", "allkeys-lru")
    redis_server.freeze()
    redis_server.reset()
    assert redis_server.client.dbsize() == 0
    assert {name: redis_server.client.config_get(name)[name] for name in SETTINGS} == SETTINGS


def test_postgresql_keeps_what_it_committed_when_it_is_killed(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    address = connection_string(postgres_url)
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    with psycopg.connect(address) as busy:
        busy.execute("INSERT INTO kept VALUES (0)")
        postgres_server.kill()
        with pytest.raises(psycopg.OperationalError):
            busy.execute("SELECT 1")
    postgres_server.start()
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


def test_every_test_has_a_database_of_its_own(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    other = postgres_server.create_database()
    with psycopg.connect(connection_string(postgres_url)) as connection:
        connection.execute("CREATE TABLE here (number integer)")
    with psycopg.connect(connection_string(other)) as connection:
        assert connection.execute("SELECT to_regclass('here')").fetchone() == (None,)
    postgres_server.drop_database(other)


def test_a_database_is_dropped_whoever_is_connected(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    with closing(psycopg.connect(connection_string(url))):
        postgres_server.drop_database(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(connection_string(url))


# The store


def test_a_scan_comes_back_as_it_was(database_url: str, policy: Policy) -> None:
    evidence = make_evidence(text='多 "quoted" \x00 \ud800', end_s=2.5), make_evidence(score=1 / 3)
    scan = make_scan(*evidence, policy=policy.ref, sandbox=("rlimits",))
    short = make_scan(name="short", policy=policy.ref, cut_short="the decoder crashed")
    failed = make_failed_scan(policy=policy.ref)
    with Store.open(database_url) as store:
        for each in (scan, short, failed):
            store.save(each, policy, fingerprint="all")
    with Store.open(database_url) as store:
        stored = {each.id: each for each in store.scans()}
        assert stored == {each.id: each for each in (scan, short, failed)}
        assert store.find(scan.video.sha256, "all", policy.ref.digest) == scan


def test_a_store_outlives_a_restart_of_its_database(
    postgres_server: PostgresServer, postgres_url: str, policy: Policy
) -> None:
    scan = make_scan(make_evidence(), policy=policy.ref)
    with Store.open(postgres_url) as store:
        store.save(scan, policy, fingerprint="all")
        postgres_server.kill()
        with pytest.raises(StoreBusy):
            list(store.scans())
        postgres_server.start()
        assert list(store.scans()) == [scan]
