"""Structure: where the parts of a container lie, so that mutants go wrong deep inside of it.

Random bytes are refused at the door; a box with a wrong size between right ones is not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["TIMED", "Part", "mended", "parts", "replaced", "with_size"]

MOST: Final = 2_000
"""Parts that are looked for: enough to choose from."""


@dataclass(frozen=True, slots=True)
class Part:
    """A box, element, chunk, tag, page or packet, from `at` to `end`.

    kind, size  where it says what it is, and how long
    coding      of its size
    """

    at: int
    end: int
    kind: slice
    size: slice
    coding: Literal["big", "little", "ebml"] = "big"

    @property
    def body(self) -> slice:
        return slice(max(self.kind.stop, self.size.stop), self.end)


def parts(data: bytes) -> list[Part]:
    """Parts of the file, nested ones after those around them; none of what has no structure."""
    for starts, walk in _WALKS.items():
        if any(data[at : at + len(mark)] == mark for at, mark in starts):
            inside = itertools.islice(walk(data, 0, len(data)), MOST)
            return [each for each in inside if each.end <= len(data)]
    return []


def with_size(data: bytes, part: Part, size: int) -> bytes:
    """The file with another number in the field that says how long the part is."""
    width: int = part.size.stop - part.size.start
    if part.coding == "ebml":
        marker = 1 << (7 * width)
        field = (size % marker | marker).to_bytes(width, "big")
    else:
        field = (size % (1 << 8 * width)).to_bytes(width, part.coding)
    return data[: part.size.start] + field + data[part.size.stop :]


def replaced(data: bytes, at: int, end: int, new: bytes, around: list[Part]) -> bytes:
    """The file with other bytes at a place; the parts `around` that hold it grow or shrink."""
    for part in around:
        if part.at < at and end <= part.end:
            width = part.size.stop - part.size.start
            said = int.from_bytes(data[part.size], "big" if part.coding == "ebml" else part.coding)
            if part.coding == "ebml":
                said %= 1 << (7 * width)
            data = with_size(data, part, said + len(new) - (end - at))
    return data[:at] + new + data[end:]


_Walk: TypeAlias = Callable[[bytes, int, int], Iterator[Part]]

_HOLDING: Final = {
    **dict.fromkeys((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta"), 0),
    **dict.fromkeys((b"moof", b"traf", b"mvex", b"sinf", b"schi", b"mfra"), 0),
    **dict.fromkeys((b"avc1", b"hvc1", b"hev1", b"vp09", b"av01", b"encv", b"mp4v"), 78),
    **dict.fromkeys((b"mp4a", b"Opus", b"enca", b"sowt"), 28),
    b"meta": 4,
    b"stsd": 8,
    b"dref": 8,
}
"""MP4 boxes that hold others, and how many bytes of their body come before these."""


def _boxes(data: bytes, at: int, end: int) -> Iterator[Part]:
    while at + 8 <= end:
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        size = size or end - at
        if size < head:
            return
        kind = slice(at + 4, at + 8)
        field = slice(at, at + 4) if head == 8 else slice(at + 8, at + 16)
        yield Part(at, at + size, kind, field)
        if (skipped := _HOLDING.get(data[kind])) is not None:
            yield from _boxes(data, at + head + skipped, min(end, at + size))
        at += size


_MASTERS: Final = frozenset({
    b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x11\x4d\x9b\x74", b"\x4d\xbb",
    b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\xae", b"\xe0", b"\xe1", b"\x6d\x80",
    b"\x62\x40", b"\x1f\x43\xb6\x75", b"\xa0", b"\x1c\x53\xbb\x6b", b"\xbb", b"\xb7",
    b"\x12\x54\xc3\x67", b"\x73\x73", b"\x67\xc8", b"\x10\x43\xa7\x70", b"\x55\xb0",
})  # fmt: skip
"""Matroska elements that hold others."""


def _elements(data: bytes, at: int, end: int) -> Iterator[Part]:
    while at + 2 <= end:
        kind = slice(at, at + _width(data[at]))
        if kind.stop >= end:
            return
        field = slice(kind.stop, kind.stop + _width(data[kind.stop]))
        known = 1 << (7 * (field.stop - field.start))
        size = int.from_bytes(data[field], "big") % known
        stop = end if size == known - 1 else min(end, field.stop + size)
        yield Part(at, stop, kind, field, "ebml")
        if data[kind] in _MASTERS:
            yield from _elements(data, field.stop, stop)
        at = stop


def _width(first: int) -> int:
    """Bytes of an EBML number, by its first one."""
    return 9 - first.bit_length() if first else 8


def _chunks(data: bytes, at: int, end: int) -> Iterator[Part]:
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        stop = min(end, at + 8 + size)
        yield Part(at, stop, slice(at, at + 4), slice(at + 4, at + 8), "little")
        if data[at : at + 4] in (b"RIFF", b"LIST"):
            yield from _chunks(data, at + 12, stop)
        at += 8 + size + size % 2


def _tags(data: bytes, at: int, end: int) -> Iterator[Part]:
    """Of FLV, each followed by its own length once more."""
    at += 13
    while at + 11 <= end:
        stop = at + 15 + int.from_bytes(data[at + 1 : at + 4], "big")
        yield Part(at, stop, slice(at, at + 1), slice(at + 1, at + 4))
        at = stop


def _pages(data: bytes, at: int, end: int) -> Iterator[Part]:
    """Of Ogg: kind is the flags byte, size the number of segments."""
    while at + 27 <= end and data[at : at + 4] == b"OggS":
        lengths = data[at + 27 : at + 27 + data[at + 26]]
        stop = at + 27 + len(lengths) + sum(lengths)
        yield Part(at, stop, slice(at + 5, at + 6), slice(at + 26, at + 27))
        at = stop


def _blocks(data: bytes, at: int, end: int) -> Iterator[Part]:
    """Of the head of FLAC."""
    at += 4
    while at + 4 <= end:
        stop = at + 4 + int.from_bytes(data[at + 1 : at + 4], "big")
        yield Part(at, stop, slice(at, at + 1), slice(at + 1, at + 4))
        if data[at] & 0x80:
            return
        at = stop


def _packets(data: bytes, at: int, end: int) -> Iterator[Part]:
    """Of MPEG-TS: kind is the PID, size the byte where an adaptation field would say its own."""
    for start in range(at, end - 187, 188):
        if data[start] != 0x47:
            return
        yield Part(start, start + 188, slice(start + 1, start + 3), slice(start + 4, start + 5))


_WALKS: Final[dict[tuple[tuple[int, bytes], ...], _Walk]] = {
    ((4, b"ftyp"), (4, b"styp"), (4, b"moov"), (4, b"moof"), (4, b"wide"), (4, b"mdat")): _boxes,
    ((0, b"\x1a\x45\xdf\xa3"),): _elements,
    ((0, b"RIFF"),): _chunks,
    ((0, b"FLV"),): _tags,
    ((0, b"OggS"),): _pages,
    ((0, b"fLaC"),): _blocks,
    ((188, b"\x47"),): _packets,
}
"""By what stands where at the start of the file."""


TIMED: Final = frozenset({
    b"mvhd", b"tkhd", b"mdhd", b"elst", b"stts", b"ctts", b"stss", b"tfhd", b"tfdt", b"trun",
    b"sidx", b"\x2a\xd7\xb1", b"\x44\x89", b"\x23\xe3\x83", b"\xe7", b"\xb3", b"\x9b",
    b"avih", b"strh", b"idx1", b"\x12",
})  # fmt: skip
"""Kinds of parts that say when something is shown, or for how long."""


def mended(data: bytes) -> bytes:
    """With checksums of Ogg pages that are right: else nothing behind them would be reached."""
    fixed = bytearray(data)
    for page in _pages(data, 0, len(data)):
        fixed[page.at + 22 : page.at + 26] = bytes(4)
        checksum = _ogg_checksum(fixed[page.at : page.end])
        fixed[page.at + 22 : page.at + 26] = checksum.to_bytes(4, "little")
    return bytes(fixed)


def _ogg_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 1 << 31 else 0)) & 0xFFFFFFFF
        table.append(value)
    return table


_TABLE: Final = _ogg_table()


def _ogg_checksum(page: bytes | bytearray) -> int:
    value = 0
    for byte in page:
        value = value << 8 & 0xFFFFFFFF ^ _TABLE[value >> 24 ^ byte]
    return value
