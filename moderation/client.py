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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import structlog

from moderation.config import Settings
from moderation.errors import SourceError, StillRunning, TransientError
from moderation.evidence import Evidence
from moderation.job import Job, JobState, Pinned
from moderation.reports import FORMATS, ReportOptions
from moderation.scan import Scan
from moderation.store.lookup import Outcome
from moderation.transport import DatabaseTransport, Transport, side_by_side
from moderation.verdict import Verdict

__all__ = ["AsyncClient", "Client", "JobHandle"]

log = structlog.get_logger(__name__)

_FIRST_LOOK_S, _LAST_LOOK_S = 0.05, 2.0
"""How often a waiting client looks: soon at first, seldom for long videos."""

_LATENESS = 0.1
"""Share of the time that it waited by which it may hear of the end too late."""


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

        A database that is away for a while is asked again. Raises `StillRunning` after `timeout`
        seconds; the job goes on.
        """
        began, told = time.monotonic(), None
        while True:
            try:
                self.refresh()
            except TransientError as error:
                log.warning("a job is waited for in the dark", job=self.id, reason=error.message)
            if self.job != told:
                told = self.job
                on_progress(told)
            if self.state.is_final:
                return self
            if timeout is not None and time.monotonic() - began > timeout:
                raise StillRunning(
                    f"the job {self.id} is {self.state} after {timeout:g} s",
                    hint="wait longer, or see `moderation status`",
                )
            time.sleep(_pause(time.monotonic() - began))

    def cancel(self) -> JobHandle:
        self.job = self._transport.cancel(self.id)
        return self

    def retry(self, detectors: Collection[str] = ()) -> JobHandle:
        """Try again what failed for good, and have these detectors look once more.

        Raises `ConfigurationError` for a detector that had no turn.
        """
        self.job, self._scan = self._transport.retry(self.id, detectors), None
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
        uris: Iterable[str | Path | Pinned],
        policy: str | None = None,
        *,
        priority: int = 5,
        tag: str = "",
    ) -> list[JobHandle]:
        """One job for each, in their order; a `Pinned` is not opened, as whoever knows its version
        need not.

        Raises `SourceError` for one that cannot be opened: none is submitted then. `pin_many` says
        which those are.
        """
        jobs = self._transport.submit(
            [_whole(uri) for uri in uris], policy, priority=priority, tag=tag, key=""
        )
        return [JobHandle(self._transport, job) for job in jobs]

    def pin(self, uri: str | Path) -> Pinned:
        """The version of an upload that lies there now. Raises `SourceError` for what cannot be
        opened, and `SourceUnavailable`.
        """
        given = _whole(uri)
        return given if isinstance(given, Pinned) else self._transport.pin(given)

    def pin_many(self, uris: Iterable[str | Path]) -> Iterator[Pinned | SourceError]:
        """The same of many, in their order and some side by side; an error in the place of what
        cannot be opened.
        """
        return side_by_side(self._pin_or_error, uris)

    def known(self, pinned: Sequence[Pinned], policy: str | None = None) -> list[bool]:
        """Whether each has a job under the policy, whatever became of it."""
        return self._transport.known(pinned, policy)

    def pins(self, uris: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Of which versions of each URI there are jobs: their pins."""
        return self._transport.pins(uris)

    def outcomes(self, jobs: Iterable[JobHandle]) -> dict[str, Outcome]:
        """State and verdict of many jobs, by their ids."""
        return self._transport.outcomes([job.id for job in jobs])

    def waiting(self) -> int:
        """Parts of jobs that wait for a worker."""
        return self._transport.waiting()

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

    def _pin_or_error(self, uri: str | Path) -> Pinned | SourceError:
        try:
            return self.pin(uri)
        except SourceError as error:
            return error

    def __enter__(self) -> Self:
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
        self, uris: Iterable[str | Path | Pinned], policy: str | None = None, **given: Any
    ) -> list[JobHandle]:
        return await asyncio.to_thread(self._client.submit_many, uris, policy, **given)

    async def job(self, job_id: str) -> JobHandle:
        return await asyncio.to_thread(self._client.job, job_id)

    async def jobs(self, status: JobState | str | None = None, **given: Any) -> list[JobHandle]:
        return await asyncio.to_thread(self._client.jobs, status, **given)

    async def unfinished(self, uri: str) -> list[JobHandle]:
        return await asyncio.to_thread(self._client.unfinished, uri)

    async def cancel(self, job: JobHandle) -> JobHandle:
        return await asyncio.to_thread(job.cancel)

    async def retry(self, job: JobHandle, detectors: Collection[str] = ()) -> JobHandle:
        return await asyncio.to_thread(job.retry, detectors)

    async def wait(self, job: JobHandle, timeout: float | None = None) -> JobHandle:
        return await asyncio.to_thread(job.wait, timeout)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)


def _pause(waited_s: float) -> float:
    return min(_LAST_LOOK_S, max(_FIRST_LOOK_S, _LATENESS * waited_s))


def _whole(uri: str | Path | Pinned) -> str | Pinned:
    """A worker has another working directory."""
    if isinstance(uri, Pinned):
        return uri
    text = str(uri)
    return text if "://" in text else str(Path(text).absolute())
