"""The frames that a person is shown: a folder of small JPEGs, by video and time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from moderation.media import stills
from moderation.scan import Scan
from moderation.source import Source
from moderation.taxonomy import Taxonomy
from moderation.timeline import Instant

__all__ = ["Pictures"]

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

    def keep(self, scan: Scan, source: Source) -> None:
        """Keep the best frame of every segment that is more than context."""
        if scan.video.has_video:
            missing = [at for at in _shown(scan) if not self.path(scan.video.sha256, at).exists()]
            for at, jpeg in stills(source, scan.video, missing, LONGEST_SIDE):
                self._write(self.path(scan.video.sha256, at), jpeg)

    def _write(self, path: Path, jpeg: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".still-", delete=False) as part:
            part.write(jpeg)
        os.replace(part.name, path)


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
