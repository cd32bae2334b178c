"""Batching: sampled frames and sound, gathered as detectors want them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from moderation.media.frames import SAMPLE_RATE, AudioChunk, Frame, FrameBatch
from moderation.media.sound import Block, samples_in
from moderation.timeline import MICROSECONDS, Instant

__all__ = ["Batcher", "Chunker"]

_SAME_US = 1_000
"""Blocks whose times differ less than this from the count of samples follow each other."""


class Batcher:
    """Hands sampled frames on in batches of one stream and one size."""

    def __init__(self, batch: int, deliver: Callable[[FrameBatch], None]) -> None:
        self._batch, self._deliver = batch, deliver
        self._pending: dict[int, list[Frame]] = {}

    def add(self, frame: Frame) -> None:
        pending = self._pending.setdefault(frame.stream, [])
        if pending and pending[0].image.shape != frame.image.shape:
            self.flush(frame.stream)
        pending.append(frame)
        if len(pending) >= self._batch:
            self.flush(frame.stream)

    def finish(self) -> None:
        """Hand on the last frames."""
        for stream in self._pending:
            self.flush(stream)

    def flush(self, stream: int) -> None:
        """Hand on what there is."""
        pending = self._pending.get(stream)
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

    @property
    def _expected_us(self) -> int:
        return self._start_us + round(self._gathered * MICROSECONDS / SAMPLE_RATE)

    def _flush(self) -> None:
        if self._gathered:
            samples = np.concatenate(self._blocks)
            samples.flags.writeable = False
            self._blocks, self._gathered = [], 0
            self._deliver(AudioChunk(samples, Instant(self._start_us)))
