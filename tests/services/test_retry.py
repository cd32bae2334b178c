"""`moderation retry --detector`: one detector looks again, and the job is judged anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moderation.errors import ConfigurationError, LeaseLost
from moderation.job import Job, JobState, Kind, Lease, PartState, Submission
from moderation.lanes import CONTROL
from moderation.policy import Policy
from moderation.store import Failure, Jobs, Leases, Store
from moderation.testing.clips import BLACK, Clip
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Coverage, CoverageStatus
from tests.services.commands import command
from tests.services.installation import Installation
from tests.services.redis_server import RedisServer

PLAN = {"lanes": {"gpu": ["objects", "nudity"], "cpu": ["speech"]}}

_FLAKY = '''

class Flaky(Colours):
    """As whose weights are missing at first."""

    name = "flaky"

    def detect(self, batches):
        if not (Path(os.environ["MODERATION_HOME"]) / "healed").exists():
            raise RuntimeError("its weights are missing")
        yield from super().detect(batches)


@hookimpl
def register_detectors(register):
    register(Colours)
    register(Flaky)
'''


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store.open(database_url) as store:
        yield store


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store)


@pytest.fixture
def leases(store: Store) -> Leases:
    return Leases(store, lease_s=60, attempts=1)


@pytest.fixture
def policy() -> Policy:
    return Policy.read("default")


@pytest.fixture
def job(jobs: Jobs, leases: Leases, policy: Policy) -> Job:
    """Judged, after two lanes looked; its text was read by `terms`."""
    given = Submission(uri="s3://uploads/a.mp4", pin="etag:1", policy=jobs.keep(policy))
    (job,) = jobs.submit([given])
    leases.plan(taken(leases), PLAN, ["cpu", "gpu"])
    for lane in ("cpu", "gpu"):
        leases.seen(taken(leases, lane), f"seen by {lane}")
    judge(leases, policy)
    return job


def judge(leases: Leases, policy: Policy) -> Any:
    """What the decision was made of."""
    lease = taken(leases)
    read = Coverage(detector="terms", status=CoverageStatus.COMPLETE)
    scan = make_scan(make_evidence(), coverage=(read,), policy=policy.ref)
    results = leases.work(lease).results
    leases.decided(lease, scan, policy, "all")
    return results


def taken(leases: Leases, lane: str = CONTROL) -> Lease:
    lease = leases.claim(lane, "one")
    assert lease is not None
    return lease


def waiting(job: Job) -> list[tuple[Kind, str]]:
    return [(part.kind, part.lane) for part in job.parts if part.state is PartState.QUEUED]


def test_its_lane_looks_again_and_the_job_is_judged_anew(
    jobs: Jobs, leases: Leases, job: Job, policy: Policy
) -> None:
    again = jobs.retry(job.id, ["nudity"])
    assert (again.state, waiting(again)) == (JobState.QUEUED, [(Kind.SCAN, "gpu")])
    leases.seen(taken(leases, "gpu"), "seen again")
    results = judge(leases, policy)
    assert results == {("cpu", 0): "seen by cpu", ("gpu", 0): "seen again"}
    assert jobs.get(job.id).state is JobState.DONE


def test_what_was_seen_stays_when_the_second_look_fails(
    jobs: Jobs, leases: Leases, job: Job, policy: Policy
) -> None:
    jobs.retry(job.id, ["objects"])
    leases.fail(taken(leases, "gpu"), Failure(error="out of memory"))
    assert judge(leases, policy) == {("cpu", 0): "seen by cpu", ("gpu", 0): "seen by gpu"}


def test_who_reads_text_reads_again_and_nobody_looks(jobs: Jobs, job: Job) -> None:
    assert waiting(jobs.retry(job.id, ["terms"])) == [(Kind.DECIDE, CONTROL)]


def test_what_is_being_published_does_not_keep_the_next_verdict_from_it(
    jobs: Jobs, leases: Leases, job: Job, policy: Policy
) -> None:
    jobs.retry(job.id, ["terms"])
    leases.decided(taken(leases), make_scan(policy=policy.ref), policy, "all", publish=True)
    earlier = taken(leases)
    jobs.retry(job.id, ["terms"])
    scan = make_scan(policy=policy.ref)
    leases.decided(taken(leases), scan, policy, "all", publish=True)
    with pytest.raises(LeaseLost):
        leases.published(earlier)
    lease = taken(leases)
    assert (lease.kind, leases.work(lease).scan_id) == (Kind.PUBLISH, scan.id)


def test_twice_is_once(jobs: Jobs, leases: Leases, job: Job) -> None:
    jobs.retry(job.id, ["nudity"])
    taken(leases, "gpu")
    assert waiting(jobs.retry(job.id, ["objects"])) == []


def test_a_detector_that_had_no_turn_is_refused(jobs: Jobs, job: Job) -> None:
    with pytest.raises(ConfigurationError, match=r"faces had no turn .* nudity, objects, speech"):
        jobs.retry(job.id, ["faces", "objects"])
    assert jobs.get(job.id).state is JobState.DONE


def test_a_detector_that_failed_looks_again(
    tmp_path: Path, database_url: str, redis_server: RedisServer
) -> None:
    installation = Installation(tmp_path / "home", database_url, redis_server.url)
    with (tmp_path / "home" / "plugin" / "trivial.py").open("a") as plugin:
        plugin.write(_FLAKY)
    installation.worker()
    clip = Clip(64, 48, fps=5).show(1, BLACK).write(tmp_path / "clip.mp4")
    with installation.client() as client:
        job = client.submit(clip).wait(60)
        before = {each.detector: each.status for each in job.scan.coverage}
        (tmp_path / "home" / "healed").touch()
        done = command(installation, "retry", job.id, "--detector", "flaky")
        after = {each.detector: each.status for each in job.wait(60).scan.coverage}
    installation.close()
    assert done.returncode == 0, done.stderr
    assert (before["flaky"], after["flaky"]) == (CoverageStatus.FAILED, CoverageStatus.COMPLETE)
    assert before["colours"] == after["colours"] == CoverageStatus.COMPLETE
