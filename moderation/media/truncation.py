"""Truncation: whether a file is shorter than its own outermost boxes say.

Decoders take the end of a file for the end of the video. An upload that broke off a moment before
its end differs from a whole one only here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from moderation.media.upload import Upload

__all__ = ["ends_early"]

_BOXES = frozenset((b"mdat", b"moov", b"moof", b"mfra", b"sidx", b"free", b"uuid"))
"""Boxes of MP4 that may be the last; anything else is what somebody hung on behind."""

_MOST_BOXES = 200_000
"""Boxes that are looked at: hours of a video in fragments of a second."""

_STREAMED = 0x7FFF_0000
"""Sizes of RIFF from here on are written by recorders that did not know the end yet."""

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def ends_early(upload: Upload) -> bool:
    """Of MP4, MOV, Matroska, WebM, AVI and WAV; others do not say where they end."""
    head = upload.read(12)
    if head.startswith(_EBML):
        return _matroska_end(upload) > upload.size
    if head.startswith(b"RIFF"):
        size = int.from_bytes(head[4:8], "little")
        return size < _STREAMED and 8 + size > upload.size
    return any(end > upload.size for kind, end in _boxes(upload) if kind in _BOXES)


def _boxes(upload: Upload) -> Iterator[tuple[bytes, int]]:
    """Kind and end of each outermost box of an MP4."""
    at = 0
    for _ in range(_MOST_BOXES):
        head = upload.read(16, at)
        if len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
        if size < 8:
            return
        at += size
        yield kind, at


def _matroska_end(upload: Upload) -> int:
    """Where the segment ends; 0 when it does not say, as in live recordings."""
    size, at = _vint(upload, len(_EBML))
    at += size
    if upload.read(len(_SEGMENT), at) != _SEGMENT:
        return 0
    size, at = _vint(upload, at + len(_SEGMENT))
    return at + size if size else 0


def _vint(upload: Upload, at: int) -> tuple[int, int]:
    """An EBML number and the position behind it; 0 for the number that means unknown."""
    data = upload.read(8, at)
    length = 9 - data[0].bit_length() if data and data[0] else 9
    if len(data) < length:
        return 0, at
    value = int.from_bytes(data[:length]) & ((1 << 7 * length) - 1)
    return (0 if value == (1 << 7 * length) - 1 else value), at + length
