"""Erasure: everything that was derived from a video is removed, and what was decided stays known.

Removed are evidence, transcript, screen text and embeddings, reasons and segments of verdicts,
notes of reviewers, plans and results of jobs, errors that quote it, names of its uploads, messages
to webhooks, evidence pictures and published documents; the upload itself only when that is asked
for. Kept are bare records: who or what decided, when, how, under which policy.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from moderation.config import Settings
from moderation.errors import ConfigurationError, MediaFault, SourceError
from moderation.job import Pinned
from moderation.pictures import Pictures
from moderation.publish import Publisher
from moderation.source import Source
from moderation.source import shown as printable
from moderation.sources import open_source
from moderation.store import Store
from moderation.store.belongings import Belongings, Named
from moderation.store.erase import Erasures, Forgotten
from moderation.store.tombstone import ERASED, unread_key

__all__ = ["Eraser", "Kept", "Receipt"]

_DIGEST: Final = re.compile("[0-9a-f]{64}")

_FILE: Final = "file://"

_RECORDS: Final = "accountability: action, severity, times and codes, without what was seen"
_NOT_ASKED: Final = "it was not asked for: --media deletes it"
_NOWHERE: Final = "where it lies is not known any more: delete it there"
_REPLACED: Final = "another upload lies there now"
_SEVERAL: Final = "they may be of others: erase each by its name, or all by the sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was not removed, and why."""

    what: str
    count: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of an erasure.

    videos    keys of what was erased: sha256 of the bytes, or of a place that nobody could read
    removed   how much of what
    stopped   ids of jobs that were not over, and were cancelled
    audit     number of the entry in the audit log
    is_clean  whether the database file holds no remnants; False where somebody used it meanwhile
    """

    videos: tuple[str, ...]
    erased_at: datetime
    actor: str
    removed: Mapping[str, int]
    stopped: tuple[str, ...]
    kept: tuple[Kept, ...]
    audit: int
    is_clean: bool

    @property
    def written(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "schema": "moderation.erasure/v1",
            "videos": list(self.videos),
            "erased_at": self.erased_at.isoformat(),
            "by": self.actor,
            "removed": dict(self.removed),
            "cancelled_jobs": list(self.stopped),
            "kept": [
                {"what": each.what, "count": each.count, "why": each.why} for each in self.kept
            ],
            "audit_entry": self.audit,
            "remnants_overwritten": self.is_clean,
        }


class Eraser:
    """Erases from one installation: its database, and the places that its settings name."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._erasures, self._publisher = Erasures(store), Publisher(settings)

    def erase(self, video: str, *, actor: str, media: bool = False) -> Receipt:
        """Remove what was derived from a video, by the sha256 of its bytes or by where it lies.

        A name stands for all that was ever seen there. With `media` the upload itself is deleted
        too, where it still is what was seen: of a name that one, of a sha256 wherever it was seen.
        The same again does what is left to do, after one that failed too.

        Raises `ConfigurationError` for a video that nothing is known of and where files may not be
        removed, and `TransientError`s: what they came before is not done.
        """
        named, now = self._named(video), datetime.now(UTC)
        found = self._erasures.stop(named, now)
        if not found:
            self._store.compact()  # what an earlier one could not overwrite
            raise ConfigurationError(
                f"nothing is known of {printable(video)}",
                hint="give its URI as it was submitted, its path, or the sha256 of its bytes",
            )
        removed, kept = self._remove_files(found), list[Kept]()
        if media:
            kept += self._delete_media(named, found, removed)
        forgotten = self._erasures.forget(found, removed, actor=actor, now=now)
        if not media:
            kept.append(Kept(what="media", count=len(_places(named, found)), why=_NOT_ASKED))
        return self._receipt(found, forgotten, kept, actor, now)

    def _named(self, video: str) -> Named:
        if _DIGEST.fullmatch(video):
            return Named(sha256=video)
        if video.startswith(_FILE):
            video = unquote(urlsplit(video).path)
        elif "://" in video:
            return Named(uris=(video,))
        path = Path(os.path.abspath(video))  # as scans name it: without ..
        return Named(uris=tuple(dict.fromkeys((video, str(path), path.as_uri()))))

    def _remove_files(self, found: Belongings) -> Counter[str]:
        removed = self._publisher.withdraw("", found.jobs.items())
        shelves = Pictures.all_of(self._settings)
        for sha256 in filter(_DIGEST.fullmatch, found.videos):
            removed["pictures"] += sum(each.remove(sha256) for each in shelves)
        return removed

    def _delete_media(
        self, named: Named, found: Belongings, removed: Counter[str]
    ) -> Iterator[Kept]:
        """Adds what was deleted; gives what was not. A name's alone: others may have uploaded the
        same.
        """
        removed["media"], replaced = 0, 0
        places = _places(named, found)
        for uri in places:
            try:
                with open_source(uri, self._settings.s3) as source:
                    if _is_it(source, found):
                        source.delete()
                        removed["media"] += 1
                    else:
                        replaced += 1
            except SourceError as error:
                if error.fault is not MediaFault.NOT_FOUND:
                    raise
        if not places:
            yield Kept(what="media", count=1, why=_NOWHERE)
        if replaced:
            yield Kept(what="media", count=replaced, why=_REPLACED)
        if others := set(found.places) - set(places):
            yield Kept(what="media elsewhere", count=len(others), why=_SEVERAL)

    def _receipt(
        self,
        found: Belongings,
        forgotten: Forgotten,
        kept: list[Kept],
        actor: str,
        now: datetime,
    ) -> Receipt:
        records = {
            "verdicts": forgotten.verdicts,
            "decisions": forgotten.decisions,
            "jobs": len(found.jobs),
        }
        kept += [Kept(what=what, count=count, why=_RECORDS) for what, count in records.items()]
        return Receipt(
            videos=found.videos,
            erased_at=now,
            actor=actor,
            removed=dict(sorted(forgotten.removed.items())),
            stopped=found.live,
            kept=tuple(each for each in kept if each.count),
            audit=forgotten.audit,
            is_clean=self._store.compact(),
        )


def _places(named: Named, found: Belongings) -> list[str]:
    """Where the upload that is meant lies, as far as it is known."""
    known = dict.fromkeys((*found.places, *(each.uri for each in found.jobs.values())))
    known.pop(ERASED, None)
    return [uri for uri in known if named.is_at(uri)]


def _is_it(source: Source, found: Belongings) -> bool:
    """Whether what lies there is what was seen there, and not what has replaced it."""
    if Pinned(source.uri, source.pin) in found.jobs.values():
        return True
    if source.sha256() in found.videos:
        return True
    # Of a place that was never read, its name is all that is known.
    has_been_read = any(_DIGEST.fullmatch(each) for each in found.videos)
    return not has_been_read and unread_key(source.uri) in found.videos
