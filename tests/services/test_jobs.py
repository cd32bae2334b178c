"""Jobs on real databases: nothing is lost, nothing is done twice, whoever dies meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from moderation.errors import ConfigurationError, LeaseLost
from moderation.job import Job, JobState, Kind, Lease, PartState, Submission
from moderation.lanes import CONTROL
from moderation.policy import Policy
from moderation.store import Failure, Hold, Jobs, Leases, Store
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Action

LANE = "gpu"


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store.open(database_url) as store:
        yield store


@pytest.fixture
def policy() -> Policy:
    return Policy.read("default")


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store)


@pytest.fixture
def leases(store: Store) -> Leases:
    return Leases(store, lease_s=60, attempts=3)


@pytest.fixture
def submit(jobs: Jobs, policy: Policy) -> Any:
    digest = jobs.keep(policy)

    def one(name: str = "a", **fields: Any) -> Job:
        given = {"uri": f"s3://uploads/{name}.mp4", "pin": "etag:1", "policy": digest, **fields}
        return jobs.submit([Submission(**given)])[0]

    return one


def taken(leases: Leases, lane: str = CONTROL, owner: str = "one") -> Lease:
    lease = leases.claim(lane, owner)
    assert lease is not None
    return lease


def to_the_decision(leases: Leases, result: Any = None) -> Lease:
    """Ingested and seen in one lane."""
    leases.plan(taken(leases), {"video": 1}, [LANE])
    leases.seen(taken(leases, LANE), result)
    return taken(leases)


def end(leases: Leases, lease: Lease, policy: Policy, name: str = "a.mp4") -> None:
    scan = make_scan(make_evidence(), name=name, policy=policy.ref)
    leases.decided(lease, scan, policy, "all")


def expired(store: Store) -> Leases:
    """Whose leases run out as soon as they are given."""
    return Leases(store, lease_s=-1, attempts=3)


# Submitted


def test_a_job_waits_in_the_control_lane(submit: Any, jobs: Jobs) -> None:
    job = jobs.get(submit().id)
    assert (job.state, job.progress) == (JobState.QUEUED, 0)
    assert [(part.kind, part.lane) for part in job.parts] == [(Kind.INGEST, CONTROL)]


def test_the_same_version_under_the_same_policy_is_one_job(submit: Any, jobs: Jobs) -> None:
    assert submit().id == submit().id
    assert len(jobs.get(submit().id).parts) == 1


def test_another_version_or_policy_is_another_job(submit: Any, jobs: Jobs) -> None:
    other = jobs.keep(Policy.read("light"))
    assert len({submit().id, submit(pin="etag:2").id, submit(policy=other).id}) == 3


def test_a_key_of_ones_own_decides_what_is_one_job(submit: Any) -> None:
    assert submit(key="upload 7").id == submit(pin="etag:2", key="upload 7").id
    assert submit(key="upload 8").id != submit(key="upload 7").id


def test_many_are_submitted_at_once_and_duplicates_among_them_are_one(
    jobs: Jobs, policy: Policy
) -> None:
    digest = jobs.keep(policy)
    given = [Submission(uri=f"s3://b/{n % 1500}", pin="", policy=digest) for n in range(2500)]
    submitted = jobs.submit(given)
    assert [job.uri for job in submitted] == [each.uri for each in given]
    assert len({job.id for job in submitted}) == 1500


def test_all_who_submit_at_once_get_the_same_job(store: Store, policy: Policy) -> None:
    digest = Jobs(store).keep(policy)
    given = [Submission(uri=f"s3://b/{n}", pin="", policy=digest) for n in range(20)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Jobs(store).submit(given), range(8)))
    assert len({tuple(job.id for job in answer) for answer in answers}) == 1
    assert len(Jobs(store).find(limit=None)) == 20


# Taken


def test_nothing_is_taken_where_nothing_waits(leases: Leases) -> None:
    assert leases.claim(CONTROL, "one") is None


def test_a_part_is_taken_once(submit: Any, leases: Leases, jobs: Jobs) -> None:
    job = submit()
    assert taken(leases).job_id == job.id
    assert leases.claim(CONTROL, "two") is None
    assert jobs.get(job.id).state is JobState.RUNNING


def test_fault_027_however_many_ask_each_part_is_taken_by_one(submit: Any, leases: Leases) -> None:
    for n in range(10):
        submit(f"v{n}")
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda n: leases.claim(CONTROL, f"w{n}"), range(40)))
    got = [lease.part_id for lease in claims if lease is not None]
    assert (len(got), len(set(got))) == (10, 10)


def test_fault_034_the_urgent_go_before_the_many(submit: Any, leases: Leases) -> None:
    for n in range(20):
        submit(f"bulk{n}", priority=1)
    urgent = submit("urgent", priority=9)
    assert taken(leases).job_id == urgent.id


def test_one_tags_backlog_does_not_starve_another(submit: Any, leases: Leases) -> None:
    for n in range(30):
        submit(f"a{n}", tag="backfill")
    for _ in range(10):
        taken(leases)
    others = {submit(f"b{n}", tag="user").id for n in range(5)}
    order = [taken(leases).job_id in others for _ in range(12)]
    assert sum(order) == 5
    assert not all(order[:5]), "and the backlog goes on meanwhile"


def test_what_ends_a_job_goes_before_what_begins_one(submit: Any, leases: Leases) -> None:
    first = submit("a")
    leases.plan(taken(leases), None, [])
    submit("b")
    lease = taken(leases)
    assert (lease.job_id, lease.kind) == (first.id, Kind.DECIDE)


# Done


def test_every_section_of_every_lane_is_a_part(submit: Any, leases: Leases, jobs: Jobs) -> None:
    job = submit()
    lanes = leases.plan(taken(leases), None, ["gpu", "cpu"], sections=3)
    assert sorted(lanes) == ["cpu"] * 3 + ["gpu"] * 3, "as many workers as there are parts"
    for lane in ("gpu", "cpu"):
        for number in range(3):
            assert leases.claim(CONTROL, "one") is None
            lease = taken(leases, lane)
            assert (lease.kind, lease.number) == (Kind.SCAN, number)
            leases.seen(lease, f"{lane} {number}")
    results = leases.work(taken(leases)).results
    assert results == {(lane, n): f"{lane} {n}" for lane in ("gpu", "cpu") for n in range(3)}
    assert [part.number for part in jobs.get(job.id).parts] == [0, 0, 0, 1, 1, 2, 2, 0]


def test_a_worker_may_go_on_with_the_job_that_it_has_open(submit: Any, leases: Leases) -> None:
    first, second = submit("a"), submit("b")
    assert leases.claim(CONTROL, "one", second.id).job_id == second.id  # type: ignore[union-attr]
    assert leases.claim(CONTROL, "one", second.id) is None
    assert taken(leases).job_id == first.id


def test_a_publication_follows_its_verdict_and_cannot_take_it_back(
    submit: Any, leases: Leases, jobs: Jobs, policy: Policy
) -> None:
    job, scan = submit(), make_scan(make_evidence(), policy=policy.ref)
    assert leases.decided(to_the_decision(leases), scan, policy, "all", publish=True) == [CONTROL]
    assert jobs.get(job.id).state is JobState.DONE, "who waits for the verdict has it"
    lease = taken(leases)
    assert (lease.kind, leases.work(lease).scan_id) == (Kind.PUBLISH, scan.id)
    leases.fail(lease, Failure(error="no such bucket"))
    failed = jobs.get(job.id)
    assert (failed.state, failed.error) == (JobState.DONE, "no such bucket")
    assert [part.kind for part in jobs.dead()] == [Kind.PUBLISH]
    assert jobs.retry(job.id).state is JobState.DONE
    leases.published(taken(leases))
    ended = jobs.get(job.id)
    assert ({part.state for part in ended.parts}, ended.error) == ({PartState.DONE}, "")


def test_a_job_goes_from_ingest_over_its_lanes_to_a_verdict(
    submit: Any, leases: Leases, jobs: Jobs, policy: Policy
) -> None:
    job = submit()
    leases.plan(taken(leases), {"video": 1}, ["gpu", "cpu"])
    leases.seen(taken(leases, "gpu"), "seen by gpu")
    assert leases.claim(CONTROL, "one") is None, "the other lane has not looked yet"
    leases.seen(taken(leases, "cpu"), "heard by cpu")
    lease = taken(leases)
    work = leases.work(lease)
    assert (work.plan, work.dead) == ({"video": 1}, {})
    assert work.results == {("gpu", 0): "seen by gpu", ("cpu", 0): "heard by cpu"}
    end(leases, lease, policy)
    done = jobs.get(job.id)
    assert (done.state, done.action, done.progress) == (JobState.DONE, Action.REVIEW, 1)
    assert {part.state for part in done.parts} == {PartState.DONE}


def test_two_lanes_that_end_at_once_open_one_decision(
    submit: Any, store: Store, leases: Leases, jobs: Jobs
) -> None:
    for round_ in range(5):
        job = submit(f"v{round_}")
        leases.plan(taken(leases), None, ["gpu", "cpu"])
        both = [taken(leases, lane) for lane in ("gpu", "cpu")]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda lease: Leases(store).seen(lease, 1), both))
        assert [part.kind for part in jobs.get(job.id).parts].count(Kind.DECIDE) == 1
        taken(leases)


def test_the_verdict_is_in_the_store_with_its_review_item(
    submit: Any, store: Store, leases: Leases, jobs: Jobs, policy: Policy
) -> None:
    job = submit()
    end(leases, to_the_decision(leases), policy)
    (scan,) = store.scans()
    assert scan.id == jobs.get(job.id).scan_id


def test_every_attempt_is_on_record(submit: Any, leases: Leases, jobs: Jobs) -> None:
    job = submit()
    leases.fail(taken(leases), Failure(error="S3 is slow", traceback="...", retry_s=0))
    leases.plan(taken(leases, owner="two"), None, [])
    tries = jobs.attempts(jobs.get(job.id).parts[0].id)
    told = [(each.number, each.owner, each.outcome, each.error) for each in tries]
    assert told == [(1, "one", "failed", "S3 is slow"), (2, "two", "done", "")]


# Lost


def test_a_heartbeat_keeps_a_part(submit: Any, leases: Leases) -> None:
    submit()
    assert leases.renew(taken(leases), 0.5) is Hold.OURS
    assert leases.reap() == 0


def test_fault_002_what_a_dead_worker_held_is_taken_by_another(
    submit: Any, store: Store, leases: Leases, jobs: Jobs
) -> None:
    job = submit()
    taken(expired(store))
    assert leases.reap() == 1
    again = taken(leases, owner="two")
    assert (again.attempt, again.job_id) == (2, job.id)
    (first, _) = jobs.attempts(again.part_id)
    assert (first.outcome, first.error) == ("lost", "the worker one fell silent")


def test_reaping_twice_at_once_takes_back_once(submit: Any, store: Store, jobs: Jobs) -> None:
    submitted = [submit(f"v{n}") for n in range(6)]
    short = expired(store)
    for _ in submitted:
        taken(short)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Leases(store).reap(), range(4)))
    for job in submitted:
        (part,) = jobs.get(job.id).parts
        assert (part.state, len(jobs.attempts(part.id))) == (PartState.QUEUED, 1)


def test_fault_025_who_wakes_up_too_late_changes_nothing(
    submit: Any, store: Store, leases: Leases
) -> None:
    submit()
    zombie = taken(expired(store))
    leases.reap()
    now = taken(leases, owner="two")
    assert leases.renew(zombie) is Hold.LOST
    for late in (
        lambda: leases.plan(zombie, "late", ["cpu"]),
        lambda: leases.seen(zombie, "late"),
        lambda: leases.fail(zombie, Failure(error="late")),
        lambda: leases.release(zombie),
    ):
        with pytest.raises(LeaseLost):
            late()
    leases.plan(now, "in time", [])
    assert leases.work(taken(leases)).plan == "in time"


def test_fault_003_a_part_that_kills_its_workers_is_dead_after_three(
    submit: Any, store: Store, jobs: Jobs
) -> None:
    submit()
    short, lost = expired(store), 0
    while short.claim(CONTROL, "victim"):
        lost += short.reap()
    (part,) = jobs.dead()
    assert (lost, part.attempt, part.error) == (3, 3, "the worker victim fell silent")
    assert jobs.get(part.job_id).state is JobState.FAILED


def test_a_dead_lane_does_not_hide_what_the_others_saw(submit: Any, leases: Leases) -> None:
    submit()
    leases.plan(taken(leases), None, ["gpu", "cpu"])
    leases.seen(taken(leases, "cpu"), "heard")
    leases.fail(taken(leases, "gpu"), Failure(error="out of memory"))
    work = leases.work(taken(leases))
    assert work.results == {("cpu", 0): "heard"}
    assert work.dead == {("gpu", 0): "out of memory"}


def test_a_failure_that_may_pass_waits(submit: Any, leases: Leases) -> None:
    submit()
    leases.fail(taken(leases), Failure(error="S3 does not answer", retry_s=3600))
    assert leases.claim(CONTROL, "one") is None
    assert leases.waiting() == {}


def test_fault_023_a_shutdown_uses_up_no_attempt(submit: Any, leases: Leases, jobs: Jobs) -> None:
    submit()
    for _ in range(5):
        leases.release(taken(leases))
    assert leases.waiting() == {CONTROL: 1}
    assert not jobs.dead()


# Changed from outside


def test_fault_035_a_cancelled_job_is_nobodys(submit: Any, leases: Leases, jobs: Jobs) -> None:
    waiting, running = submit("a"), submit("b")
    first = taken(leases)
    assert first.job_id == waiting.id
    assert jobs.cancel(waiting.id).state is JobState.CANCELLED
    assert jobs.cancel(running.id).state is JobState.CANCELLED
    assert leases.renew(first) is Hold.CANCELLED
    assert leases.claim(CONTROL, "one") is None
    assert jobs.cancel(waiting.id).state is JobState.CANCELLED, "twice is harmless"


def test_a_finished_job_is_not_cancelled(
    submit: Any, leases: Leases, jobs: Jobs, policy: Policy
) -> None:
    job = submit()
    end(leases, to_the_decision(leases), policy)
    assert jobs.cancel(job.id).state is JobState.DONE


def test_what_was_cancelled_can_be_tried_again(submit: Any, leases: Leases, jobs: Jobs) -> None:
    job = submit()
    jobs.cancel(job.id)
    assert jobs.retry(job.id).state is JobState.QUEUED
    assert taken(leases).job_id == job.id


def test_a_dead_lane_that_is_tried_again_is_judged_again(
    submit: Any, leases: Leases, jobs: Jobs, policy: Policy
) -> None:
    job = submit()
    leases.plan(taken(leases), None, ["gpu", "cpu"])
    leases.seen(taken(leases, "cpu"), "heard")
    leases.fail(taken(leases, "gpu"), Failure(error="out of memory"))
    end(leases, taken(leases), policy)
    assert jobs.retry(job.id).state is JobState.QUEUED
    assert leases.claim(CONTROL, "one") is None
    leases.seen(taken(leases, "gpu"), "seen")
    lease = taken(leases)
    assert leases.work(lease).results == {("cpu", 0): "heard", ("gpu", 0): "seen"}
    end(leases, lease, policy, name="again.mp4")
    assert jobs.get(job.id).state is JobState.DONE


def test_a_retry_of_what_went_well_changes_nothing(
    submit: Any, leases: Leases, jobs: Jobs, policy: Policy
) -> None:
    job = submit()
    end(leases, to_the_decision(leases), policy)
    assert jobs.retry(job.id) == jobs.get(job.id)
    assert jobs.get(job.id).state is JobState.DONE


def test_an_unknown_job_is_an_error_with_the_next_step(jobs: Jobs) -> None:
    for ask in (jobs.get, jobs.cancel, jobs.retry):
        with pytest.raises(ConfigurationError, match="there is no job nonsense"):
            ask("nonsense")


def test_lanes_are_counted(submit: Any, leases: Leases, jobs: Jobs) -> None:
    for n in range(3):
        submit(f"v{n}")
    taken(leases)
    assert jobs.counts() == {(CONTROL, PartState.QUEUED): 2, (CONTROL, PartState.RUNNING): 1}


def test_jobs_are_found_by_state_and_tag(submit: Any, jobs: Jobs) -> None:
    mine = submit("a", tag="mine")
    submit("b", tag="others")
    assert [job.id for job in jobs.find(tag="mine")] == [mine.id]
    assert not jobs.find(state=[JobState.DONE])
    assert Counter(job.state for job in jobs.find()) == {JobState.QUEUED: 2}
