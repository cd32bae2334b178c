"""The client: submit uploads from Python, wait for their verdicts, read what was seen.

from moderation import Client

client = Client()
job = client.submit("s3://uploads/a.mp4", tag="upload:123")
job.wait(timeout=600)
job.verdict.action, job.evidence
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from moderation import wake
from moderation.config import Settings
from moderation.errors import ConfigurationError, StillRunning
from moderation.evidence import Evidence
from moderation.job import Job, JobState, Pinned, Submission
from moderation.lanes import CONTROL
from moderation.policy import Policy
from moderation.reports import FORMATS, ReportOptions
from moderation.scan import Scan
from moderation.sources import open_source
from moderation.store import Jobs, Store
from moderation.verdict import Verdict

__all__ = ["AsyncClient", "Client", "DatabaseTransport", "JobHandle", "Transport"]

_FIRST_LOOK_S, _LAST_LOOK_S = 0.05, 2.0
"""How often a waiting client looks: soon at first, seldom for long videos."""


_ASKED_AT_ONCE = 16
"""Objects whose versions are asked for side by side: each answer takes as long as its way."""


class Transport(Protocol):
    """How a client reaches an installation. Raises `TransientError` where it does not answer."""

    def submit(
        self,
        given: Sequence[str | Pinned],
        policy: str | None,
        *,
        priority: int,
        tag: str,
        key: str,
    ) -> list[Job]: ...
    def unfinished(self, uri: str) -> list[Job]: ...
    def get(self, job_id: str) -> Job: ...
    def find(
        self, state: Collection[JobState] | None, tag: str | None, limit: int | None
    ) -> list[Job]: ...
    def cancel(self, job_id: str) -> Job: ...
    def retry(self, job_id: str) -> Job: ...
    def scan(self, job: Job) -> Scan | None: ...
    def close(self) -> None: ...


class DatabaseTransport:
    """Straight to the database of the settings, and to its workers' broker."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings.read()
        self._store = Store.open(self._settings.database_url)
        self._jobs, self._waker = Jobs(self._store), wake.installed(self._settings)

    def submit(
        self,
        given: Sequence[str | Pinned],
        policy: str | None,
        *,
        priority: int,
        tag: str,
        key: str,
    ) -> list[Job]:
        """What is not pinned is opened for it. Raises `SourceError` for what cannot be: nothing is
        submitted then.
        """
        if not 0 <= priority <= 9:
            raise ConfigurationError(f"the priority {priority} is not among 0 to 9", hint="give 5")
        digest = self._jobs.keep(Policy.read(policy or self._settings.policy))
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            pinned = list(pool.map(self._pinned, given))
        jobs = self._jobs.submit(
            [
                Submission(uri=uri, pin=pin, policy=digest, priority=priority, tag=tag, key=key)
                for uri, pin in pinned
            ]
        )
        self._wake(len(jobs))
        return jobs

    def get(self, job_id: str) -> Job:
        return self._jobs.get(job_id)

    def find(
        self, state: Collection[JobState] | None, tag: str | None, limit: int | None
    ) -> list[Job]:
        return self._jobs.find(state=state, tag=tag, limit=limit)

    def cancel(self, job_id: str) -> Job:
        return self._jobs.cancel(job_id)

    def retry(self, job_id: str) -> Job:
        job = self._jobs.retry(job_id)
        for lane in {CONTROL, *(part.lane for part in job.parts)}:
            wake.try_to_wake(self._waker, lane, 1)
        return job

    def scan(self, job: Job) -> Scan | None:
        return self._store.judged(job.scan_id, job.policy) if job.scan_id else None

    def close(self) -> None:
        self._store.close()

    def unfinished(self, uri: str) -> list[Job]:
        return self._jobs.unfinished(uri)

    def _pinned(self, uri: str | Pinned) -> Pinned:
        if isinstance(uri, Pinned):
            return uri
        with open_source(uri, self._settings.s3) as source:
            return Pinned(source.pinned_uri, source.pin)

    def _wake(self, jobs: int) -> None:
        wake.try_to_wake(self._waker, CONTROL, min(jobs, self._settings.jobs.wakes))


class JobHandle:
    """A submitted job; what it says is as of the last look, which `refresh` and `wait` take."""

    def __init__(self, transport: Transport, job: Job) -> None:
        self._transport, self.job = transport, job
        self._scan: Scan | None = None

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def state(self) -> JobState:
        return self.job.state

    @property
    def scan(self) -> Scan:
        """All that was seen and judged. Raises `StillRunning` while there is nothing."""
        if self._scan is None:
            self._scan = self._transport.scan(self.job)
        if self._scan is None:
            reason = f": {self.job.error}" if self.job.error else ""
            raise StillRunning(
                f"the job {self.id} has no verdict, it is {self.state}{reason}",
                hint="wait for it, or see `moderation dead`",
            )
        return self._scan

    @property
    def verdict(self) -> Verdict:
        return self.scan.verdict

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        return self.scan.evidence

    def report(self, form: str = "json") -> str:
        """As `moderation report` writes it: json, jsonl, csv or table."""
        stream = io.StringIO(newline="")
        FORMATS[form](iter([self.scan]), stream, ReportOptions())
        return stream.getvalue()

    def refresh(self) -> JobHandle:
        """Look again."""
        self.job, self._scan = self._transport.get(self.id), None
        return self

    def wait(
        self, timeout: float | None = None, on_progress: Callable[[Job], None] = lambda _: None
    ) -> JobHandle:
        """Until it is done, failed or cancelled; `on_progress` is told of every change.

        Raises `StillRunning` after `timeout` seconds; the job goes on.
        """
        began, pause, told = time.monotonic(), _FIRST_LOOK_S, None
        while True:
            if self.refresh().job != told:
                told = self.job
                on_progress(told)
            if self.state.is_final:
                return self
            if timeout is not None and time.monotonic() - began > timeout:
                raise StillRunning(
                    f"the job {self.id} is {self.state} after {timeout:g} s",
                    hint="wait longer, or see `moderation status`",
                )
            time.sleep(pause)
            pause = min(_LAST_LOOK_S, pause * 1.5)

    def cancel(self) -> JobHandle:
        self.job = self._transport.cancel(self.id)
        return self

    def retry(self) -> JobHandle:
        """Try again what failed for good."""
        self.job, self._scan = self._transport.retry(self.id), None
        return self


class Client:
    """An installation, as a program sees it. A context manager."""

    def __init__(
        self, settings: Settings | None = None, *, transport: Transport | None = None
    ) -> None:
        self._transport: Transport = transport or DatabaseTransport(settings)

    def submit(
        self,
        uri: str | Path,
        policy: str | None = None,
        *,
        priority: int = 5,
        tag: str = "",
        idempotency_key: str = "",
    ) -> JobHandle:
        """Have one upload judged; the same version under the same policy is the same job.

        policy    a built-in one or a file; that of the settings unless given
        priority  0 to 9, the most urgent first
        tag       whose it is; those who wait share the workers evenly by it
        """
        (job,) = self._transport.submit(
            [_whole(uri)], policy, priority=priority, tag=tag, key=idempotency_key
        )
        return JobHandle(self._transport, job)

    def submit_many(
        self,
        uris: Sequence[str | Path | Pinned],
        policy: str | None = None,
        *,
        priority: int = 5,
        tag: str = "",
    ) -> list[JobHandle]:
        """One job for each, in their order; a `Pinned` is not opened, as whoever knows its version
        need not.
        """
        jobs = self._transport.submit(
            [_whole(uri) for uri in uris], policy, priority=priority, tag=tag, key=""
        )
        return [JobHandle(self._transport, job) for job in jobs]

    def unfinished(self, uri: str) -> list[JobHandle]:
        """Jobs of any version of an upload that are not over."""
        return [JobHandle(self._transport, job) for job in self._transport.unfinished(uri)]

    def job(self, job_id: str) -> JobHandle:
        """Raises `ConfigurationError` for an id that there is not."""
        return JobHandle(self._transport, self._transport.get(job_id))

    def jobs(
        self,
        status: JobState | str | None = None,
        *,
        tag: str | None = None,
        limit: int | None = 100,
    ) -> list[JobHandle]:
        """The newest first."""
        states = None if status is None else [JobState(status)]
        found = self._transport.find(states, tag, limit)
        return [JobHandle(self._transport, job) for job in found]

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """The same for asyncio: every call runs in a thread, for databases are asked there."""

    def __init__(
        self, settings: Settings | None = None, *, transport: Transport | None = None
    ) -> None:
        self._client = Client(settings, transport=transport)

    async def submit(self, uri: str | Path, policy: str | None = None, **given: Any) -> JobHandle:
        return await asyncio.to_thread(self._client.submit, uri, policy, **given)

    async def submit_many(
        self, uris: Sequence[str | Path], policy: str | None = None, **given: Any
    ) -> list[JobHandle]:
        return await asyncio.to_thread(self._client.submit_many, uris, policy, **given)

    async def job(self, job_id: str) -> JobHandle:
        return await asyncio.to_thread(self._client.job, job_id)

    async def jobs(self, status: JobState | str | None = None, **given: Any) -> list[JobHandle]:
        return await asyncio.to_thread(self._client.jobs, status, **given)

    async def wait(self, job: JobHandle, timeout: float | None = None) -> JobHandle:
        return await asyncio.to_thread(job.wait, timeout)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)


def _whole(uri: str | Path | Pinned) -> str | Pinned:
    """A worker has another working directory."""
    if isinstance(uri, Pinned):
        return uri
    text = str(uri)
    return text if "://" in text else str(Path(text).absolute())
