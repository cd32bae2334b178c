"""Excerpt: the part of a file that a decode is to give, when it is not all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from av.container import InputContainer

from moderation.media.picture import Picture
from moderation.media.plain import RUN_UP_US
from moderation.media.sound import Block, samples_in
from moderation.media.track import Track, VideoTrack
from moderation.timeline import MICROSECONDS

__all__ = ["FOREVER", "WHOLE", "Excerpt"]

FOREVER = 1 << 60
"""Microseconds that no video has."""

_OVERLAP_US = MICROSECONDS
"""Decoding goes on for this much: pictures leave the decoder later than they enter it."""

_APART_US = 10 * MICROSECONDS
"""How far pictures may lie from their sound in the file: whoever plays it cannot wait longer."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """From `start_us` to before `end_us`, in microseconds from the start of the video."""

    start_us: int = 0
    end_us: int = FOREVER

    @property
    def is_whole(self) -> bool:
        return not self.start_us and self.end_us >= FOREVER

    def enter(self, container: InputContainer, tracks: Sequence[Track], origin: Fraction) -> None:
        """Go to where decoding begins; raises what PyAV raises."""
        if not self.start_us or not tracks:
            return
        leader = next((each for each in tracks if isinstance(each, VideoTrack)), tracks[0]).stream
        seconds = origin + Fraction(self.start_us - RUN_UP_US, MICROSECONDS)
        container.seek(round(seconds / (leader.time_base or 1)), stream=leader)

    def clip(self, events: Iterator[Picture | Block]) -> Iterator[Picture | Block]:
        """What of them lies within."""
        for event in events:
            if self.is_whole:
                yield event
            elif isinstance(event, Block):
                yield from self._heard(event)
            elif self._holds(event.elapsed_us):
                yield event

    def is_behind(self, tracks: Sequence[Track]) -> bool:
        """Whether all that lies within has been decoded."""
        ends = [track.end_us - self.end_us for track in tracks if not track.ended]
        return bool(ends) and (min(ends) >= _OVERLAP_US or max(ends) >= _APART_US)

    def of_claim(self, length_us: int) -> int:
        """How much of a stream of that length lies within."""
        return length_us if self.is_whole else max(0, min(length_us, self.end_us) - self.start_us)

    def of_track(self, track: Track) -> int:
        """How much of what a track has decoded lies within."""
        start_us = track.start_us or 0
        if self.is_whole:
            return track.end_us - start_us
        return max(0, min(track.end_us, self.end_us) - max(start_us, self.start_us))

    def _holds(self, at_us: int) -> bool:
        return (not self.start_us or at_us >= self.start_us) and at_us < self.end_us

    def _heard(self, block: Block) -> Iterator[Block]:
        first = samples_in(self.start_us - block.at_us) if self.start_us else 0
        first, last = max(0, first), max(0, samples_in(self.end_us - block.at_us))
        samples = block.samples[first:last]
        if len(samples):
            at_us = max(block.at_us, self.start_us) if first else block.at_us
            yield Block(samples, at_us)


WHOLE = Excerpt()
