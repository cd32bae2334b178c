"""The client: submit uploads from Python, wait for their verdicts, read what was seen.

from moderation import Client

client = Client()
job = client.submit("s3://uploads/a.mp4", tag="upload:123")
job.wait(timeout=600)
job.verdict.action, job.evidence

`Client("https://moderation.example.org", token=...)` is the same through a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from moderation.config import Settings
from moderation.errors import ConfigurationError, SourceError
from moderation.http_transport import HttpTransport
from moderation.job import JobState, Pinned
from moderation.job_handle import JobHandle
from moderation.store.lookup import Outcome
from moderation.transport import DatabaseTransport, Transport, side_by_side

__all__ = ["AsyncClient", "Client", "JobHandle"]


class Client:
    """An installation, as a program sees it. A context manager.

    installation  its settings, for one whose database is reached from here (those of this machine
                  unless given); or the address of a server, `https://moderation.example.org`
    token         for a server: that of a program or a person

    Raises `ConfigurationError` for an address that a token may not be sent to.
    """

    def __init__(
        self,
        installation: Settings | str | None = None,
        *,
        token: str = "",
        transport: Transport | None = None,
    ) -> None:
        self._transport: Transport = transport or _transport(installation, token)

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

    def deleted(self, uri: str) -> tuple[str, ...]:
        """An upload is gone from its bucket: what a person is still asked about it is closed; the
        ids of these review items. Nothing, while it or the same bytes elsewhere can be looked at.

        Raises `SourceUnavailable` where that cannot be told now.
        """
        return self._transport.deleted(uri)

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
        self,
        installation: Settings | str | None = None,
        *,
        token: str = "",
        transport: Transport | None = None,
    ) -> None:
        self._client = Client(installation, token=token, transport=transport)

    async def submit(self, uri: str | Path, policy: str | None = None, **given: Any) -> JobHandle:
        return await asyncio.to_thread(self._client.submit, uri, policy, **given)

    async def submit_many(
        self, uris: Iterable[str | Path | Pinned], policy: str | None = None, **given: Any
    ) -> list[JobHandle]:
        return await asyncio.to_thread(self._client.submit_many, uris, policy, **given)

    async def pin(self, uri: str | Path) -> Pinned:
        return await asyncio.to_thread(self._client.pin, uri)

    async def pin_many(self, uris: Iterable[str | Path]) -> list[Pinned | SourceError]:
        return await asyncio.to_thread(lambda: list(self._client.pin_many(uris)))

    async def known(self, pinned: Sequence[Pinned], policy: str | None = None) -> list[bool]:
        return await asyncio.to_thread(self._client.known, pinned, policy)

    async def pins(self, uris: Collection[str]) -> Mapping[str, frozenset[str]]:
        return await asyncio.to_thread(self._client.pins, uris)

    async def outcomes(self, jobs: Iterable[JobHandle]) -> dict[str, Outcome]:
        return await asyncio.to_thread(self._client.outcomes, jobs)

    async def deleted(self, uri: str) -> tuple[str, ...]:
        return await asyncio.to_thread(self._client.deleted, uri)

    async def waiting(self) -> int:
        return await asyncio.to_thread(self._client.waiting)

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


def _transport(installation: Settings | str | None, token: str) -> Transport:
    if isinstance(installation, str):
        return HttpTransport(installation, token)
    if token:
        raise ConfigurationError(
            "a token is for a server",
            hint='give its address: Client("https://...", token=...)',
        )
    return DatabaseTransport(installation)


def _whole(uri: str | Path | Pinned) -> str | Pinned:
    """A worker has another working directory."""
    if isinstance(uri, Pinned):
        return uri
    text = str(uri)
    return text if "://" in text else str(Path(text).absolute())
