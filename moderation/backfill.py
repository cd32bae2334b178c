"""A backfill: the objects of a bucket that nobody announced become jobs, a batch at a time.

It may be stopped, repeated and run twice at once: what has a job gets no other.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from pydantic import TypeAdapter, ValidationError

from moderation.client import Client
from moderation.config import Settings
from moderation.errors import ConfigurationError
from moderation.job import Pinned
from moderation.object_filter import ObjectFilter
from moderation.s3_listing import Folder, Listed, list_objects
from moderation.s3_settings import S3Settings

__all__ = ["Backfill", "Bookmark", "Reached"]

_BATCH: Final = 1_000
"""Objects of a page, and of one transaction."""

_LOOK_S: Final = 5.0
"""Between two looks at how much work waits."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a backfill has come, and what it found so far.

    after  the last key that is done with
    """

    after: str = ""
    seen: int = 0
    new: int = 0
    known: int = 0
    refused: int = 0


_REACHED: Final = TypeAdapter(Reached)


class Backfill:
    """One folder of a bucket.

    priority  of its jobs: uploads, which somebody waits for, should have a higher one
    tag       the same for all: those of uploads get their turns beside it
    backlog   parts of jobs that may wait; when more do, it waits too
    """

    def __init__(
        self,
        client: Client,
        s3: S3Settings,
        folder: Folder,
        accept: ObjectFilter,
        *,
        priority: int,
        tag: str,
        backlog: int,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._s3, self._folder, self._filter = client, s3, folder, accept
        self._priority, self._tag = priority, tag
        self._backlog, self._pause = backlog, pause

    def run(self, since: Reached) -> Iterator[Reached]:
        """Go on from there; gives how far it has come whenever that is in the database.

        Raises what `list_objects` and `Client.submit_many` do.
        """
        objects = list_objects(self._folder, self._s3, since.after)
        reached = since
        while batch := list(islice(objects, _BATCH)):
            while self._client.waiting() > self._backlog:
                self._pause(_LOOK_S)
            reached = self._take(batch, reached)
            yield reached

    def _take(self, batch: Sequence[Listed], before: Reached) -> Reached:
        wanted: defaultdict[str | None, list[Pinned]] = defaultdict(list)
        for each in batch:
            if each.size and not self._filter.key_refusal(each.bucket, each.key, each.size):
                wanted[self._filter.key_policy(each.key)].append(Pinned(each.pinned_uri, each.pin))
        new = sum(self._submit(policy, pinned) for policy, pinned in wanted.items())
        accepted = sum(map(len, wanted.values()))
        return Reached(
            after=batch[-1].key,
            seen=before.seen + len(batch),
            new=before.new + new,
            known=before.known + accepted - new,
            refused=before.refused + len(batch) - accepted,
        )

    def _submit(self, policy: str | None, pinned: Sequence[Pinned]) -> int:
        known = self._client.known(pinned, policy)
        new = [each for each, is_known in zip(pinned, known, strict=True) if not is_known]
        if new:
            self._client.submit_many(new, policy, priority=self._priority, tag=self._tag)
        return len(new)


class Bookmark:
    """Where a backfill was when it ended early: a small file, for each question another one."""

    def __init__(self, settings: Settings, folder: Folder, accept: ObjectFilter) -> None:
        asked = (folder.uri, accept.model_dump_json(), settings.database_url, settings.policy)
        digest = hashlib.sha256("\0".join(asked).encode("utf-8", "surrogatepass")).hexdigest()
        self._path = settings.home / "sweeps" / f"{digest[:16]}.json"

    def read(self) -> Reached:
        """The beginning, where there is none. Raises `ConfigurationError` for a file of others."""
        try:
            return _REACHED.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Reached()
        except ValidationError:
            raise ConfigurationError(
                f"{self._path} does not say where the sweep was", hint="use --restart"
            ) from None

    def write(self, reached: Reached) -> None:
        """Whole or not at all: the machine may stop at any time."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._path.parent, delete=False) as file:
            file.write(_REACHED.dump_json(reached))
        os.replace(file.name, self._path)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
