"""The frames that a person is shown: a folder of small JPEGs, by video and time."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import structlog

from moderation.errors import MediaError, OutOfSpace, SourceError, StoreError
from moderation.media import MediaReader
from moderation.scan import Scan
from moderation.taxonomy import Taxonomy
from moderation.timeline import Instant

__all__ = ["Pictures"]

log = structlog.get_logger(__name__)

LONGEST_SIDE = 480
"""Pixels: enough to judge a frame, small enough for a page with dozens of them."""

MOST = 40
"""Pictures kept of one video: a reviewer looks at the strongest first and rarely at more."""


class Pictures:
    """Evidence pictures in `folder/<sha256>/<microseconds>.jpg`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str, at: Instant) -> Path:
        return self.folder / sha256 / f"{at.us}.jpg"

    def get(self, scan: Scan, at: Instant) -> bytes | None:
        """The JPEG of that frame; None when it was not kept."""
        try:
            return self.path(scan.video.sha256, at).read_bytes()
        except OSError:
            return None

    def keep(self, scan: Scan, media: MediaReader) -> None:
        """Keep the best frame of every segment that is more than context.

        A frame that cannot be had a second time is left out: the evidence stands without it.
        Raises `OutOfSpace`, and `StoreError` for a folder that cannot be written.
        """
        missing = [at for at in _shown(scan) if not self.path(scan.video.sha256, at).exists()]
        try:
            for at, jpeg in media.stills(scan.video, missing, LONGEST_SIDE):
                _write(self.path(scan.video.sha256, at), jpeg)
        except (MediaError, SourceError) as error:
            log.warning("a picture could not be made", uri=media.source.uri, reason=str(error))
        except OSError as error:
            raise _refused(self.folder, error) from None


def _write(path: Path, jpeg: bytes) -> None:
    """Under its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".still-", delete=False) as part:
        try:
            part.write(jpeg)
            part.flush()
            os.replace(part.name, path)
        finally:
            Path(part.name).unlink(missing_ok=True)


def _refused(folder: Path, error: OSError) -> OutOfSpace | StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace(
            f"no space is left for pictures in {folder}", hint="free some, then again"
        )
    return StoreError(
        f"pictures cannot be kept in {folder} ({error.strerror})", hint="correct the setting `home`"
    )


def _shown(scan: Scan) -> Iterable[Instant]:
    """Instants of the strongest segments, violations only, each once and in time order."""
    taxonomy = Taxonomy.default()
    strongest = sorted(
        (each for each in scan.verdict.segments if _is_violation(taxonomy, each.label)),
        key=lambda each: -each.score,
    )
    return sorted({each.best for each in strongest[:MOST]})


def _is_violation(taxonomy: Taxonomy, label: str) -> bool:
    return label not in taxonomy or taxonomy.get(label).is_violation
