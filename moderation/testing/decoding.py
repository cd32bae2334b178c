"""What a detector would be fed from a real file: the whole decode, kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import PathLike
from typing import Any

from moderation.config import MediaLimits
from moderation.media import AudioChunk, Feed, Frame, FrameBatch, Outcome, broadcast, probe
from moderation.media.broadcast import Want
from moderation.scan import Video
from moderation.source import Source

__all__ = ["Decoded", "decoded"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file that was decoded to its end; `feeds` and `batches` stand in the order of the wants."""

    video: Video
    outcome: Outcome
    feeds: tuple[Feed[Any], ...]
    batches: tuple[list[Any], ...]

    @property
    def frames(self) -> list[Frame]:
        """All frames, of all wants that are for frames."""
        return [
            frame
            for batches in self.batches
            for batch in batches
            if isinstance(batch, FrameBatch)
            for frame in batch
        ]

    @property
    def sound(self) -> list[AudioChunk]:
        """All chunks, of all wants that are for sound."""
        return [
            chunk for batches in self.batches for chunk in batches if isinstance(chunk, AudioChunk)
        ]


def decoded(path: str | PathLike[str], *wants: Want, limits: MediaLimits | None = None) -> Decoded:
    """Decode a file as a scan does and keep everything, so for short clips only.

    Raises what `probe` and `Broadcast.run` raise.
    """
    limits = limits or MediaLimits()
    with Source.open(path) as source, ThreadPoolExecutor(max(1, len(wants))) as readers:
        video = probe(source, limits)
        decode = broadcast(source, video, wants, limits)
        reading = [readers.submit(list, feed) for feed in decode.feeds]
        outcome = decode.run()
        batches = tuple(each.result() for each in reading)
    return Decoded(video, outcome, decode.feeds, batches)
