"""Jobs: one version of one upload to be judged, and the parts that its work is cut into.

    queued -> running -> done | failed | cancelled

The database knows them (`moderation.store.Jobs`); messages only say that there is work.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from moderation.verdict import Action

__all__ = [
    "Attempt",
    "Job",
    "JobState",
    "Kind",
    "Lease",
    "Part",
    "PartState",
    "Pinned",
    "Submission",
]


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    """It has a verdict, which may be `incomplete`."""
    FAILED = "failed"
    """It has none: nothing could be stored, however often it was tried."""
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


class PartState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    """Tried as often as the settings allow: a dead letter, with its reason."""
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """Steps of a job, in their order."""

    INGEST = "ingest"
    """Read the object once, see whether its bytes are known, and cut the work into parts."""
    SCAN = "scan"
    """One lane's detectors look."""
    DECIDE = "decide"
    """Join what all parts saw, judge, and open the review item."""
    PUBLISH = "publish"
    """Put pictures, a result document and tags where others look for them."""


class Pinned(NamedTuple):
    """One version of an upload: `uri` names it where versions have names, `pin` tells it."""

    uri: str
    pin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What somebody wants judged.

    pin       version or ETag of the object, by `Source.pin`: what is read later is this or nothing
    policy    digest of a policy that the store keeps
    priority  0 to 9, the most urgent first
    tag       whose it is: those who wait share the workers evenly by it
    key       of the submitter's own: the same again is the same job; empty: the object's version
    """

    uri: str
    pin: str
    policy: str
    priority: int = 5
    tag: str = ""
    key: str = ""

    @property
    def dedupe_key(self) -> str:
        """Equal for what is one job."""
        what = ("key", self.key) if self.key else ("object", self.uri, self.pin, self.policy)
        return hashlib.sha256("\0".join(what).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One step of a job in one lane.

    number    of the section that it looks at; 0 for all else
    attempt   how often it was begun
    progress  0 to 1
    error     of the last attempt that failed; one sentence
    """

    id: int
    job_id: str
    kind: Kind
    lane: str
    state: PartState
    number: int = 0
    attempt: int = 0
    progress: float = 0.0
    owner: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a part: who, when, and what became of it."""

    number: int
    owner: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str = ""
    """`done`, `failed`, `lost` (its lease ran out), `released`, `cancelled`, or `retried`: it came
    to nothing before a person had the part begun again; empty: it runs."""
    error: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A part that is ours until the lease runs out; `attempt` fences off who had it before.

    number  of the section of the video
    """

    part_id: int
    job_id: str
    kind: Kind
    lane: str
    attempt: int
    owner: str
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One version of one upload under one policy."""

    id: str
    uri: str
    pin: str
    policy: str
    """Digest."""
    priority: int
    tag: str
    state: JobState
    submitted_at: datetime
    finished_at: datetime | None = None
    scan_id: str = ""
    """Of the scan that answers it."""
    action: Action | None = None
    """Its verdict."""
    error: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def progress(self) -> float:
        """0 to 1, over the parts that are known."""
        if self.state.is_final:
            return 1.0
        scans = [part for part in self.parts if part.kind is Kind.SCAN]
        return sum(part.progress for part in scans) / len(scans) if scans else 0.0
