"""What a broker, the line to it, its messages and signals can do to workers that share it.

Two workers serve most of these tests, over a line that a test may spoil; they are started again
when a test has ended one. `make chaos` runs all of them, and longer: BROKER_CYCLES=50.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import Celery
from celery.utils.imports import symbol_by_name
from celery.worker.request import Request
from kombu.connection import Connection
from kombu.transport.virtual import Message
from moderation_workers.app import make_app
from moderation_workers.broker import check_broker, check_settings
from moderation_workers.tasks import work
from moderation_workers.wake import CeleryWaker
from redis.exceptions import OutOfMemoryError

from moderation.client import Client
from moderation.config import Settings
from moderation.errors import ConfigurationError
from moderation.job_settings import JobSettings
from moderation.lanes import CONTROL
from tests.services.crew import CREW, LANES, PATIENCE_S, Crew, processes
from tests.services.installation import Worker
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer
from tests.services.server import until
from tests.services.tcp_proxy import TcpProxy

CYCLES = int(os.environ.get("BROKER_CYCLES", "1"))

rare = pytest.mark.skipif(CYCLES == 1, reason="takes long: `make chaos` runs it")

pytestmark = pytest.mark.timeout(300 + 30 * CYCLES)


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    redis_server_session: RedisServer,
) -> Iterator[Crew]:
    redis_server_session.reset()
    url = postgres_server.create_database()
    with TcpProxy(redis_server_session.port) as line:
        made = Crew(tmp_path_factory.mktemp("crew"), url, redis_server_session, line)
        yield made
        made.close()
        made.store.close()
    postgres_server.drop_database(url)


@pytest.fixture
def crew(house: Crew) -> Iterator[Crew]:
    """Two workers that run."""
    house.settle()
    house.staff()
    yield house
    house.settle()


@pytest.fixture
def client(crew: Crew) -> Iterator[Client]:
    with crew.client() as client:
        yield client


# A broker that goes away


def test_fault_010_workers_go_on_after_every_restart_of_the_broker(
    crew: Crew, client: Client
) -> None:
    for _ in range(CYCLES):
        crew.redis.kill()
        crew.redis.start()
        crew.assert_done_once([client.submit(crew.film())])
    assert all(each.is_running for each in crew.workers)


def test_fault_012_what_ends_while_the_broker_is_away_is_not_begun_again(
    crew: Crew, client: Client
) -> None:
    job = crew.hold(client)
    crew.redis.kill()
    crew.let_go()
    until(lambda: all("" not in each for each in crew.outcomes(job)), "the end of the part")
    crew.redis.start()
    crew.assert_done_once([job])
    until(lambda: not crew.messages(), "the end of all messages")


def test_fault_014_workers_wait_for_the_broker_without_haste(crew: Crew, client: Client) -> None:
    crew.redis.kill()
    jobs = client.submit_many([crew.film() for _ in range(5)])
    until(lambda: busiest(crew) < 0.2, "a time in which no process is busy")
    crew.redis.start()
    crew.assert_done_once(jobs)


def busiest(crew: Crew, watched_s: float = 1.0) -> float:
    """Share of a core that the busiest process of the workers takes."""
    watched = [each for worker in crew.workers for each in processes(worker)]
    with ThreadPoolExecutor(len(watched)) as pool:
        return float(max(pool.map(lambda each: each.cpu_percent(watched_s), watched))) / 100


# The line to it


def test_fault_019_connections_that_lead_nowhere_are_given_up(crew: Crew, client: Client) -> None:
    crew.assert_done_once([client.submit(crew.film())])
    assert crew.line.lead_nowhere() >= CREW
    began = time.monotonic()
    job = client.submit(crew.film())
    assert time.monotonic() - began < 30, "whoever submits does not wait for the broker"
    crew.assert_one_verdict([job])


def test_fault_019_who_cannot_say_that_he_is_done_may_take_the_next(
    redis_server: RedisServer,
) -> None:
    """Kombu counts a message until its acknowledgement was heard; there is room for one."""
    app = app_of(redis_server)
    with app.connection_for_read() as connection:
        channel = connection.channel()
        channel.basic_qos(0, 1, False)
        CeleryWaker(app).wake("nobody's", 1)  # other workers serve the lanes that there are
        message = app.amqp.queues["nobody's"].bind(channel).get()
        assert not channel.qos.can_consume()
        redis_server.kill()
        request_of(app, message, connection).acknowledge()
        assert channel.qos.can_consume()


def request_of(app: Celery, message: Message, connection: Connection) -> Request:
    """As a worker's main process has it while the message is worked on."""
    return symbol_by_name(work.Request)(
        message,
        app=app,
        task=work,
        on_ack=message.ack_log_error,
        connection_errors=connection.connection_errors,
    )


def test_fault_020_a_storm_of_lost_connections_stops_nothing(crew: Crew, client: Client) -> None:
    jobs = client.submit_many([crew.film() for _ in range(2 * CYCLES)])
    for job in jobs:
        crew.redis.client.client_kill_filter(_type="normal")
        job.wait(PATIENCE_S)
    crew.assert_one_verdict(jobs)


def test_fault_021_a_slow_and_lossy_line_makes_slow_work(crew: Crew, client: Client) -> None:
    crew.line.delay_s, crew.line.loss = 0.1, 0.02
    crew.assert_done_once(client.submit_many([crew.film() for _ in range(2)]))


# What messages say


def test_fault_009_a_message_that_comes_again_while_its_part_is_held_begins_nothing(
    crew: Crew, client: Client
) -> None:
    job = crew.hold(client)
    age_all_messages(crew.redis)
    until(lambda: not crew.messages(), "the end of the message that came again")
    begun = crew.outcomes(job)
    crew.let_go()
    crew.assert_done_once([job])
    assert [""] in begun
    assert all(each.is_running for each in crew.workers)


def age_all_messages(redis: RedisServer) -> None:
    """Have what workers hold be older than its `visibility_timeout`."""
    client: Any = redis.client  # its annotations know no key that came from it
    held = dict.fromkeys(client.hkeys("moderation:unacked"), 1)
    assert client.zadd("moderation:unacked_index", held, ch=True)


def test_fault_018_a_binding_that_is_deleted_is_not_needed(crew: Crew, client: Client) -> None:
    app = make_app(crew.settings)
    with app.connection_for_write() as connection:
        app.amqp.queues[CONTROL].bind(connection.channel()).declare()
    assert crew.redis.client.delete(f"moderation:_kombu.binding.{CONTROL}")
    crew.assert_done_once([client.submit(crew.film())])


def test_fault_027_a_hundred_messages_for_one_job_begin_it_once(crew: Crew, client: Client) -> None:
    job = client.submit(crew.film())
    for lane in LANES:
        CeleryWaker(make_app(crew.settings)).wake(lane, 50)
    crew.assert_done_once([job])
    until(lambda: not crew.messages(), "the end of all messages")


@pytest.mark.parametrize(
    ("task", "arguments", "options"),
    [
        ("moderation.work", ["6d0c5b2e-3f6f-4f0e-8b43-0f5f6a3a1c11"], {}),
        ("moderation.work", ["cpu"], {"v": 99}),
        ("moderation.work_v2", [], {"lane": "cpu"}),
    ],
    ids=["fault_028-unknown", "fault_030-with-news", "fault_030-of-another-version"],
)
def test_a_message_that_means_nothing_is_dropped_and_the_job_is_not(
    crew: Crew,
    client: Client,
    task: str,
    arguments: Sequence[str],
    options: dict[str, object],
) -> None:
    app = make_app(crew.settings)
    for _ in range(3):
        app.send_task(task, arguments, options, queue="cpu")
    crew.assert_done_once([client.submit(crew.film())])
    until(lambda: not crew.messages(), "the end of all messages")
    assert all(each.is_running for each in crew.workers)


# Who submits


_SUBMITTER = """
import os, sys
from moderation.client import Client
from moderation_workers.wake import CeleryWaker

told = CeleryWaker.wake
for point in ("committed", "published"):

    def wake(*given):
        if point == "published":
            told(*given)
        os._exit(0)

    CeleryWaker.wake = wake
    for path in sys.argv[1:]:
        if not os.fork():
            Client().submit(path, idempotency_key=point + path)
            os._exit(1)
        assert os.wait()[1] == 0
"""
"""Processes that end before their message, and after it, but before they hear that it was sent."""


def test_fault_031_032_a_submitter_that_dies_around_its_message_has_one_job(
    crew: Crew, client: Client
) -> None:
    paths = [str(crew.film()) for _ in range(CYCLES)]
    keys = {point + path: path for path in paths for point in ("committed", "published")}
    subprocess.run([sys.executable, "-c", _SUBMITTER, *paths], env=crew.environment, check=True)
    left = [job for job in client.jobs(limit=None) if job.job.uri in paths]
    assert len(left) == len(keys)
    tried_again = {client.submit(path, idempotency_key=key).id for key, path in keys.items()}
    assert tried_again == {job.id for job in left}
    crew.assert_done_once(left)


# Workers that are told to end


def test_fault_024_however_often_and_roughly_a_worker_is_told_to_end_nothing_is_lost(
    crew: Crew, client: Client
) -> None:
    bursts = [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGQUIT)]
    jobs = [crew.hold(client) for _ in bursts]
    for worker, (first, second) in zip(crew.workers, bursts, strict=True):
        main, _ = processes(worker)
        main.send_signal(first)
        with suppress(psutil.TimeoutExpired):
            main.wait(0.2)
        with suppress(psutil.NoSuchProcess):
            main.send_signal(second)
    crew.let_go()
    until(lambda: not any(each.is_running for each in crew.workers), "their end")
    crew.staff()
    crew.assert_one_verdict(jobs)


# Workers that start


def test_fault_022_a_wrong_password_ends_a_worker_and_is_not_told(
    house: Crew,
) -> None:
    refused = run_worker(house, f"redis://someone:Geheimnis@127.0.0.1:{house.redis.port}/0")
    assert refused.returncode == 2
    assert f"127.0.0.1:{house.redis.port}" in refused.stderr
    assert "correct user and password" in refused.stderr
    assert "Geheimnis" not in refused.stderr + refused.stdout


def run_worker(house: Crew, broker: str) -> subprocess.CompletedProcess[str]:
    """Of another broker, until it ends."""
    return subprocess.run(
        [sys.executable, "-c", "from moderation.cli import main; main()", "worker"],
        env={**house.environment, "MODERATION_JOBS__BROKER": broker},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_fault_022_a_user_who_may_not_run_scripts_is_told_so(redis_server: RedisServer) -> None:
    with (
        limited_user(redis_server, "-evalsha") as user,
        pytest.raises(ConfigurationError, match=r"'evalsha'.*ACL"),
    ):
        check_broker(app_of(redis_server, user))


@contextmanager
def limited_user(redis: RedisServer, *rights: str) -> Iterator[str]:
    """One with these rights less than all, as it stands in a URL."""
    redis.client.acl_setuser(
        "limited",
        enabled=True,
        passwords=["+pw"],
        keys=["moderation:*"],
        channels=["*"],
        categories=["+@all"],
        commands=list(rights),
    )
    yield "limited:pw@"
    redis.client.acl_deluser("limited")


def app_of(redis: RedisServer, user: str = "") -> Celery:
    broker = f"redis://{user}127.0.0.1:{redis.port}/0"
    return make_app(Settings(jobs=JobSettings(broker=broker)))


def test_fault_017_a_broker_that_drops_messages_is_refused(redis_server: RedisServer) -> None:
    redis_server.client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(ConfigurationError, match="maxmemory-policy allkeys-lru") as refused:
        check_broker(app_of(redis_server))
    assert refused.value.hint == "set maxmemory-policy noeviction in redis.conf"


def test_fault_017_a_broker_that_does_not_tell_is_warned_of(
    redis_server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    redis_server.client.config_set("maxmemory-policy", "allkeys-lru")
    with limited_user(redis_server, "-info", "-config") as user:
        check_broker(app_of(redis_server, user))
    told = capsys.readouterr()
    assert "does not tell its maxmemory-policy" in told.out + told.err


def test_a_broker_that_does_not_answer_yet_is_waited_for(redis_server: RedisServer) -> None:
    redis_server.kill()
    check_broker(app_of(redis_server))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("worker_cancel_long_running_tasks_on_connection_loss", True),
        ("result_backend", "redis://127.0.0.1/1"),
        ("task_acks_late", False),
    ],
)
def test_fault_013_settings_that_lose_tasks_are_refused(
    redis_server: RedisServer, setting: str, value: object
) -> None:
    app = app_of(redis_server)
    check_settings(app)
    app.conf[setting] = value
    with pytest.raises(ConfigurationError, match=f"Celery's setting {setting} is not"):
        check_settings(app)


def test_fault_016_workers_end_of_a_full_broker_and_go_on_when_it_is_not(
    crew: Crew, client: Client
) -> None:
    for each in crew.workers:
        each.freeze()
    job = client.submit(crew.film())
    fill(crew.redis)
    for each in crew.workers:
        each.thaw()
    until(lambda: not all(each.is_running for each in crew.workers), "the end of a worker")
    assert {each.stop() for each in crew.workers if not each.is_running} == {1}
    jobs = [job, client.submit(crew.film())]
    crew.redis.client.config_set("maxmemory", "0")
    crew.staff()
    crew.assert_one_verdict(jobs)


def fill(redis: RedisServer) -> None:
    """Until nothing more can be written."""
    redis.client.config_set("maxmemory", "3mb")
    for size in (100_000, 100):
        with suppress(OutOfMemoryError):
            for number in itertools.count():
                redis.client.set(f"ballast-{size}-{number}", bytes(size))


SLOW_S = 6
"""More than the 4 s after which Celery, left to itself, kills what has not started."""

_SLOW_START = """
import os, sys, time
if any("spawn_main" in each for each in sys.orig_argv):
    replaces = os.path.exists({log!r})
    with open({log!r}, "a") as log:
        log.write("one\\n")
    time.sleep({slow} * replaces)
"""


def late(house: Crew) -> tuple[Worker, Path, Path]:
    """A worker whose pool processes, but for the first, take longer to start than Celery's default
    allows, and whose clock goes by a file; the log of these starts, and that file.
    """
    place, clock = house.settings.home / "late", house.settings.home / "late" / "clock"
    starts = place / "starts"
    if not place.exists():
        place.mkdir()
        (place / "sitecustomize.py").write_text(_SLOW_START.format(log=str(starts), slow=SLOW_S))
        clock.write_text("+0")
    environment = {
        "PYTHONPATH": f"{place}:{house.environment['PYTHONPATH']}",
        "LD_PRELOAD": libfaketime(),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return house.latecomer(**environment), starts, clock


def libfaketime() -> str:
    """Its path, or "" where it is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return os.environ.get("FAKETIME_LIBRARY") or "".join(map(str, found[:1]))


@rare
def test_fault_026_a_worker_whose_clock_jumps_takes_no_part_from_another(
    crew: Crew, client: Client
) -> None:
    if not libfaketime():
        pytest.skip(
            "there is no libfaketime: install the package faketime, or set FAKETIME_LIBRARY"
        )
    held = [crew.hold(client) for _ in crew.workers]
    worker, _, clock = late(crew)
    for days in (3, -3):
        clock.write_text(f"{days:+}d")
        crew.assert_done_once([client.submit(crew.film())])
        assert str((datetime.now(UTC) + timedelta(days)).date()) in worker.log
    assert all([""] in crew.outcomes(job) for job in held)
    crew.let_go()
    crew.assert_done_once(held)


@rare
def test_fault_033_a_pool_process_that_starts_slowly_is_waited_for(house: Crew) -> None:
    """Celery minds only those that replace another."""
    worker, starts, _ = late(house)
    (first,) = worker.pool
    os.kill(first, signal.SIGKILL)
    until(lambda: age_s(worker, first) > SLOW_S, "a pool process that is let alone")
    assert starts.read_text().split() == ["one", "one"]


def age_s(worker: Worker, replaced: int) -> float:
    """Of the pool process in place of another; 0 while there is none."""
    with suppress(psutil.NoSuchProcess):
        for pid in set(worker.pool) - {replaced}:
            return time.time() - float(psutil.Process(pid).create_time())
    return 0.0
