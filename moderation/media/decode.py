"""Decode: one pass over a file that gives all its pictures and sound, within the limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from typing import Any

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from moderation.errors import MediaError, MediaFault
from moderation.limits import MediaLimits
from moderation.media.container import (
    DECODER_ERRORS,
    Streams,
    check_size,
    claimed_us,
    encrypted,
    open_container,
    prepare,
)
from moderation.media.excerpt import WHOLE, Excerpt
from moderation.media.picture import Picture
from moderation.media.sound import Block
from moderation.media.survey import Survey, survey
from moderation.media.track import AudioTrack, Track, VideoTrack
from moderation.media.truncation import ends_early
from moderation.media.upload import Upload
from moderation.timeline import MICROSECONDS

__all__ = ["Decoder", "look_over"]

_SETTLED_US = MICROSECONDS
"""How much of a stream must have passed before its frame rate is judged."""

_BROKEN_OFF = "the file is cut off or damaged"

_CUT_OFF = frozenset({"mov", "avi", "flv", "asf", "wav", "w64"})
"""Containers in which a packet that is marked as corrupt is one that the file's end cuts off."""


def look_over(upload: Upload, limits: MediaLimits) -> Survey:
    """Where the file's time starts. Raises `MediaError` for what we are not to decode."""
    with open_container(upload, limits) as container:
        check_size(upload, container, limits)
        found = survey(container, Streams.of(container))
    if found.encrypted:
        raise encrypted()
    return found


class Decoder:
    """Decodes a file once, from its first packet to its last.

    After `events` has ended: `tracks` with their losses, and `faults`, why it was not whole.

    pulse    called for each packet, whether it gives anything or not
    excerpt  what of it is to be given
    """

    def __init__(
        self,
        upload: Upload,
        limits: MediaLimits,
        longest_side: int = 0,
        pulse: Callable[[], None] = lambda: None,
        excerpt: Excerpt = WHOLE,
    ) -> None:
        self.tracks: list[Track] = []
        self.unseen_us: list[int] = []
        """Claimed length of each video stream that is not decoded."""
        self.unheard_us: list[int] = []
        """Claimed length of each audio stream that is not decoded."""
        self.claimed_us = 0
        """Claimed length of the whole file, for streams that claim none; 0 when there is none."""
        self.faults: dict[str, MediaFault] = {}
        self.cut_off = False
        """The file, or our patience, ended before the video did."""
        self.finished = False
        """Every packet has been read."""
        self._upload, self.limits, self._longest_side = upload, limits, longest_side
        self.excerpt = excerpt
        self._pulse, self._began_s = pulse, time.process_time()

    def events(self) -> Generator[Picture | Block]:
        """Pictures and sound in the order of the file. Raises `MediaError` when there are none."""
        start = look_over(self._upload, self.limits).start
        if ends_early(self._upload):
            self._cut(MediaFault.UNREADABLE, _BROKEN_OFF)
        with open_container(self._upload, self.limits) as container:
            streams = Streams.of(container)
            self.tracks = self._tracks(container, streams, start)
            self.excerpt.enter(container, self.tracks, start)
            yield from self._decode(container)

    @property
    def videos(self) -> int:
        """How many video streams are decoded."""
        return sum(1 for _ in self._videos)

    def _decode(self, container: InputContainer) -> Iterator[Picture | Block]:
        tracks = {track.stream.index: track for track in self.tracks}
        for packet in self._packets(container) if tracks else ():
            track = tracks[packet.stream_index]
            for event in self.excerpt.clip(track.decode(packet)):
                yield event
                if self._beyond(track):
                    return
            if all(each.ended for each in self.tracks):
                return
            if self.excerpt.is_behind(self.tracks):
                break
        for track in self.tracks:
            yield from self.excerpt.clip(track.finish())
        self.finished = True

    def _packets(self, container: InputContainer) -> Iterator[Packet[Any]]:
        cuts = container.format.name.partition(",")[0] in _CUT_OFF
        try:
            for packet in container.demux([track.stream for track in self.tracks]):
                self._pulse()
                if packet.size:
                    if cuts and packet.is_corrupt:
                        self._cut(MediaFault.UNREADABLE, _BROKEN_OFF)
                    yield packet
        except DECODER_ERRORS:
            self._cut(MediaFault.UNREADABLE, _BROKEN_OFF)

    def _beyond(self, track: Track) -> bool:
        limits, frames = self.limits, sum(each.frames for each in self._videos)
        if track.end_us > limits.max_seconds * MICROSECONDS:
            self._cut(MediaFault.TOO_LARGE, f"it is longer than {limits.max_seconds:g} s")
        elif frames > limits.max_frames:
            self._cut(MediaFault.TOO_LARGE, f"it has more than {limits.max_frames} frames")
        elif isinstance(track, VideoTrack) and self._too_fast(track):
            self._cut(MediaFault.TOO_LARGE, f"it has more than {limits.max_fps:g} frames a second")
        elif self._too_slow(track):
            self._cut(MediaFault.TIMEOUT, "it takes too long to decode")
        else:
            return False
        return True

    def _too_fast(self, track: VideoTrack) -> bool:
        passed_us = track.end_us - (track.start_us or 0) + _SETTLED_US
        return track.frames * MICROSECONDS > self.limits.max_fps * passed_us

    def _too_slow(self, track: Track) -> bool:
        limits, spent_s = self.limits, time.process_time() - self._began_s
        passed_us = track.end_us - self.excerpt.start_us
        return spent_s > limits.decoder_grace_s + limits.decoder_pace * passed_us / MICROSECONDS

    def _cut(self, fault: MediaFault, message: str) -> None:
        self.faults.setdefault(message, fault)
        self.cut_off = True

    @property
    def _videos(self) -> Iterator[VideoTrack]:
        return (track for track in self.tracks if isinstance(track, VideoTrack))

    def _tracks(self, container: InputContainer, streams: Streams, start: Fraction) -> list[Track]:
        self.claimed_us = claimed_us(container)
        self._note_refused(streams)
        self.unseen_us = [claimed_us(container, each) for each in streams.unseen]
        self.unheard_us = [claimed_us(container, each) for each in streams.unheard]
        opened = [each for each in streams if self._opens(container, each)]
        videos = [each for each in opened if isinstance(each, VideoStream)]
        tracks: list[Track] = []
        for number, video in enumerate(videos):
            claimed = claimed_us(container, video)
            track = VideoTrack(video, number, claimed, self.limits, start, self._longest_side)
            tracks.append(track)
        if streams.audio in opened:
            claimed = claimed_us(container, streams.audio)
            tracks.append(AudioTrack(streams.audio, claimed, self.limits, start))
        return tracks

    def _note_refused(self, streams: Streams) -> None:
        if streams.unseen:
            message = "a video stream has a codec that is not supported"
            self.faults[message] = MediaFault.UNSUPPORTED_CODEC
        if streams.unheard:
            heard = "only one of its sound tracks is listened to"
            message = heard if streams.audio else "its sound has a codec that is not supported"
            self.faults[message] = MediaFault.UNSUPPORTED_CODEC

    def _opens(self, container: InputContainer, stream: VideoStream | AudioStream) -> bool:
        try:
            prepare(stream, self.limits)
        except MediaError as error:
            self.faults.setdefault(error.message, error.fault)
            refused = self.unseen_us if isinstance(stream, VideoStream) else self.unheard_us
            refused.append(claimed_us(container, stream))
            return False
        return True
