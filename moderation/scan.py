"""A scan: one video looked at once, with all that came of it; what is stored and reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from moderation.errors import MediaFault
from moderation.evidence import Evidence
from moderation.verdict import Coverage, Verdict

__all__ = ["Failure", "Scan", "Timing", "Video"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """What is in the file. Times in microseconds, sizes in pixels as displayed."""

    uri: str
    sha256: str = ""
    """Hex digest of the file's bytes; empty when it could not be read."""
    bytes: int = 0
    duration_us: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    has_video: bool = False
    has_audio: bool = False
    container: str = ""
    codecs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds: loading models apart from scanning; per detector, the time it computed."""

    load_s: float = 0.0
    scan_s: float = 0.0
    detectors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a video could not be scanned at all."""

    fault: MediaFault
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One video under one policy.

    A video that could not be read has a `failure`, no evidence, and the verdict `incomplete`: a
    report never leaves a video out, and never calls approved what nobody looked at.
    """

    id: str
    video: Video
    evidence: tuple[Evidence, ...]
    coverage: tuple[Coverage, ...]
    verdict: Verdict
    timing: Timing
    engine_version: str
    """Version of the core that scanned."""
    scanned_at: datetime
    """UTC."""
    failure: Failure | None = None
    cut_short: str = ""
    """Why another look at the same bytes may see more: the decoder crashed, or the verdict was
    settled early. Such a scan is not reused. Empty for a whole look."""
    sandbox: tuple[str, ...] = ()
    """What held the decoder, by `moderation.media.sandbox`; empty when nothing was decoded."""
