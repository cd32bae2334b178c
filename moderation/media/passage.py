"""Passages: the pictures of parts of a file, found by their time where the container can."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain

from av.container import InputContainer

from moderation.limits import MediaLimits
from moderation.media.container import DECODER_ERRORS, Streams, open_container, prepare
from moderation.media.decode import Decoder, look_over
from moderation.media.picture import Picture
from moderation.media.plain import INDEXED, plain_end
from moderation.media.track import VideoTrack
from moderation.media.upload import Upload
from moderation.timeline import MICROSECONDS

__all__ = ["jumps", "passages"]

_RUN_UP_US = MICROSECONDS
"""Decoding begins this much before a time: the first frames after a jump may refer to others
that were left out."""


def passages(
    upload: Upload,
    limits: MediaLimits,
    windows: Iterable[tuple[int, int]],
    longest_side: int,
    *,
    plain: bool = False,
) -> Generator[Iterator[Picture]]:
    """For each window, from and to in microseconds, the pictures of the first stream in it.

    Windows in the order of time, and apart. Each is to be read to its end before the next. Where
    the container cannot jump, the file is decoded from its start. `plain`: it is known that it can,
    and need not be found out by reading all of it. Raises `MediaError`.
    """
    windows = list(windows)
    starts = [start for start, _ in windows]
    with closing(jumps(upload, limits, starts, longest_side, plain=plain)) as landings:
        jumped = False
        for (start, end), pictures in zip(windows, landings, strict=False):
            jumped = True
            yield _between(pictures, start, end, [])
    if not jumped:
        yield from _by_reading(upload, limits, windows, longest_side)


def jumps(
    upload: Upload,
    limits: MediaLimits,
    starts_us: Iterable[int],
    longest_side: int,
    *,
    plain: bool = False,
) -> Generator[Iterator[Picture]]:
    """For each time the pictures from a little before it on.

    Gives nothing for a file in which times are mended, because its own do not lead to a frame.
    """
    start = look_over(upload, limits).start
    with open_container(upload, limits) as container:
        stream = next(iter(Streams.of(container).videos), None)
        kind = container.format.name.partition(",")[0]
        if stream is None or kind not in INDEXED:
            return
        if not plain and plain_end(container, [stream]) is None:
            return
        prepare(stream, limits)
        for start_us in starts_us:
            track = VideoTrack(stream, 0, 0, limits, start, longest_side)
            seconds = start + Fraction(start_us - _RUN_UP_US, MICROSECONDS)
            yield _from(container, track, seconds)


def _by_reading(
    upload: Upload, limits: MediaLimits, windows: list[tuple[int, int]], longest_side: int
) -> Iterator[Iterator[Picture]]:
    with closing(Decoder(upload, limits, longest_side).events()) as events:
        pictures = (event for event in events if isinstance(event, Picture) and not event.stream)
        held: list[Picture] = []
        for start, end in windows:
            yield _between(chain(held, pictures), start, end, held)


def _between(
    pictures: Iterator[Picture], start: int, end: int, beyond: list[Picture]
) -> Iterator[Picture]:
    """Those of the window; the first one `beyond` it may be of the next."""
    for picture in pictures:
        beyond[:] = [picture]
        if picture.elapsed_us > end:
            return
        if picture.elapsed_us >= start:
            yield picture
    beyond.clear()


def _from(container: InputContainer, track: VideoTrack, seconds: Fraction) -> Iterator[Picture]:
    """Pictures from the last key frame before a time on; ends where reading fails."""
    try:
        container.seek(round(seconds / (track.stream.time_base or 1)), stream=track.stream)
        for packet in container.demux(track.stream):
            for event in track.decode(packet):
                if isinstance(event, Picture):
                    yield event
    except DECODER_ERRORS:
        return
