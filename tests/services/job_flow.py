"""The way of a job over real leases, without a detector: what a worker does, with made results;
and whether a job that went it was done once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from sqlalchemy import func, select

from moderation.job import Job, JobState, Kind, Lease, PartState, Submission
from moderation.policy import Policy
from moderation.scan import Scan
from moderation.store import Jobs, Leases, Store
from moderation.store.models import EvidenceRow, ReviewItemRow, ScanRow, VerdictRow, VideoRow
from moderation.testing.scans import make_evidence, make_scan
from tests.services.server import until

__all__ = ["LANES", "POLICY", "drain", "end", "submission", "submit", "work", "wrong"]

LANES: Final = ("cpu", "gpu")
POLICY: Final = Policy.parse(
    'schema = "moderation.policy/v1"\nname = "flow"\nversion = "1"', "flow.toml"
)
_EVIDENCE: Final = (make_evidence(start_s=1), make_evidence(start_s=2))

_ENDS: Final = {PartState.DONE, PartState.DEAD}

Told = Callable[[str], None]


def submission(name: str) -> Submission:
    return Submission(uri=name, pin="etag:1", policy=POLICY.ref.digest)


def submit(jobs: Jobs, *names: str) -> list[Job]:
    """As a client does."""
    jobs.keep(POLICY)
    return jobs.submit([submission(name) for name in names])


def work(leases: Leases, lane: str, owner: str, step: Told = lambda _: None) -> bool:
    """Take a part and end it; whether there was one. `step` hears what comes next."""
    step(f"claim in {lane}")
    lease = leases.claim(lane, owner)
    if lease is not None:
        end(leases, lease, step)
    return lease is not None


def end(leases: Leases, lease: Lease, step: Told = lambda _: None) -> None:
    """What a worker does under a lease."""
    uri = leases.work(lease).uri
    place = f" in {lease.lane}" if lease.kind is Kind.SCAN else ""
    step(f"{lease.kind}{place} ends")
    match lease.kind:
        case Kind.INGEST:
            leases.plan(lease, {"video": uri}, LANES)
        case Kind.SCAN:
            leases.seen(lease, {"seen": uri})
        case Kind.DECIDE:
            leases.decided(lease, _made(uri), POLICY, "all", publish=True)
        case Kind.PUBLISH:
            leases.published(lease)


def _made(uri: str) -> Scan:
    """Of these bytes, with another id each time, as every look has one of its own."""
    return make_scan(*_EVIDENCE, name=uri, id=secrets.token_hex(8), policy=POLICY.ref)


def drain(jobs: Jobs, leases: Leases, owner: str) -> None:
    """What workers do who were told nothing, until nothing is left: sweep, and see what waits.

    What a process had locked that was killed just now is free a moment later.
    """

    def is_over() -> bool:
        leases.reap()
        for lane in leases.waiting():
            work(leases, lane, owner)
        return not jobs.counts()

    until(is_over, "the end of all jobs")


def wrong(store: Store, job_id: str, attempts: int) -> list[str]:
    """What is not as it must be of a job that is over: one verdict, one review item, the evidence
    once, nothing that runs, and no more than so many attempts at a part.
    """
    jobs = Jobs(store)
    job = jobs.get(job_id)
    scan = store.judged(job.scan_id, job.policy)
    found = {
        "the job": (job.state, JobState.DONE),
        "its parts": ({part.state for part in job.parts} - _ENDS, set()),
        "its evidence": (scan and scan.evidence, _EVIDENCE),
        "stored": (_stored(store, job.uri), {"scans": 1, "verdicts": 1, "items": 1, "evidence": 2}),
    }
    for part in job.parts:
        outcomes = [each.outcome for each in jobs.attempts(part.id)]
        fair = "" not in outcomes and outcomes.count("done") <= 1 and len(outcomes) <= attempts
        found[f"attempts at {part.kind}"] = (outcomes if not fair else "fair", "fair")
    return [f"{what}: {is_} for {must}" for what, (is_, must) in found.items() if is_ != must]


def _stored(store: Store, uri: str) -> dict[str, int]:
    """Of one video."""
    videos = select(VideoRow.id).where(VideoRow.uri == uri)
    scans = select(ScanRow.id).where(ScanRow.video_id.in_(videos))
    counted = {
        "scans": select(func.count(ScanRow.id)).where(ScanRow.video_id.in_(videos)),
        "verdicts": select(func.count(VerdictRow.id)).where(VerdictRow.video_id.in_(videos)),
        "items": select(func.count(ReviewItemRow.id)).where(ReviewItemRow.video_id.in_(videos)),
        "evidence": select(func.count(EvidenceRow.position)).where(EvidenceRow.scan_id.in_(scans)),
    }
    with store.reading() as session:
        return {name: session.scalar(asked) or 0 for name, asked in counted.items()}
