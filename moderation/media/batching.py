"""Batching: decoded pictures and sound, gathered as detectors want them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from moderation.media.container import DECODER_ERRORS
from moderation.media.frames import SAMPLE_RATE, AudioChunk, Frame, FrameBatch
from moderation.media.picture import Picture
from moderation.media.sampling import Sampler
from moderation.media.sound import Block, samples_in
from moderation.timeline import MICROSECONDS, Instant

__all__ = ["Batcher", "Chunker"]

_SAME_US = 1_000
"""Blocks whose times differ less than this from the count of samples follow each other."""


class Batcher:
    """Samples pictures and hands them on in batches of one stream and one size.

    taken     pictures that the sampling chose
    failed    those of them that could not be converted
    """

    def __init__(
        self, per_second: float, batch: int, most: int, deliver: Callable[[FrameBatch], None]
    ) -> None:
        self.taken = self.failed = 0
        self._per_second, self._batch, self._most = per_second, batch, most
        self._deliver = deliver
        self._samplers: dict[int, Sampler] = {}
        self._pending: dict[int, list[Frame]] = {}

    @property
    def exhausted(self) -> bool:
        """More was chosen than may be handed on."""
        return self.taken > self._most

    def add(self, picture: Picture, *, wanted: bool = True) -> None:
        """Take the next picture; only counted when nobody wants it any more."""
        sampler = self._samplers.setdefault(picture.stream, Sampler(self._per_second))
        self._keep(sampler.offer(picture), wanted)

    def finish(self, *, wanted: bool = True) -> None:
        """Hand on the last frames."""
        for sampler in self._samplers.values():
            self._keep(sampler.finish(), wanted)
        for stream in self._pending:
            self._flush(stream)

    def planned(self, missing_us: int) -> int:
        """How many pictures the whole video asks for, with so much of it missing."""
        return self.taken + math.ceil(missing_us * self._per_second / MICROSECONDS)

    def _keep(self, chosen: Iterator[Picture], wanted: bool) -> None:
        for picture in chosen:
            self.taken += 1
            if wanted and not self.exhausted:
                self._append(picture)

    def _append(self, picture: Picture) -> None:
        try:
            frame = Frame(picture.image, picture.at, self.taken - 1, picture.stream)
        except DECODER_ERRORS:
            self.failed += 1
            return
        pending = self._pending.setdefault(picture.stream, [])
        if pending and pending[0].image.shape != frame.image.shape:
            self._flush(picture.stream)
        pending.append(frame)
        if len(pending) >= self._batch:
            self._flush(picture.stream)

    def _flush(self, stream: int) -> None:
        pending = self._pending[stream]
        if pending:
            batch = FrameBatch(pending)
            pending.clear()
            self._deliver(batch)


class Chunker:
    """Cuts one track of sound into chunks.

    taken  samples of the sound so far
    """

    def __init__(self, seconds: float, deliver: Callable[[AudioChunk], None]) -> None:
        self.taken = 0
        self._size = max(1, round(seconds * SAMPLE_RATE))
        self._deliver = deliver
        self._blocks: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
        self._gathered = 0
        self._start_us = 0

    def add(self, block: Block) -> None:
        """Take the next sound. What lies before the start of the video is what players skip."""
        samples, at_us = block.samples, block.at_us
        if at_us < 0:
            samples, at_us = samples[samples_in(-at_us) :], 0
        self.taken += len(samples)
        if abs(at_us - self._expected_us) > _SAME_US:
            self._flush()
        while len(samples):
            if not self._gathered:
                self._start_us = at_us
            part = samples[: self._size - self._gathered]
            self._blocks.append(part)
            self._gathered += len(part)
            samples = samples[len(part) :]
            at_us += round(len(part) * MICROSECONDS / SAMPLE_RATE)
            if self._gathered >= self._size:
                self._flush()

    def finish(self) -> None:
        """Hand on the last chunk."""
        self._flush()

    def planned(self, missing_us: int) -> int:
        """How many samples the whole sound has, with so much of it missing."""
        return self.taken + samples_in(missing_us)

    @property
    def _expected_us(self) -> int:
        return self._start_us + round(self._gathered * MICROSECONDS / SAMPLE_RATE)

    def _flush(self) -> None:
        if self._gathered:
            samples = np.concatenate(self._blocks)
            samples.flags.writeable = False
            self._blocks, self._gathered = [], 0
            self._deliver(AudioChunk(samples, Instant(self._start_us)))
