"""What a detector would be fed from a real file: the whole decode, kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import PathLike
from typing import Any

from moderation.config import MediaLimits
from moderation.media import (
    AudioChunk,
    Feed,
    Frame,
    FrameBatch,
    MediaReader,
    Outcome,
    broadcast,
)
from moderation.media.groups import Want
from moderation.scan import Video
from moderation.section import Section
from moderation.source import Source

__all__ = ["Decoded", "decoded"]

_ALL = MediaLimits(unchanged_below=0)


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


def decoded(
    path: str | PathLike[str],
    *wants: Want,
    limits: MediaLimits | None = None,
    section: Section | None = None,
) -> Decoded:
    """Decode a file as a scan does and keep everything, so for short clips only.

    Unless `limits` says otherwise, frames that look alike are all handed over.

    Raises what `MediaReader.probe` and `Broadcast.run` raise.
    """
    with Source.open(path) as source, MediaReader(source, limits or _ALL) as media:
        video = media.probe()
        decode = broadcast(media, video, wants, section=section)
        with ThreadPoolExecutor(max(1, len(wants))) as readers:
            reading = [readers.submit(list, feed) for feed in decode.feeds]
            outcome = decode.run()
            batches = tuple(each.result() for each in reading)
    return Decoded(video, outcome, decode.feeds, batches)
