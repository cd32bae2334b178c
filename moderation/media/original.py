"""Original: a file as its player plays it, in full size and with its own sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import TypeVar

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from moderation.errors import MediaError, MediaFault
from moderation.media.container import Streams, claimed_us, prepare
from moderation.media.decode import Decoder
from moderation.media.tape import SoundTrack
from moderation.media.track import Track, VideoTrack

__all__ = ["LONGEST_SIDE", "Original"]

LONGEST_SIDE = 8_192
"""Pixels: what decoders of H.264 take; larger pictures are scaled down to it."""

_TOLERANCE_US, _TOLERANCE_SHARE = 250_000, 100
"""Headers are wrong by a frame or two, or a hundredth of the length, without anything missing."""

_Played = TypeVar("_Played", VideoStream, AudioStream)


class Original(Decoder):
    """Decodes the pictures and the sound that players choose, and nothing else.

    After `events` has begun: `video` and `audio`, `None` where there is none, and `dropped`, what
    else is in the file, in words of ours.
    """

    video: VideoTrack | None = None
    audio: SoundTrack | None = None
    dropped: tuple[str, ...] = ()

    def check_whole(self) -> None:
        """Raise `MediaError` when something of it did not decode: to be called after `events`.

        Losses that nobody notices are forgiven, as in a scan.
        """
        reasons = dict(self.faults)
        for track in self.tracks:
            if track.lost_us or track.ended:
                reasons |= track.faults
            elif not track.frames:
                reasons[f"nothing of the {track.kind} decodes"] = MediaFault.UNREADABLE
        if self._is_short:
            reasons["it ends before its header says"] = MediaFault.UNREADABLE
        if reasons:
            raise MediaError(
                f"the video cannot be written anew: {'; '.join(reasons)}",
                fault=next(iter(reasons.values())),
                hint="upload it again, whole",
            )

    @property
    def _is_short(self) -> bool:
        """Held against what the whole file claims: that of a stream may be a guess of FFmpeg's."""
        missing_us = self.claimed_us - max((track.end_us for track in self.tracks), default=0)
        return missing_us > max(_TOLERANCE_US, self.claimed_us // _TOLERANCE_SHARE)

    def _tracks(self, container: InputContainer, streams: Streams, start: Fraction) -> list[Track]:
        _refuse_unknown(streams)
        self.claimed_us = claimed_us(container)
        shown, heard = _default(streams.videos), streams.audio
        self.dropped = tuple(_dropped(container, [shown, heard]))
        tracks: list[Track] = []
        for stream in (each for each in (shown, heard) if each is not None):
            prepare(stream, self.limits)
        if shown is not None:
            claimed = claimed_us(container, shown)
            self.video = VideoTrack(shown, 0, claimed, self.limits, start, LONGEST_SIDE)
            tracks.append(self.video)
        if heard is not None:
            self.audio = SoundTrack(heard, claimed_us(container, heard), self.limits, start)
            tracks.append(self.audio)
        return tracks


def _default(streams: Iterable[_Played]) -> _Played | None:
    """The one that players play: the first that is marked as default, else the first."""
    streams = list(streams)
    marked = [each for each in streams if each.disposition & Disposition.default]
    return next(iter(marked or streams), None)


def _refuse_unknown(streams: Streams) -> None:
    """What we cannot decode must not be missing from a file that looks whole."""
    for kind, decoded, unknown in (
        ("video", streams.videos, streams.unseen),
        ("sound", streams.audio, streams.unheard),
    ):
        if unknown and not decoded:
            raise MediaError(
                f"the codec of its {kind} is not supported",
                fault=MediaFault.UNSUPPORTED_CODEC,
                hint="convert it to H.264 and AAC",
            )


def _dropped(container: InputContainer, kept: list[VideoStream | AudioStream | None]) -> list[str]:
    numbers = {each.index for each in kept if each is not None}
    others = Counter(_kind(each) for each in container.streams if each.index not in numbers)
    dropped = [f"{count} {kind} stream{'s' * (count > 1)}" for kind, count in others.items()]
    tags = len(container.metadata) + sum(len(each.metadata) for each in container.streams)
    if tags:
        dropped.append(f"{tags} metadata tag{'s' * (tags > 1)}")
    if chapters := len(container.chapters()):
        dropped.append(f"{chapters} chapter{'s' * (chapters > 1)}")
    return dropped


def _kind(stream: Stream) -> str:
    if stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
        return "cover picture"
    return stream.type or "unknown"
