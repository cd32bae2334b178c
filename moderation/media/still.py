"""Stills: the pictures that a person is shown, of exactly the frames that detectors saw."""

from __future__ import annotations

import io
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from fractions import Fraction

from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from moderation.config import MediaLimits
from moderation.media.container import DECODER_ERRORS, Streams, open_container, prepare
from moderation.media.decode import Decoder, look_over
from moderation.media.picture import Picture
from moderation.media.track import VideoTrack
from moderation.scan import Video
from moderation.source import Source
from moderation.timeline import MICROSECONDS, Instant

__all__ = ["stills"]

_INDEXED = frozenset({"mov", "matroska"})
"""Containers that find a frame by its time. The others are decoded from their start."""

_RUN_UP_US = MICROSECONDS
"""Decoding begins this much before the frame: the first frames after a jump may refer to others
that were left out."""

_NEAR_US = 10 * MICROSECONDS
"""A frame this close ahead is reached by decoding on, not by another jump."""

_QUALITY = 85
"""Of the JPEG: artefacts that nobody sees at the size of a thumbnail."""


def stills(
    source: Source,
    video: Video,
    instants: Iterable[Instant],
    longest_side: int = 640,
    limits: MediaLimits | None = None,
) -> Iterator[tuple[Instant, bytes]]:
    """JPEGs of what the first video stream shows at these instants.

    At the time of a sampled frame that is this very frame; at another time, of speech, it is the
    frame then on the screen. Where the container can, it jumps to each. Raises `MediaError`.
    """
    missing = sorted(set(instants)) if video.has_video else []
    limits = limits or MediaLimits()
    if missing and video.container in _INDEXED:
        for instant, picture in _jump(source, missing, longest_side, limits):
            missing.remove(instant)
            yield from _still(instant, picture)
    if missing:
        for instant, picture in _read(source, missing, longest_side, limits):
            yield from _still(instant, picture)


def _read(
    source: Source, wanted: list[Instant], longest_side: int, limits: MediaLimits
) -> Iterator[tuple[Instant, Picture]]:
    """Decode the file from its start."""
    with closing(Decoder(source, limits, longest_side).events()) as events:
        pictures = (event for event in events if isinstance(event, Picture) and not event.stream)
        yield from _shown(pictures, wanted)


def _jump(
    source: Source, wanted: list[Instant], longest_side: int, limits: MediaLimits
) -> Iterator[tuple[Instant, Picture]]:
    """Seek to each of the instants that are far apart; gives nothing where times are mended."""
    start = look_over(source, limits).start
    with open_container(source, limits) as container:
        stream = next(iter(Streams.of(container).videos), None)
        if stream is None or not _plain(container, stream):
            return
        prepare(stream, limits)
        for run in _runs(wanted):
            track = VideoTrack(stream, 0, 0, limits, start, longest_side)
            seconds = start + Fraction(run[0].us - _RUN_UP_US, MICROSECONDS)
            for instant, picture in _shown(_from(container, track, seconds), run):
                if picture.at <= instant:
                    yield instant, picture


def _plain(container: InputContainer, stream: VideoStream) -> bool:
    """Whether every frame has a time of its own, so that no `Clock` has anything to mend."""
    stamps, before = array("q"), None
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.pts is None or packet.dts is None:
                return False
            if before is not None and packet.dts <= before:
                return False
            before = packet.dts
            stamps.append(packet.pts)
    except DECODER_ERRORS:
        return False
    return len(set(stamps)) == len(stamps)


def _runs(instants: list[Instant]) -> Iterator[list[Instant]]:
    """Instants in time order, cut where the next is far from the one before."""
    run: list[Instant] = []
    for instant in instants:
        if run and instant - run[-1] > _NEAR_US:
            yield run
            run = []
        run.append(instant)
    yield run


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


def _shown(pictures: Iterable[Picture], wanted: list[Instant]) -> Iterator[tuple[Instant, Picture]]:
    """For each instant the last picture that is not later, or else the first of all."""
    waiting, last = deque(wanted), None
    for picture in pictures:
        while waiting and picture.at > waiting[0]:
            yield waiting.popleft(), last or picture
        if not waiting:
            return
        last = picture
    while waiting and last is not None:
        yield waiting.popleft(), last


def _still(instant: Instant, picture: Picture) -> Iterator[tuple[Instant, bytes]]:
    file = io.BytesIO()
    try:
        Image.fromarray(picture.image).save(file, "JPEG", quality=_QUALITY)
    except DECODER_ERRORS:  # a frame that could not be converted for the detectors either
        return
    yield instant, file.getvalue()
