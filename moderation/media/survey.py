"""Survey: the first packets of every stream, read before anything is decoded.

Where the time of the file starts is known only from its packets: headers leave it out, or tell
it wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.packet import Packet

from moderation.media.container import DECODER_ERRORS, Streams

__all__ = ["Survey", "survey"]

_PACKETS = 32
"""Of each stream: more than any codec moves a frame in front of others."""

_MOST_PACKETS = 2_000
"""Of all streams together, should one of them begin late or never."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first packets say.

    start      seconds that are instant 0: where the first stream starts, or the container's 0 when
               something is cut away before it
    encrypted  there are packets that only a licence opens
    """

    start: Fraction
    encrypted: bool


def survey(container: InputContainer, streams: Streams) -> Survey:
    """Read the first packets; the container is then at no good place to decode from."""
    starts = {each.index: _told(each) for each in streams}
    encrypted = False
    for packet in _first_packets(container, streams):
        encrypted = encrypted or packet.has_sidedata("encryption_info")
        if packet.stream.type == "video" and packet.pts is not None and packet.time_base:
            seen, told = packet.pts * packet.time_base, starts[packet.stream_index]
            starts[packet.stream_index] = seen if told is None else min(seen, told)
    known = [start for start in starts.values() if start is not None]
    return Survey(max(Fraction(0), min(known, default=Fraction(0))), encrypted)


def _told(stream: Any) -> Fraction | None:
    """Where the header says that the stream starts; sound before 0 is what its encoder needs."""
    if stream.start_time is None or not stream.time_base:
        return None
    start: Fraction = stream.start_time * stream.time_base
    return start if stream.type == "video" else max(Fraction(0), start)


def _first_packets(container: InputContainer, streams: Streams) -> Iterator[Packet[Any]]:
    missing = {each.index: _PACKETS for each in streams}
    try:
        for count, packet in enumerate(container.demux(list(streams))):
            if not packet.size or count >= _MOST_PACKETS:
                return
            yield packet
            missing[packet.stream_index] -= 1
            if all(left <= 0 for left in missing.values()):
                return
    except DECODER_ERRORS:
        return
