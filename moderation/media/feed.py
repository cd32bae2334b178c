"""Feed: the decoder's end of one detector's work. Bounded, so that the decoder waits for the
slowest, and memory does not grow with the video.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from moderation.media.frames import SAMPLE_RATE, AudioChunk, FrameBatch
from moderation.timeline import Instant

__all__ = ["Feed"]

Fed = TypeVar("Fed", bound=FrameBatch | AudioChunk)


class Feed(Generic[Fed]):
    """Hands batches from the decoding thread to one consuming thread.

    unit  "samples" (frames) or "seconds" (of sound), what `planned` and `examined` count
    """

    def __init__(self, unit: str, capacity: int) -> None:
        self.unit = unit
        self.waited_s = 0.0
        """Seconds that the consumer waited for the decoder."""
        self._capacity = capacity
        self._scale = SAMPLE_RATE if unit == "seconds" else 1
        self._batches: deque[Fed] = deque()
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._interruption: BaseException | None = None
        self._planned = self._examined = self._in_hand = self._put = 0
        self._unchanged: list[tuple[int, Instant, Instant]] = []

    # The consumer's side

    def __iter__(self) -> Iterator[Fed]:
        return self

    def __next__(self) -> Fed:
        """The next batch; raises the `Interruption` when the work was stopped."""
        with self._changed:
            self._examined, self._in_hand = self._examined + self._in_hand, 0
            self._wait_for_batch()
            if self._interruption is not None:
                raise self._interruption
            if self._closed or not self._batches:
                raise StopIteration
            batch = self._batches.popleft()
            self._in_hand = _weight(batch)
            self._changed.notify_all()
            return batch

    def close(self) -> None:
        """The consumer takes no more: the decoder never waits for it again."""
        with self._changed:
            self._closed = True
            self._batches.clear()
            self._changed.notify_all()

    @property
    def examined(self) -> float:
        """What was handed over and asked past: a batch on which the consumer raised is not.

        And the frames that look like one of those.
        """
        return self._examined / self._scale + self.inherited

    @property
    def inherited(self) -> float:
        """Frames that look like an examined one, and were not handed over."""
        return float(sum(len(instants) for instants in self.unchanged.values()))

    @property
    def unchanged(self) -> dict[Instant, list[Instant]]:
        """By the instant of an examined frame, those of the frames that look like it."""
        found: dict[Instant, list[Instant]] = {}
        for number, like, at in self._unchanged:
            if number <= self._examined:
                found.setdefault(like, []).append(at)
        return found

    @property
    def planned(self) -> float:
        """What the whole video, as its header claims it, asks for; 0 until decoding has ended."""
        return self._planned / self._scale

    @property
    def closed(self) -> bool:
        return self._closed

    # The decoder's side

    def put(self, batch: Fed) -> None:
        """Hand over a batch; waits while the consumer has enough."""
        with self._changed:
            while len(self._batches) >= self._capacity and not self._over:
                self._changed.wait()
            if not self._over:
                self._batches.append(batch)
                self._put += _weight(batch)
                self._changed.notify_all()

    def inherit(self, like: Instant, at: Instant) -> None:
        """The frame at `at` looks like the last one that was put, the one at `like`."""
        if not self._over:
            self._unchanged.append((self._put, like, at))

    def plan(self, planned: int) -> None:
        """How many frames or samples the whole video asks for."""
        self._planned = planned

    def end(self) -> None:
        """There is no more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self, interruption: BaseException) -> None:
        """Raise in the consumer at its next batch, and never wait for it again."""
        with self._changed:
            self._interruption = self._interruption or interruption
            self._batches.clear()
            self._changed.notify_all()

    def cut(self) -> None:
        """There is no more, and what has not been handed over need not be."""
        with self._changed:
            self._batches.clear()
            self._ended = True
            self._changed.notify_all()

    @property
    def _over(self) -> bool:
        return self._closed or self._ended or self._interruption is not None

    def _wait_for_batch(self) -> None:
        began = time.perf_counter()
        while not (self._batches or self._ended or self._over):
            self._changed.wait()
        self.waited_s += time.perf_counter() - began


def _weight(batch: FrameBatch | AudioChunk) -> int:
    return len(batch) if isinstance(batch, FrameBatch) else len(batch.samples)
