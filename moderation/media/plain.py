"""Plain time: whether the times in a file lead to its frames, so that one may begin anywhere."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from moderation.media.container import DECODER_ERRORS
from moderation.timeline import MICROSECONDS

__all__ = ["INDEXED", "RUN_UP_US", "plain_end"]

INDEXED = frozenset({"mov", "matroska"})
"""Containers that find a frame by its time."""

RUN_UP_US = 2 * MICROSECONDS
"""Decoding begins this much before a time: the first frames after a jump may refer to others that
were left out, codecs of sound need some of it to find their level, and a packet may lie this much
later in the file than those of other streams of its time."""

_MOST_PACKETS = 10_000_000
"""Of all streams: four hours have a tenth of it, and a table of a few bytes claims billions."""


def plain_end(
    container: InputContainer,
    streams: Sequence[VideoStream | AudioStream],
    pulse: Callable[[], None] = lambda: None,
) -> Fraction | None:
    """The time of the last packet, in seconds; `None` where a `Clock` has anything to mend.

    Reads every packet of the streams, and decodes none.
    """
    if container.format.name.partition(",")[0] not in INDEXED:
        return None
    times = {each.index: _Times(each) for each in streams}
    end = Fraction(0)
    try:
        for count, packet in enumerate(container.demux(list(streams))):
            pulse()
            if not packet.size:
                continue
            if count >= _MOST_PACKETS or not times[packet.stream_index].add(packet):
                return None
            at = (packet.pts or 0) * (packet.time_base or Fraction(0))
            if (end - at) * MICROSECONDS > RUN_UP_US:  # who jumps to its time comes too late for it
                return None
            end = max(end, at)
    except DECODER_ERRORS:
        return None
    return end if all(each.plain for each in times.values()) else None


class _Times:
    """Of one stream: pictures have each a time of their own, and sound never goes back."""

    def __init__(self, stream: VideoStream | AudioStream) -> None:
        self._pictures = stream.type == "video"
        self._before: int | None = None
        self._stamps = array("q")

    def add(self, packet: Packet[Any]) -> bool:
        """Whether the packet's time is as it should be."""
        if packet.pts is None:
            return False
        if not self._pictures:
            before, self._before = self._before, packet.pts
            return before is None or packet.pts >= before
        self._stamps.append(packet.pts)
        if packet.dts is None:  # Matroska keeps none, and FFmpeg does not guess those of the first
            return self._before is None
        before, self._before = self._before, packet.dts
        return before is None or packet.dts > before

    @property
    def plain(self) -> bool:
        stamps = np.sort(np.asarray(self._stamps))
        return bool(np.all(stamps[1:] != stamps[:-1]))
