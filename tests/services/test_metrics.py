"""Metrics: what every worker tells Prometheus, read from the database."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from moderation_workers.gpu_memory import Memory, Teller
from moderation_workers.metrics import Endpoint, Metrics, Tally
from prometheus_client.parser import text_string_to_metric_families

from moderation.config import Settings
from moderation.job import Job, JobState, Lease, Submission
from moderation.lanes import CONTROL
from moderation.metrics_settings import MetricsSettings
from moderation.policy import Policy
from moderation.scan import Timing
from moderation.store import Failure, Jobs, Leases, Store
from moderation.store.figures import Figures, Sums, Within
from moderation.store.workers import Presence, Workers
from moderation.testing.clips import WHITE, Clip
from moderation.testing.scans import make_evidence, make_scan
from tests.services.installation import Installation
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer

LANES = (CONTROL, "cpu", "gpu")
BOUNDS = (1.0, 60.0)

Submit = Callable[[str], Job]
Told = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store.open(database_url) as opened:
        yield opened


@pytest.fixture
def submit(store: Store) -> Submit:
    jobs = Jobs(store)
    digest = jobs.keep(Policy.read("default"))
    return lambda name: jobs.submit([Submission(uri=f"s3://b/{name}", pin="", policy=digest)])[0]


def taken(leases: Leases, lane: str = CONTROL) -> Lease:
    lease = leases.claim(lane, "one")
    assert lease is not None
    return lease


def since(**past: float) -> Within:
    return Within(datetime.now(UTC) - timedelta(**past))


def told(metrics: Metrics) -> Told:
    """Each sample by its name and the values of its labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


# Gauges


def test_lanes_are_told_with_what_waits_and_runs(store: Store, submit: Submit) -> None:
    for name in "abc":
        submit(name)
    taken(Leases(store))
    Workers(store).say(
        Presence(name="one", host="node", lanes=(CONTROL, "gpu"), device="cuda"), silent_s=60
    )
    now = told(Metrics(store, LANES))
    assert now["moderation_parts", (CONTROL, "queued")] == 2
    assert now["moderation_parts", (CONTROL, "running")] == 1
    assert now["moderation_parts", ("cpu", "queued")] == 0
    assert [now["moderation_workers", (lane,)] for lane in LANES] == [1, 0, 1]
    assert now["moderation_database_up", ()] == 1


def test_dead_letters_are_told_until_they_are_tried_again(store: Store, submit: Submit) -> None:
    submit("a")
    lease = taken(Leases(store))
    Leases(store).fail(lease, Failure(error="it is no video"))
    metrics = Metrics(store, LANES)
    assert told(metrics)["moderation_dead_letters", (CONTROL,)] == 1
    Jobs(store).retry(lease.job_id)
    assert told(metrics)["moderation_dead_letters", (CONTROL,)] == 0


def test_the_memory_of_gpus_is_told_where_there_is_one(store: Store) -> None:
    workers = Workers(store)
    for name in ("with", "without"):
        workers.say(Presence(name=name, host="node", lanes=("gpu",), device=""), silent_s=60)
    workers.say_memory("with", used=3 << 30, total=80 << 30)
    memory = {
        labels: value
        for (name, labels), value in told(Metrics(store, LANES)).items()
        if name == "moderation_gpu_memory_bytes"
    }
    assert memory == {("with", "used"): 3 << 30, ("with", "total"): 80 << 30}


def test_memory_is_told_when_it_has_changed(store: Store) -> None:
    workers = Workers(store)
    workers.say(Presence(name="one", host="node", lanes=("gpu",), device=""), silent_s=60)
    teller, told = Teller(workers), []
    for used in (1 << 30, (1 << 30) + 1, 2 << 30, 1 << 30):
        teller.tell("one", Memory(used, 80 << 30))
        told += [each.gpu_used for each in workers.alive()]
    assert told == [1 << 30, 1 << 30, 2 << 30, 1 << 30]


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_to_ask_for_memory_begins_no_gpu() -> None:
    code = """
        import sys
        from moderation_workers.gpu_memory import memory
        assert memory() is None
        assert "torch" not in sys.modules
        import torch
        assert memory() is None
        assert not torch.cuda.is_initialized()
        if torch.cuda.is_available():
            kept = torch.zeros(1 << 20, device="cuda")
            assert 4 << 20 <= memory().used < memory().total
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


# Figures


def test_jobs_are_counted_by_how_long_they_took(store: Store, submit: Submit) -> None:
    submit("a")
    Leases(store).fail(taken(Leases(store)), Failure(error="it is no video"))
    (((state,), (seconds, *counts)),) = Figures(store).latencies(since(minutes=1), BOUNDS).items()
    assert state == JobState.FAILED
    assert 0 <= seconds < 60
    assert counts == [seconds <= 1, 1, 1]


def test_attempts_that_fail_and_are_lost_are_counted(store: Store, submit: Submit) -> None:
    submit("a")
    Leases(store).fail(taken(Leases(store)), Failure(error="S3 is slow", retry_s=0))
    taken(Leases(store, lease_s=-1))
    Leases(store).reap()
    Leases(store).release(taken(Leases(store)))
    counted = Figures(store).attempts(since(minutes=1))
    assert counted == {(CONTROL, "failed"): (1,), (CONTROL, "lost"): (1,)}


def test_detectors_are_told_with_the_time_that_they_computed(store: Store) -> None:
    policy = Policy.read("default")
    for name, detectors in {"a": {"objects": 2.0, "speech": 0.5}, "b": {"objects": 1.0}}.items():
        timing, now = Timing(detectors=detectors), datetime.now(UTC)
        scan = make_scan(
            make_evidence(), policy=policy.ref, name=name, timing=timing, scanned_at=now
        )
        store.save(scan, policy, fingerprint="all")
    assert Figures(store).detectors(since(minutes=1)) == {
        ("objects",): (3.0, 2),
        ("speech",): (0.5, 1),
    }


def test_what_ended_outside_of_a_span_is_not_counted(store: Store, submit: Submit) -> None:
    submit("a")
    Leases(store).fail(taken(Leases(store)), Failure(error="it is no video"))
    now = datetime.now(UTC)
    for span in (
        Within(now + timedelta(minutes=1)),
        Within(now - timedelta(hours=2), now - timedelta(hours=1)),
    ):
        assert Figures(store).latencies(span, BOUNDS) == {}
        assert Figures(store).attempts(span) == {}
        assert Figures(store).detectors(span) == {}


# Counters


def test_what_is_past_is_counted_once_and_what_is_late_is_counted() -> None:
    """Ends at minute 1, 2 and 3 of a clock that the test sets; the second is noted late."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ends, clock = [start + timedelta(minutes=1)], [start]

    def count(within: Within) -> Sums:
        until = within.until or datetime.max.replace(tzinfo=UTC)
        return {("x",): (sum(within.since <= each < until for each in ends),)}

    tally, read = Tally(count, clock=lambda: clock[0]), []
    for minute, late in ((1.5, []), (3, [2, 3]), (9, []), (9, [])):
        clock[0] = start + timedelta(minutes=minute)
        ends += [start + timedelta(minutes=each) for each in late]
        read.append(tally.read()["x",][0])
    assert read == [1, 3, 3, 3]


def test_a_counter_never_goes_back() -> None:
    counts = [3.0, 1.0, 4.0]
    tally = Tally(lambda _: {("x",): (counts[0],)})
    read = []
    while counts:
        read.append(tally.read()["x",][0])
        del counts[0]
    assert read == [3, 3, 4]


# The endpoint


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def scraped(port: int) -> Told:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            (sample.name, tuple(each for _, each in sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }


def test_nothing_is_told_unless_a_port_is_set(store: Store) -> None:
    assert Endpoint.open(Settings(), store) is None


def test_a_port_that_is_taken_costs_no_worker(store: Store) -> None:
    settings = Settings(metrics=MetricsSettings(port=free_port()))
    first = Endpoint.open(settings, store)
    assert first is not None
    assert Endpoint.open(settings, store) is None
    first.close()


def test_a_database_that_is_away_is_told(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    with Store.open(postgres_url) as store:
        metrics = Metrics(store, LANES)
        assert told(metrics)["moderation_database_up", ()] == 1
        postgres_server.kill()
        assert told(metrics) == {("moderation_database_up", ()): 0}
        postgres_server.start()
        assert told(metrics)["moderation_database_up", ()] == 1


def test_a_worker_tells_what_became_of_a_job(
    tmp_path: Path, postgres_url: str, redis_server: RedisServer
) -> None:
    fleet = Installation(tmp_path / "home", postgres_url, redis_server.url)
    port = free_port()
    try:
        (tmp_path / "home" / "moderation.toml").write_text(f"[metrics]\nport = {port}\n")
        fleet.worker()
        with fleet.client() as client:
            path = Clip(64, 48, fps=5).show(1, WHITE).write(tmp_path / "film.mp4")
            client.submit(path).wait(60)
        now = scraped(port)
    finally:
        fleet.close()
    assert now["moderation_job_seconds_count", ("done",)] == 1
    assert now["moderation_job_seconds_bucket", ("+Inf", "done")] == 1
    assert now["moderation_detector_seconds_count", ("colours",)] == 1
    assert now["moderation_parts", ("cpu", "queued")] == 0
    assert now["moderation_workers", ("cpu",)] == 1
