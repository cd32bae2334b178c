"""Publishing: what a verdict leaves where others find it, outside of the database.

    document   what `moderation report` writes of this video, a `moderation.report/v1` document:
               <results>/s3/<bucket>/<key>/version=<id>/<job>.json, or etag=<ETag> where the bucket
               keeps no versions; <results>/file/<path>/file=<size and time>/<job>.json
    tags       of the scanned object: moderation-verdict, moderation-scan, moderation-policy
    pictures   of what was found, by `moderation.pictures`

The review item is not among them: it is in the transaction of the verdict.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

import structlog

from moderation.config import Settings
from moderation.errors import (
    ConfigurationError,
    MediaFault,
    ModerationError,
    SourceError,
    TransientError,
)
from moderation.job import Pinned
from moderation.media import MediaReader
from moderation.pictures import Pictures, shown
from moderation.publish_settings import ignored_prefixes
from moderation.reports import document
from moderation.s3 import SCHEME, S3Object, address_of
from moderation.s3_client import s3_client
from moderation.scan import Scan
from moderation.shelf import Shelf, open_shelf
from moderation.source import shown as printable

__all__ = ["Publisher", "document_name", "verdict_tags"]

log = structlog.get_logger(__name__)

MOST_TAGS: Final = 10
"""Tags that S3 allows an object."""

_LONGEST_VALUE: Final = 256
"""Characters of a tag's value."""

_FORBIDDEN: Final = re.compile(r"[^\w +\-=.:/@]")
"""Of a tag's value. Source: Amazon S3 User Guide, "Categorizing your storage using tags"."""

_LONGEST_NAME: Final = 200
"""Bytes of one step of a path: a file system allows 255."""

_LONGEST_PATH: Final = 512
"""Bytes of an upload's name: a key has 1,024, of which the prefix and the version are a part."""

_SUPERSEDED: Final = (MediaFault.NOT_FOUND, MediaFault.CHANGED)
"""Faults of an upload that is no longer there: it has nothing to be tagged or pictured."""


class Publisher:
    """Publishes what the settings name; the same again puts the same bytes in the same place."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._publish = settings, settings.publish
        self._pictures = Pictures.of(settings)
        self._results: Shelf | None = None
        results = self._publish.results
        if results:
            self._results = open_shelf(results, "results", settings.s3, mode=0o666)

    def is_needed(self, scan: Scan) -> bool:
        """Whether there is anything to publish of it; asks nobody."""
        return bool(self._results or self._is_tagged(scan.video.uri) or shown(scan))

    def publish(
        self, scan: Scan, pinned: Pinned, job_id: str, opened: Callable[[], MediaReader]
    ) -> None:
        """Publish the scan that answers a job on that version of an upload.

        `opened` gives that version, and is asked when something is wanted of it: what is gone has
        a document all the same. It is not closed here.

        Each effect is tried, whatever became of the others, in an order by which whoever waits for
        the tag finds the document. Raises a `TransientError` when one may succeed later; else a
        `PermanentError` when one will not. An upload that was deleted or replaced meanwhile is not
        tagged, which is no error: its own notification brings what replaced it.

        Tags are put on the version that was scanned, where the bucket keeps versions. Elsewhere the
        ETag is compared right before, for S3 takes no condition on tags: an upload that replaces
        another within those milliseconds carries its tags until its own verdict overwrites them.
        Where tags decide who may read, let the bucket keep versions. What others tag at the very
        moment between our reading and our writing is lost. Of two policies, the last to judge has
        the tags.
        """
        if self._is_ours(pinned):
            log.warning("results are no upload: not published", uri=pinned.uri, job=job_id)
            return
        # Stored scans are found by their bytes, and may bear the URI of an equal upload.
        scan = replace(scan, video=replace(scan.video, uri=pinned.uri))
        tell = log.bind(uri=pinned.uri, job=job_id)
        outcomes = (
            _tried(tell, "document", lambda: self._put_document(scan, pinned, job_id)),
            _tried(tell, "tags", lambda: self._tag(scan, pinned, opened)),
            _tried(tell, "pictures", lambda: self._keep(scan, pinned, opened)),
        )
        _raise([error for error in outcomes if error])

    def withdraw(self, sha256: str, jobs: Iterable[tuple[str, Pinned]]) -> Counter[str]:
        """Take away the documents of these jobs, by their ids, and with a digest the pictures of
        the video; how many of each there were. The same again is harmless.

        Tags stay: they say no more than the verdict, and may be what holds the object back.
        """
        removed = Counter(documents=0, pictures=0)
        for job_id, pinned in jobs:
            if self._results is not None:
                removed["documents"] += self._results.remove(document_name(pinned, job_id))
        if sha256:
            removed["pictures"] += self._pictures.remove(sha256)
        return removed

    def sweep(self, before: datetime) -> int:
        """Of the documents: see `Shelf.sweep`."""
        return self._results.sweep(before) if self._results is not None else 0

    def _is_ours(self, pinned: Pinned) -> bool:
        """Whichever way our own results came to be scanned: what they bring forth is no more."""
        if not pinned.uri.startswith(SCHEME):
            return False
        address = address_of(pinned.uri)
        return address.key.startswith(ignored_prefixes(self._publish, address.bucket))

    def _is_tagged(self, uri: str) -> bool:
        return self._publish.tags and uri.startswith(SCHEME)

    def _put_document(self, scan: Scan, pinned: Pinned, job_id: str) -> None:
        if self._results is None:
            return
        name = document_name(pinned, job_id)
        content = document(scan).model_dump_json(by_alias=True) + "\n"
        self._results.put(name, content.encode(), "application/json")
        log.info("published", job=job_id, document=self._results.uri(name))

    def _tag(self, scan: Scan, pinned: Pinned, opened: Callable[[], MediaReader]) -> None:
        if not self._is_tagged(pinned.uri):
            return
        source = _checked(opened(), pinned).source
        if isinstance(source, S3Object):
            client, address = s3_client(self._settings.s3), source.address
            theirs = client.tags(address)
            tags = _merged(theirs, verdict_tags(scan), pinned.uri)
            if tags != theirs:
                source.check_unchanged()
                client.tag(address, tags)

    def _keep(self, scan: Scan, pinned: Pinned, opened: Callable[[], MediaReader]) -> None:
        if shown(scan):
            self._pictures.keep(scan, _checked(opened(), pinned))


def _checked(media: MediaReader, pinned: Pinned) -> MediaReader:
    """A verdict is never put on what it is not about. Raises `SourceError`."""
    if media.source.pin == pinned.pin:
        return media
    raise SourceError(
        f"{printable(pinned.uri)}: it was replaced after it was scanned",
        fault=MediaFault.CHANGED,
        hint="what lies there now is another upload",
    )


def verdict_tags(scan: Scan) -> dict[str, str]:
    """What a scanned object is tagged with, the most important first."""
    tags = {
        "moderation-verdict": scan.verdict.action.value,
        "moderation-scan": scan.id,
        "moderation-policy": scan.verdict.policy.name,
    }
    return {name: _FORBIDDEN.sub("_", value)[:_LONGEST_VALUE] for name, value in tags.items()}


def document_name(pinned: Pinned, job_id: str) -> str:
    """Where below the results a job's document lies.

    Letters, digits and `_.-~` of an upload's name stand for themselves, the rest is
    percent-encoded; what then exceeds 200 bytes between two slashes or 512 in all ends early, with
    `=` and the SHA-256 of the whole. No two uploads share a name, and none leads elsewhere.
    """
    kind, _, version = pinned.pin.partition(":")
    if pinned.uri.startswith(SCHEME):
        address = address_of(pinned.uri)
        path = f"s3/{_step(address.bucket)}/{_path(address.key)}"
    else:
        path = f"file/{_path(pinned.uri)}"
    return f"{path}/{kind}={_step(version)}/{job_id}.json"


def _path(name: str) -> str:
    """Of a stranger's name, whatever it is."""
    path = "/".join(map(_step, name.split("/")))
    if len(path) <= _LONGEST_PATH:
        return path
    digest = _digest(name)
    return f"{path[: _LONGEST_PATH - len(digest) - 1].rstrip('/')}/{digest}"


def _step(name: str) -> str:
    """`=` is encoded in names, so that ours, which have one, are never mistaken for theirs."""
    step = quote(name, safe="", errors="surrogatepass")
    if not step.strip("."):
        return step.replace(".", "%2E") or "="
    if len(step) <= _LONGEST_NAME:
        return step
    digest = _digest(name)
    return step[: _LONGEST_NAME - len(digest)] + digest


def _digest(name: str) -> str:
    return "=" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _merged(theirs: Mapping[str, str], ours: Mapping[str, str], uri: str) -> dict[str, str]:
    """Tags of others are kept; where not all of ours find room, the first ones do."""
    kept = {name: value for name, value in theirs.items() if name not in ours}
    room = MOST_TAGS - len(kept)
    if room < 1:
        raise ConfigurationError(
            f"{printable(uri)}: the object has {len(kept)} tags of others already, and S3 allows "
            "no more",
            hint="take one away, then publish again",
        )
    return kept | dict(islice(ours.items(), room))


def _tried(tell: Any, what: str, effect: Callable[[], None]) -> ModerationError | None:
    """What is to be raised when all effects were tried."""
    try:
        effect()
    except ModerationError as error:
        if isinstance(error, SourceError) and error.fault in _SUPERSEDED:
            tell.info("an upload is gone", without=what, reason=error.message)
            return None
        tell.warning("an effect failed", what=what, reason=str(error))
        return error
    return None


def _raise(failures: Sequence[ModerationError]) -> None:
    """The most hopeful of them; of failures for good one sentence that tells them all."""
    for error in failures:
        if isinstance(error, TransientError):
            raise error
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ConfigurationError(
            "; ".join(error.message for error in failures),
            hint="; ".join(dict.fromkeys(error.hint for error in failures if error.hint)),
        )
