"""Crash points: whoever dies wherever on a job's way, the job is done, and done once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moderation.job import JobState
from moderation.store import Jobs, Leases, Store
from tests.services.job_flow import drain, submit, wrong
from tests.services.victims import ATTEMPTS, STEPS, Death, Victims

MOST = 200
"""Points of a flow are fewer: a victim that never comes through is a fault as well."""


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with Victims() as victims:
        yield victims


@pytest.mark.parametrize("flow", STEPS)
def test_a_job_is_done_once_wherever_a_process_ends(
    database_url: str, victims: Victims, flow: str
) -> None:
    """`os._exit` before every statement that changes something, before and after every commit."""
    with Store.open(database_url) as store:
        points = set(deaths(store, victims, database_url, flow))
    for step in STEPS[flow]:
        assert {f"{step}: before the commit", f"{step}: after the commit"} <= points


def deaths(store: Store, victims: Victims, url: str, flow: str) -> Iterator[str]:
    """Every point of a flow, once what a death there left was put right and found right."""
    for number in range(1, MOST):
        name = f"{flow} {number}"
        death = victims.die(url, flow, name, number)
        recover(store, name, death)
        if not death.point:
            return
        yield death.point
    pytest.fail(f"{flow} has no end")


def recover(store: Store, name: str, death: Death) -> None:
    """What its client and other workers do; then nothing is lost, and nothing is there twice."""
    jobs = Jobs(store)
    (job,) = submit(jobs, name)
    assert death.told in ("", job.id), f"lost after {death.point}"
    if job.state is JobState.CANCELLED:
        jobs.retry(job.id)
    drain(jobs, Leases(store, lease_s=60, attempts=ATTEMPTS), "survivor")
    assert not wrong(store, job.id, ATTEMPTS + 1), death.point
