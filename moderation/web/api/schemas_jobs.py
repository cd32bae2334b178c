"""What `/api/v1/jobs` and `/api/v1/uploads` take and give."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from moderation import job as known
from moderation.errors import PolicyError
from moderation.policy import Policy, built_in
from moderation.reports.document import Coverage, Failure, Text, Verdict
from moderation.reports.text import one_line
from moderation.verdict import Action

__all__ = [
    "MOST_JOBS",
    "Asked",
    "Backlog",
    "ClosedItems",
    "Deleted",
    "Job",
    "JobIds",
    "JobOutcome",
    "JobPage",
    "JobVerdict",
    "Jobs",
    "Known",
    "Outcomes",
    "Pins",
    "Retry",
    "Submission",
    "Upload",
    "Uploads",
    "Uris",
]

MOST_UPLOADS: Final = 500
"""In one request: as many as S3 can be asked about before whoever sends it gives up; and their
names, 1,024 bytes each at most, are within `web.max_body_bytes`."""

MOST_JOBS: Final = 1_000
"""In one answer: a megabyte."""

_LONGEST_URI: Final = 4_096
"""What a path of this machine may have; an object's is shorter."""

_LONGEST_WORD: Final = 1_024
"""Of tags, keys, ids and pins: those of S3 are no longer."""

_LONGEST_POLICY: Final = 64 << 10
"""Ten times our own; each line may be wrong, and is then looked up among all labels."""

Uri = Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_URI)]
Word = Annotated[str, StringConstraints(max_length=_LONGEST_WORD)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True, use_attribute_docstrings=True)


class PolicyGiven(_Given):
    """A built-in policy by its name, or the text of one."""

    name: Word = ""
    """Of a built-in one; with a text, what errors call it."""
    text: Annotated[str, StringConstraints(max_length=_LONGEST_POLICY)] = ""
    """TOML. No file of the server is ever read because a request names it."""

    def read(self) -> Policy:
        """Raises `PolicyError`."""
        if self.text:
            return self._parsed()
        if self.name not in built_in():
            raise PolicyError(
                f"there is no built-in policy {one_line(self.name)!r}",
                hint=f"give one of {', '.join(built_in())}, or the text of your own",
            )
        return Policy.read(self.name)

    def _parsed(self) -> Policy:
        where = one_line(PurePath(self.name).name) or "policy"
        try:
            return Policy.parse(self.text, where)
        except RecursionError:
            raise PolicyError(f"{where}: it is nested too deeply", hint="correct it") from None


class Upload(_Given):
    """An upload; with a pin, that version of it, which is not looked for then."""

    uri: Uri
    """`s3://bucket/key[?versionId=...]`, or the path of a file below `web.folders`."""
    pin: Word = ""
    """`version:...`, `etag:...`, or what pinning gave."""


class PinnedUpload(Upload):
    pin: Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_WORD)]


class Submission(_Given):
    """Uploads to be judged: all of them, or none."""

    uploads: Annotated[list[Upload], Field(min_length=1, max_length=MOST_UPLOADS)]
    policy: PolicyGiven | None = None
    """That of the server's settings unless given."""
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    """The most urgent first."""
    tag: Word = ""
    """Whose they are: those who wait share the workers evenly by it."""
    key: Word = ""
    """Yours, for one upload: the same again is the same job, however long ago that was."""


class Uris(_Given):
    uris: Annotated[list[Uri], Field(min_length=1, max_length=MOST_UPLOADS)]


class Deleted(_Given):
    """An upload that is gone from where it lay."""

    uri: Uri


class Asked(_Given):
    """Which of these versions have a job under the policy?"""

    uploads: Annotated[list[PinnedUpload], Field(min_length=1, max_length=MOST_UPLOADS)]
    policy: PolicyGiven | None = None


class JobIds(_Given):
    ids: Annotated[list[Word], Field(min_length=1, max_length=MOST_JOBS)]


class Retry(_Given):
    detectors: Annotated[list[Word], Field(max_length=100)] = []
    """Have these look once more, even where they are done."""


class Part(_Shown):
    """One step of a job in one lane."""

    id: int
    job_id: str
    kind: known.Kind
    lane: Text
    state: known.PartState
    number: int
    """Of the section of the video; 0 for all else."""
    attempt: int
    """How often it was begun."""
    progress: float
    """0 to 1."""
    owner: Text
    error: Text
    """Of the last attempt that failed."""


class Job(_Shown):
    """One version of one upload under one policy."""

    id: str
    uri: Text
    pin: Text
    policy: str
    """Digest."""
    priority: int
    tag: Text
    state: known.JobState
    submitted_at: datetime
    finished_at: datetime | None
    progress: float
    """0 to 1."""
    scan_id: Text
    """Of the scan that answers it; empty while there is none."""
    action: Action | None
    """Its verdict; null while there is none."""
    error: Text
    parts: list[Part]
    """Empty where many jobs are listed."""


class Jobs(_Shown):
    jobs: list[Job]

    @classmethod
    def of(cls, found: Sequence[known.Job]) -> Self:
        return cls(jobs=[Job.model_validate(each) for each in found])


class JobPage(Jobs):
    next: str | None = None
    """To be given as `after` for the next page; null on the last."""

    @classmethod
    def of(cls, found: Sequence[known.Job], limit: int = MOST_JOBS) -> Self:
        """A page of `limit` jobs may be followed by another."""
        jobs = [Job.model_validate(each) for each in found]
        return cls(jobs=jobs, next=jobs[-1].id if len(jobs) == limit else None)


class Uploads(_Shown):
    """In the order of the question."""

    uploads: list[PinnedUpload]


class Known(_Shown):
    known: list[bool]
    """In the order of the question."""


class Pins(_Shown):
    pins: dict[str, list[str]]
    """Of which versions of each upload there are jobs; what has none is left out."""


class JobOutcome(_Shown):
    state: known.JobState
    action: Action | None


class Outcomes(_Shown):
    outcomes: dict[str, JobOutcome]
    """By the jobs' ids; an id that there is not is left out."""


class Backlog(_Shown):
    waiting: int
    """Parts of jobs that wait for a worker."""


class ClosedItems(_Shown):
    items: tuple[str, ...]
    """Ids of review items that nobody is asked about any more."""


class JobVerdict(_Shown):
    """What the policy says, and what was looked at."""

    job_id: str
    scan_id: Text
    verdict: Verdict
    coverage: dict[Text, Coverage]
    failure: Failure | None
    """Why the video could not be scanned at all."""
