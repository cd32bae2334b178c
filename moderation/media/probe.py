"""Probe: what is in a file, from its header and its first packets, before anything is scanned."""

from __future__ import annotations

from fractions import Fraction

from av.container import InputContainer
from av.video.stream import VideoStream

from moderation.limits import MediaLimits
from moderation.media.clock import believable
from moderation.media.container import DECODER_ERRORS, Streams, open_container
from moderation.media.decode import look_over
from moderation.media.picture import displayed_size
from moderation.media.protocol import Probed
from moderation.media.track import frame_rate
from moderation.media.upload import Upload
from moderation.timeline import MICROSECONDS

__all__ = ["probe"]

_FIRST_PACKETS = 64
"""Packets of the first video stream in which its first frame is looked for."""


def probe(upload: Upload, limits: MediaLimits) -> Probed:
    """What the file says of itself: claims, which decoding may not bear out.

    Raises `MediaError` for what is no media, has no stream that we decode, is encrypted, or is
    beyond the limits.
    """
    start = look_over(upload, limits).start
    with open_container(upload, limits) as container:
        streams = Streams.of(container)
        first = next(iter(streams.videos), None)
        width, height = _first_size(container, first) if first else (0, 0)
        return Probed(
            duration_us=_length_us(container, streams, start),
            width=width,
            height=height,
            fps=float(frame_rate(first, limits)) if first else 0.0,
            has_video=bool(streams.videos or streams.unseen),
            has_audio=bool(streams.audio or streams.unheard),
            container=container.format.name.partition(",")[0],
            codecs=tuple(each.codec_context.name for each in streams),
        )


def _first_size(container: InputContainer, stream: VideoStream) -> tuple[int, int]:
    """Width and height as displayed; only a decoded frame tells how it is turned."""
    context = stream.codec_context
    try:
        for count, packet in enumerate(container.demux(stream)):
            for frame in stream.decode(packet):
                return displayed_size(frame, stream.sample_aspect_ratio)
            if count >= _FIRST_PACKETS:
                break
    except DECODER_ERRORS:
        pass
    return context.width, context.height


def _length_us(container: InputContainer, streams: Streams, start: Fraction) -> int:
    """The container's claim, or the time of its last packet: browsers record without a claim."""
    if container.duration and container.duration > 0:
        return believable(container.duration)
    end = start
    try:
        for packet in container.demux(list(streams)):
            if packet.pts is not None and packet.time_base:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
    except DECODER_ERRORS:
        pass
    return max(0, believable(round((end - start) * MICROSECONDS)))
