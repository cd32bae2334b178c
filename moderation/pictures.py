"""The frames that a person is shown: small JPEGs in a folder or in S3, by video and time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import structlog

from moderation.config import Settings
from moderation.errors import MediaError, SourceError
from moderation.media import MediaReader
from moderation.scan import Scan
from moderation.shelf import Shelf, open_shelf
from moderation.taxonomy import Taxonomy
from moderation.timeline import Instant

__all__ = ["Pictures", "shown"]

log = structlog.get_logger(__name__)

LONGEST_SIDE = 480
"""Pixels: enough to judge a frame, small enough for a page with dozens of them."""

MOST = 40
"""Pictures kept of one video: a reviewer looks at the strongest first and rarely at more."""

_DIGEST: Final = re.compile("[0-9a-f]{64}")


class Pictures:
    """Evidence pictures on a shelf: `<sha256 of the video>/<microseconds>.jpg`."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    @classmethod
    def of(cls, settings: Settings) -> Pictures:
        """Those of an installation."""
        place = settings.publish.pictures or str(settings.pictures)
        return cls(open_shelf(place, "pictures", settings.s3))

    @classmethod
    def all_of(cls, settings: Settings) -> tuple[Pictures, ...]:
        """And those that were kept on this machine before the settings named another place."""
        here = cls(open_shelf(str(settings.pictures), "pictures", settings.s3))
        return (cls.of(settings), here) if settings.publish.pictures else (here,)

    def get(self, scan: Scan, at: Instant) -> bytes | None:
        """The JPEG of that frame; None when it was not kept. Raises `TransientError`s."""
        return self.at(scan.video.sha256, at)

    def at(self, sha256: str, at: Instant) -> bytes | None:
        """The same, by the digest of the video."""
        return self._shelf.get(f"{sha256}/{_file(at)}")

    def keep(self, scan: Scan, media: MediaReader) -> None:
        """Keep the best frame of every segment that is more than context.

        What is kept already is not decoded again. A frame that cannot be had a second time is left
        out: the evidence stands without it. Raises `TransientError`s, such as `OutOfSpace`, and for
        a place that cannot be written `StoreError` or `ConfigurationError`.
        """
        folder, wanted = scan.video.sha256, shown(scan)
        kept = self._shelf.names(folder) if wanted else frozenset()
        missing = [at for at in wanted if _file(at) not in kept]
        try:
            for at, jpeg in media.stills(scan.video, missing, LONGEST_SIDE):
                self._shelf.put(f"{folder}/{_file(at)}", jpeg, "image/jpeg")
        except (MediaError, SourceError) as error:
            log.warning("a picture could not be made", uri=media.source.uri, reason=str(error))

    def remove(self, sha256: str) -> int:
        """All of a video; how many there were."""
        return self._shelf.remove(f"{sha256}/")

    def sweep(self, before: datetime) -> int:
        """See `Shelf.sweep`."""
        return self._shelf.sweep(before)

    def videos(self) -> Iterator[str]:
        """The digests of those that have some."""
        return (name for name in self._shelf.folders() if _DIGEST.fullmatch(name))


def shown(scan: Scan) -> Sequence[Instant]:
    """When the strongest segments are seen best: violations only, each once, in time order."""
    taxonomy = Taxonomy.default()
    strongest = sorted(
        (each for each in scan.verdict.segments if _is_violation(taxonomy, each.label)),
        key=lambda each: -each.score,
    )
    return sorted({each.best for each in strongest[:MOST]})


def _file(at: Instant) -> str:
    return f"{at.us}.jpg"


def _is_violation(taxonomy: Taxonomy, label: str) -> bool:
    return label not in taxonomy or taxonomy.get(label).is_violation
