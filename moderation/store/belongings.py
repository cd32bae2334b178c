"""Belongings: what the database knows of a video, by its bytes or by where it lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Text, or_, select, tuple_, type_coerce
from sqlalchemy.orm import Session

from moderation.errors import MediaFault
from moderation.job import Pinned
from moderation.store.models import JobRow, ScanRow, UriRow, VideoRow
from moderation.store.tombstone import ERASED, unread_key

__all__ = ["Belongings", "Named", "find", "portions"]

_AT_ONCE: Final = 500
"""Values of one statement: no database takes any number of them."""

_QUOTED: Final = 50
"""Digests that one look through the plans of jobs searches for: SQLite takes no more than 1,000
alternatives."""

_VERSION: Final = "?versionId="

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What somebody calls a video: by its bytes, or by where they were.

    uris  any version of which is meant
    """

    sha256: str = ""
    uris: Sequence[str] = ()

    def is_at(self, uri: str) -> bool:
        """Whether the upload there is meant; of bytes, wherever they are."""
        versions = tuple(f"{each}{_VERSION}" for each in self.uris)
        return bool(self.sha256) or uri in self.uris or uri.startswith(versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """What belongs to a video, or to all that were seen in one place.

    videos  keys: the sha256 of the bytes; of what nobody could read, `uri:` and that of its place
    places  all URIs where the bytes were seen
    jobs    by id, the upload that each was about
    live    ids of the jobs that were not over
    """

    videos: tuple[str, ...]
    scans: tuple[int, ...]
    places: tuple[str, ...]
    jobs: dict[str, Pinned]
    live: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.videos or self.jobs)


def find(session: Session, named: Named) -> Belongings:
    """The named videos and all that was done with their bytes, also before these could be read; of
    a place, also what nobody has read of it yet.
    """
    keys = set(session.scalars(select(VideoRow.key).where(_is_named(named))))
    if named.sha256:
        keys.add(named.sha256)
    here = [_is_at(JobRow.uri, uri) for uri in named.uris]
    jobs = _jobs(session, or_(*here)) if here else {}
    keys |= {plan for plan in map(_planned, jobs.values()) if plan}
    jobs |= _jobs_about(session, keys)
    # Of jobs that have read nothing yet, those on the same version of the same upload.
    jobs |= _jobs_on(session, {(row.uri, row.pin) for row in jobs.values() if row.uri != ERASED})
    unread = (_unread_before(session, keys) | _unread_by(session, jobs)) - keys
    jobs |= _jobs_about(session, unread)
    return _belongings(session, keys | unread, jobs)


def portions(values: Iterable[_Value], size: int = _AT_ONCE) -> Iterator[list[_Value]]:
    """The values, as many at once as a statement takes."""
    rest = iter(values)
    while some := list(islice(rest, size)):
        yield some


def _belongings(session: Session, keys: Iterable[str], jobs: dict[str, Any]) -> Belongings:
    known, scans, places = list[int](), list[int](), list[str]()
    for some in portions(sorted(keys)):
        known += session.scalars(select(VideoRow.id).where(VideoRow.key.in_(some)))
    for videos in portions(known):
        scans += session.scalars(select(ScanRow.id).where(ScanRow.video_id.in_(videos)))
        places += session.scalars(select(UriRow.uri).where(UriRow.video_id.in_(videos)))
    return Belongings(
        videos=tuple(sorted(keys)) if known or jobs else (),
        scans=tuple(scans),
        places=tuple(places),
        jobs={id: Pinned(row.uri, row.pin) for id, row in sorted(jobs.items())},
        live=tuple(sorted(id for id, row in jobs.items() if row.finished_at is None)),
    )


def _is_named(named: Named) -> ColumnElement[bool]:
    seen = [_is_at(UriRow.uri, uri) for uri in named.uris]
    places = select(UriRow.video_id).where(or_(*seen)) if seen else None
    return or_(VideoRow.key == named.sha256, *([] if places is None else [VideoRow.id.in_(places)]))


def _is_at(column: Any, uri: str) -> ColumnElement[bool]:
    return or_(column == uri, column.startswith(f"{uri}{_VERSION}", autoescape=True))


def _jobs(session: Session, *which: ColumnElement[bool]) -> dict[str, Any]:
    asked = select(JobRow.id, JobRow.uri, JobRow.pin, JobRow.plan, JobRow.finished_at)
    return {row.id: row for row in session.execute(asked.where(*which))}


def _jobs_about(session: Session, keys: Iterable[str]) -> dict[str, Any]:
    """Jobs that these bytes answered, or that have planned how to look at them."""
    jobs: dict[str, Any] = {}
    plan = type_coerce(JobRow.plan, Text())
    for some in portions(sorted(keys), _QUOTED):
        scans = (
            select(ScanRow.scan_id)
            .join(VideoRow, VideoRow.id == ScanRow.video_id)
            .where(VideoRow.key.in_(some))
        )
        quoted = or_(*(plan.contains(key) for key in some))
        jobs |= _jobs(session, or_(JobRow.scan_id.in_(scans), quoted))
    return jobs


def _jobs_on(session: Session, pins: Iterable[tuple[str, str]]) -> dict[str, Any]:
    jobs: dict[str, Any] = {}
    for some in portions(sorted(pins)):
        jobs |= _jobs(session, tuple_(JobRow.uri, JobRow.pin).in_(some))
    return jobs


def _planned(row: Any) -> str:
    """The digest of the bytes that a job is about, once it knows them."""
    video = (row.plan or {}).get("video")
    return str(video.get("sha256", "")) if isinstance(video, dict) else ""


def _unread_before(session: Session, keys: Iterable[str]) -> set[str]:
    """Keys of what could not be read where these bytes were, before they were; or that nothing lies
    there any more. What cannot be read there since is another upload.
    """
    read_at = _read_at(session, keys)
    nothing = (ScanRow.video_id == VideoRow.id, ScanRow.current)
    is_gone = select(ScanRow.id).where(*nothing, ScanRow.fault == MediaFault.NOT_FOUND).exists()
    asked = select(VideoRow.key, UriRow.seen_at, is_gone).join(
        UriRow, UriRow.video_id == VideoRow.id
    )
    found: set[str] = set()
    for some in portions(sorted(read_at)):
        for key, seen_at, gone in session.execute(asked.where(VideoRow.key.in_(some))):
            if gone or seen_at <= read_at[key]:
                found.add(key)
    return found


def _read_at(session: Session, keys: Iterable[str]) -> dict[str, datetime]:
    """By the key that unread bytes there have: when these were seen in that place last."""
    asked = select(UriRow.uri, UriRow.seen_at).join(VideoRow, VideoRow.id == UriRow.video_id)
    read_at: dict[str, datetime] = {}
    for some in portions(sorted(keys)):
        which = (VideoRow.key.in_(some), VideoRow.sha256 != "")
        for uri, seen_at in session.execute(asked.where(*which)):
            # Who could not open it did not learn its version.
            for place in {uri, uri.partition(_VERSION)[0]}:
                key = unread_key(place)
                read_at[key] = max(seen_at, read_at.get(key, seen_at))
    return read_at


def _unread_by(session: Session, jobs: Iterable[str]) -> set[str]:
    """Keys of what these jobs could not read."""
    asked = (
        select(VideoRow.key)
        .join(ScanRow, ScanRow.video_id == VideoRow.id)
        .join(JobRow, JobRow.scan_id == ScanRow.scan_id)
        .where(VideoRow.sha256 == "")
    )
    found: set[str] = set()
    for some in portions(sorted(jobs)):
        found |= {*session.scalars(asked.where(JobRow.id.in_(some)))}
    return found
