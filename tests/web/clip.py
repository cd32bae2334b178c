"""Clips that a browser plays, and scans of them."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from moderation.scan import Video
from moderation.testing.clips import Clip, numbered, tone

__all__ = ["FPS", "SECONDS", "another", "clip", "video_of"]

FPS = 10
SECONDS = 20


def clip(path: Path, *, codec: str = "") -> Path:
    """Numbered pictures and a tone, which `number_in` finds again."""
    made = Clip(320, 180, fps=FPS).show(SECONDS, numbered(FPS)).hear(tone(SECONDS))
    return made.write(path, video=codec)


def another(path: Path, copy: Path, number: int) -> Path:
    """A copy with the same pictures and bytes of its own: an empty box stands at its end."""
    copy.write_bytes(path.read_bytes() + struct.pack(">I4sI", 12, b"free", number))
    return copy


def video_of(path: Path) -> Video:
    """As a scan of it describes it."""
    data = path.read_bytes()
    return Video(
        uri=str(path),
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        duration_us=SECONDS * 1_000_000,
        width=320,
        height=180,
        fps=FPS,
        has_video=True,
        has_audio=True,
        container="mov,mp4,m4a,3gp,3g2,mj2",
        codecs=("h264", "aac"),
    )
