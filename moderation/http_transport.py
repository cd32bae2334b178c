"""The transport to a server: what `Client("https://...", token=...)` speaks, `/api/v1`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, RootModel, ValidationError

from moderation.errors import ConfigurationError, NotFound, PolicyError, StillRunning
from moderation.http_connection import HttpConnection
from moderation.job import Job, JobState, Pinned
from moderation.policy import built_in
from moderation.reports.document import Document
from moderation.reports.restore import restored
from moderation.scan import Scan
from moderation.source import shown
from moderation.store.lookup import Outcome
from moderation.transport import check_priority
from moderation.verdict import Action

__all__ = ["HttpTransport"]

_API: Final = "/api/v1"

_UPLOADS: Final = 500
_UPLOAD_BYTES: Final = 512 << 10
"""Of one request, at most: a server takes 500 uploads, and a megabyte."""

_JOBS: Final = 1_000
"""Of one answer, and ids of one request, at most."""

_Given = TypeVar("_Given")
_Form = TypeVar("_Form", bound=BaseModel)


class _Upload(BaseModel):
    uri: str
    pin: str


class _Uploads(BaseModel):
    uploads: list[_Upload]


class _Job(RootModel[Job]):
    pass


class _Jobs(BaseModel):
    jobs: list[Job]
    next: str | None = None


class _Known(BaseModel):
    known: list[bool]


class _Pins(BaseModel):
    pins: dict[str, frozenset[str]]


class _State(BaseModel):
    state: JobState
    action: Action | None


class _Outcomes(BaseModel):
    outcomes: dict[str, _State]


class _Items(BaseModel):
    items: tuple[str, ...]


class _Backlog(BaseModel):
    waiting: int


class HttpTransport:
    """To a server, by its address and a token. Raises what the server tells, `TransientError`
    where none answers, and `ConfigurationError` for an address that a token may not be sent to.
    """

    def __init__(self, url: str, token: str) -> None:
        self._server = HttpConnection(url, token)

    def submit(
        self,
        given: Sequence[str | Pinned],
        policy: str | None,
        *,
        priority: int,
        tag: str,
        key: str,
    ) -> list[Job]:
        """What is not pinned is opened by the server. Raises `SourceError` for what cannot be:
        nothing is submitted then.
        """
        check_priority(priority)
        common = {"policy": _policy(policy), "priority": priority, "tag": tag, "key": key}
        portions = list(_portions([_upload(each) for each in given]))
        if len(portions) > 1:  # otherwise one that cannot be opened were found after some are in
            portions = list(_portions([_upload(each) for each in self._all_pinned(given)]))
        jobs: list[Job] = []
        for uploads in portions:
            jobs += self._read(_Jobs, self._change("/jobs", {"uploads": uploads, **common})).jobs
        return jobs

    def pin(self, uri: str) -> Pinned:
        (pinned,) = self._all_pinned([uri])
        return pinned

    def known(self, pinned: Sequence[Pinned], policy: str | None) -> list[bool]:
        asked, known = {"policy": _policy(policy)}, list[bool]()
        for uploads in _portions([_upload(each) for each in pinned]):
            answer = self._post("/uploads/known", {"uploads": uploads, **asked})
            known += self._read(_Known, answer).known
        return known

    def pins(self, uris: Collection[str]) -> Mapping[str, frozenset[str]]:
        pins: dict[str, frozenset[str]] = {}
        for some in _portions(list(uris)):
            pins |= self._read(_Pins, self._post("/uploads/pins", {"uris": some})).pins
        return pins

    def unfinished(self, uri: str) -> list[Job]:
        return self._read(_Jobs, self._get("/jobs/unfinished", uri=uri)).jobs

    def outcomes(self, ids: Collection[str]) -> dict[str, Outcome]:
        found, listed = dict[str, Outcome](), list(ids)
        for first in range(0, len(listed), _JOBS):
            answer = self._post("/jobs/outcomes", {"ids": listed[first : first + _JOBS]})
            states = self._read(_Outcomes, answer).outcomes
            found |= {name: Outcome(each.state, each.action) for name, each in states.items()}
        return found

    def waiting(self) -> int:
        return self._read(_Backlog, self._get("/jobs/backlog")).waiting

    def get(self, job_id: str) -> Job:
        return self._read(_Job, self._get(_place(job_id))).root

    def find(
        self, state: Collection[JobState] | None, tag: str | None, limit: int | None
    ) -> list[Job]:
        """Pages of it, until there are as many."""
        jobs, after = list[Job](), None
        while (limit is None or len(jobs) < limit) and (state is None or state):
            size = _JOBS if limit is None else min(_JOBS, limit - len(jobs))
            asked = {"state": state and list(state), "tag": tag, "limit": size, "after": after}
            page = self._read(_Jobs, self._get("/jobs", **asked))
            jobs += page.jobs
            after = page.next
            if after is None:
                break
        return jobs

    def cancel(self, job_id: str) -> Job:
        return self._read(_Job, self._change(f"{_place(job_id)}/cancel")).root

    def retry(self, job_id: str, detectors: Collection[str] = ()) -> Job:
        given = {"detectors": list(detectors)}
        return self._read(_Job, self._change(f"{_place(job_id)}/retry", given)).root

    def deleted(self, uri: str) -> tuple[str, ...]:
        return self._read(_Items, self._change("/uploads/deleted", {"uri": uri})).items

    def scan(self, job: Job) -> Scan | None:
        if not job.scan_id:
            return None
        try:
            content = self._get(f"{_place(job.id)}/report")
        except (NotFound, StillRunning):
            return None
        document = self._read(Document, content)
        try:
            return restored(document)
        except ValueError as error:
            raise self._not_understood() from error

    def close(self) -> None:
        self._server.close()

    def _all_pinned(self, given: Sequence[str | Pinned]) -> list[Pinned]:
        """In their order, all or none."""
        places = [place for place, each in enumerate(given) if not isinstance(each, Pinned)]
        found: list[_Upload] = []
        for uris in _portions([str(given[place]) for place in places]):
            found += self._read(_Uploads, self._post("/uploads/pin", {"uris": uris})).uploads
        pinned = list(given)
        for place, each in zip(places, found, strict=True):
            pinned[place] = Pinned(each.uri, each.pin)
        return [each for each in pinned if isinstance(each, Pinned)]

    def _get(self, path: str, **query: Any) -> bytes:
        given = {name: value for name, value in query.items() if value is not None}
        with _in_utf8():
            asked = urlencode(given, doseq=True)
        return self._server.ask("GET", f"{_API}{path}?{asked}".rstrip("?"))

    def _post(self, path: str, content: Mapping[str, Any]) -> bytes:
        """What changes nothing."""
        return self._server.ask("POST", f"{_API}{path}", _body(content))

    def _change(self, path: str, content: Mapping[str, Any] | None = None) -> bytes:
        """What is done once, however often it is sent."""
        key = {"Idempotency-Key": uuid.uuid4().hex}
        body = None if content is None else _body(content)
        return self._server.ask("POST", f"{_API}{path}", body, key)

    def _read(self, form: type[_Form], content: bytes) -> _Form:
        """What is known here of the answer; what a newer server has added is left out."""
        try:
            return form.model_validate_json(content)
        except ValidationError as error:
            raise self._not_understood() from error

    def _not_understood(self) -> ConfigurationError:
        return ConfigurationError(
            f"the answer of {self._server.address} is not understood here",
            hint="it may be of a newer version: bring the moderation of this program up to date",
        )


def _upload(given: str | Pinned) -> dict[str, str]:
    return given._asdict() if isinstance(given, Pinned) else {"uri": given}


def _policy(policy: str | None) -> dict[str, str] | None:
    """A built-in one by its name, a file by what is in it. Raises `PolicyError`."""
    if not policy:
        return None
    if policy in built_in():
        return {"name": policy}
    try:
        return {"name": Path(policy).name, "text": Path(policy).read_text("utf-8")}
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(
            f"the policy {policy} cannot be read ({error})",
            hint=f"give a TOML file or one of {', '.join(built_in())}",
        ) from None


def _portions(given: Sequence[_Given]) -> Iterator[list[_Given]]:
    """In their order, as many at once as a request takes."""
    portion, size = list[_Given](), 0
    for each in given:
        length = len(_body(each))
        if portion and (len(portion) == _UPLOADS or size + length > _UPLOAD_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(each)
        size += length
    if portion:
        yield portion


def _place(job_id: str) -> str:
    """Of a job. Raises `NotFound` for what names none."""
    if not job_id:
        raise NotFound("there is no job without an id", hint="see `moderation status`")
    with _in_utf8():
        return f"/jobs/{quote(job_id, safe='')}"


def _body(content: object) -> bytes:
    with _in_utf8():
        return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


@contextmanager
def _in_utf8() -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"{shown(str(error.object)[:200])} cannot be sent: it is no text in UTF-8",
            hint="give the upload another name",
        ) from None
