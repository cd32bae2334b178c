"""Mutants: files that are damaged on purpose. Number N of a seed is always the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

from tests.fuzz.seeds import Seed
from tests.fuzz.structure import TIMED, Part, mended, parts, replaced, with_size

__all__ = ["KINDS", "Corpus", "Mutant"]

FOUND_SHARE: Final = 0.25
"""Of mutants that are made from odd and broken files, where there are some."""

MENDED_SHARE: Final = 0.75
"""Of mutants whose checksums, and sizes around what was changed, are put right again."""

KNOWN_SHARE: Final = 0.75
"""Of parts that are given the name of another part; the rest get one that nobody knows."""

HEAD: Final = 2_048
"""Bytes at either end of a file in which headers and indexes are."""

INTEGERS: Final = (0, 1, -1, 0x7F, 0x80, 0x7FFF, 0xFFFF, 1 << 16, (1 << 31) - 1, 1 << 31,
                   (1 << 32) - 1, 1 << 40, (1 << 63) - 1)  # fmt: skip
"""Numbers on which arithmetic goes wrong."""

SCRIPTS: Final = (
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    b"v=0\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"/>\n',
    b"concat:/etc/passwd|/etc/passwd\n",
    b"subfile,,start,0,end,100,,:/etc/passwd\n",
    b"[playlist]\nFile1=http://127.0.0.1:9/a.mp4\n",
    b"<html><script>alert(1)</script></html>\n",
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged file: how it was damaged, and what it was made from."""

    number: int
    kind: str
    container: str
    data: bytes


class Corpus:
    """All mutants of one seed.

    composed  the valid files that most are made from
    found     odd files; whether there are some does not change the mutants of the others
    """

    def __init__(self, composed: Sequence[Seed], found: Sequence[Seed], seed: int) -> None:
        self._composed, self._found, self._seed = composed, found, seed

    def mutant(self, number: int) -> Mutant:
        rng = Random(f"{self._seed}/{number}")
        odd, seed = rng.random() < FOUND_SHARE, rng.choice(self._composed)
        if odd and self._found:
            seed = rng.choice(self._found)
        other = rng.choice([each for each in self._composed if each.container != seed.container])
        kind = rng.choice(list(KINDS))
        data = KINDS[kind](seed.data, rng, other.data)
        if rng.random() < MENDED_SHARE:
            data = mended(data)
        return Mutant(number, kind, seed.container, data)


_Mutation: TypeAlias = Callable[[bytes, Random, bytes], bytes]
"""Of a file, with random numbers and a file of another kind to take from."""


def _range(data: bytes, rng: Random) -> tuple[int, int]:
    """A place of any order of size; one byte is as likely as half of the file."""
    length = min(len(data), int(2 ** rng.uniform(0, max(1, len(data)).bit_length())))
    at = rng.randrange(len(data) - length + 1)
    return at, at + length


# Anywhere


def _flipped(data: bytes, rng: Random, _: bytes) -> bytes:
    return _with_flips(data, rng, rng.choice((0, 1e-5, 1e-4, 1e-3, 1e-2)), 0, len(data))


def _flipped_head(data: bytes, rng: Random, _: bytes) -> bytes:
    return _with_flips(data, rng, rng.choice((0, 1e-3, 1e-2)), 0, min(HEAD, len(data)))


def _with_flips(data: bytes, rng: Random, rate: float, at: int, end: int) -> bytes:
    flipped = bytearray(data)
    for _ in range(1 + round(rate * (end - at) * 8) if end > at else 0):
        flipped[rng.randrange(at, end)] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def _truncated(data: bytes, rng: Random, _: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _beheaded(data: bytes, rng: Random, _: bytes) -> bytes:
    return data[_range(data, rng)[0] :]


def _zeroed(data: bytes, rng: Random, _: bytes) -> bytes:
    at, end = _range(data, rng)
    return data[:at] + bytes(end - at) + data[end:]


def _overwritten(data: bytes, rng: Random, _: bytes) -> bytes:
    at, end = _range(data, rng)
    return data[:at] + rng.randbytes(end - at) + data[end:]


def _duplicated(data: bytes, rng: Random, _: bytes) -> bytes:
    at, end = _range(data, rng)
    return data[:end] + data[at:end] * rng.choice((1, 1, 3)) + data[end:]


def _removed(data: bytes, rng: Random, _: bytes) -> bytes:
    at, end = _range(data, rng)
    return data[:at] + data[end:]


def _swapped(data: bytes, rng: Random, _: bytes) -> bytes:
    at, middle, end = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:at] + data[middle:end] + data[at:middle] + data[end:]


def _integers(data: bytes, rng: Random, _: bytes) -> bytes:
    from_end = rng.random() < 0.25
    return _with_integers(data, rng, max(0, len(data) - HEAD) if from_end else 0)


def _with_integers(data: bytes, rng: Random, at: int, end: int | None = None) -> bytes:
    """Up to four numbers, from `at` on."""
    written = bytearray(data)
    end = min(len(data), at + HEAD) if end is None else end
    for _ in range(rng.randint(1, 4)):
        width = rng.choice([each for each in (1, 2, 4, 4, 4, 8) if each <= end - at] or [1])
        start = rng.randrange(at, max(at, end - width) + 1)
        number = rng.choice(INTEGERS) % (1 << 8 * width)
        written[start : start + width] = number.to_bytes(width, rng.choice(("big", "little")))
    return bytes(written[: len(data)])


# Of parts


def _resized(data: bytes, rng: Random, _: bytes) -> bytes:
    part = _any_part(data, rng)
    near = part.end - part.at + rng.randint(-16, 16)
    return with_size(data, part, rng.choice((*INTEGERS, near, near, near)))


def _renamed(data: bytes, rng: Random, other: bytes) -> bytes:
    part = _any_part(data, rng)
    width = part.kind.stop - part.kind.start
    names = [file[each.kind] for file in (data, other) for each in parts(file)]
    known = [name for name in names if len(name) == width]
    name = rng.choice(known) if known and rng.random() < KNOWN_SHARE else rng.randbytes(width)
    return data[: part.kind.start] + name + data[part.kind.stop :]


def _part_removed(data: bytes, rng: Random, _: bytes) -> bytes:
    part = _any_part(data, rng)
    return _put(data, part.at, part.end, b"", rng)


def _part_duplicated(data: bytes, rng: Random, _: bytes) -> bytes:
    part = _any_part(data, rng)
    copies = min(rng.choice((1, 2, 50)), 1 + len(data) // (part.end - part.at))
    return _put(data, part.end, part.end, data[part.at : part.end] * copies, rng)


def _part_moved(data: bytes, rng: Random, _: bytes) -> bytes:
    one, other = _any_part(data, rng), _any_part(data, rng)
    return _put(data, other.at, other.end, data[one.at : one.end], rng)


def _part_filled(data: bytes, rng: Random, _: bytes) -> bytes:
    body = _any_part(data, rng).body
    length = max(0, body.stop - body.start)
    return (
        data[: body.start] + rng.choice((bytes(length), rng.randbytes(length))) + data[body.stop :]
    )


def _part_integers(data: bytes, rng: Random, _: bytes) -> bytes:
    small = [each for each in parts(data) if 0 < each.body.stop - each.body.start <= 256]
    return _into_one(small, data, rng)


def _times(data: bytes, rng: Random, _: bytes) -> bytes:
    return _into_one([each for each in parts(data) if data[each.kind] in TIMED], data, rng)


def _into_one(choice: list[Part], data: bytes, rng: Random) -> bytes:
    """Write numbers into the body of one of these parts."""
    body = (rng.choice(choice) if choice else _any_part(data, rng)).body
    return _with_integers(data, rng, min(body.start, len(data)), min(body.stop, len(data)))


def _part_spliced(data: bytes, rng: Random, other: bytes) -> bytes:
    """A part of a file of another kind in the place of one of ours, or before it."""
    part, strange = _any_part(data, rng), _any_part(other, rng)
    end = rng.choice((part.at, part.end))
    return _put(data, part.at, end, other[strange.at : strange.end], rng)


def _any_part(data: bytes, rng: Random) -> Part:
    """A head of the file, where it has no parts that we know."""
    head = Part(0, min(len(data), 64), slice(0, 4), slice(4, 8))
    return rng.choice(parts(data) or [head])


def _put(data: bytes, at: int, end: int, new: bytes, rng: Random) -> bytes:
    around = parts(data) if rng.random() < MENDED_SHARE else []
    return replaced(data, at, end, new, around)


# Of whole files


def _headed(data: bytes, rng: Random, other: bytes) -> bytes:
    """A strange head before a real payload."""
    length = rng.choice((4, 16, 64, 512))
    head = rng.choice((rng.randbytes(length), other[:length]))
    return head + data[rng.choice((0, length)) :]


def _joined(data: bytes, rng: Random, other: bytes) -> bytes:
    return data[: rng.choice((len(data), rng.randrange(len(data) + 1)))] + other


def _with_garbage(data: bytes, rng: Random, _: bytes) -> bytes:
    length = rng.choice((1, 1_000, 100_000))
    return data + rng.choice((rng.randbytes(length), bytes(length), b"\xff" * length))


def _scripted(data: bytes, rng: Random, _: bytes) -> bytes:
    script = rng.choice(SCRIPTS)
    return rng.choice((script + data, data + script, script + bytes(rng.randrange(4096)) + data))


def _stacked(data: bytes, rng: Random, other: bytes) -> bytes:
    for _ in range(rng.randint(2, 4)):
        mutation = KINDS[rng.choice([kind for kind in KINDS if kind != "stacked"])]
        data = mutation(data, rng, other) or data
    return data


KINDS: Final[dict[str, _Mutation]] = {
    "flipped": _flipped,
    "flipped head": _flipped_head,
    "truncated": _truncated,
    "beheaded": _beheaded,
    "zeroed": _zeroed,
    "overwritten": _overwritten,
    "duplicated": _duplicated,
    "removed": _removed,
    "swapped": _swapped,
    "integers": _integers,
    "part resized": _resized,
    "part renamed": _renamed,
    "part removed": _part_removed,
    "part duplicated": _part_duplicated,
    "part moved": _part_moved,
    "part filled": _part_filled,
    "part integers": _part_integers,
    "times": _times,
    "part spliced": _part_spliced,
    "strange head": _headed,
    "joined": _joined,
    "garbage appended": _with_garbage,
    "script": _scripted,
    "stacked": _stacked,
}
"""How files are damaged."""
