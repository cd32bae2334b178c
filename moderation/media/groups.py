"""Groups: the feeds of detectors that want the same, and what gathers their batches."""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from moderation.media.batching import Batcher, Chunker
from moderation.media.feed import Feed
from moderation.media.frames import Frame
from moderation.media.sound import Block
from moderation.timeline import Instant

__all__ = ["AudioWant", "FramesWant", "Pictures", "Sound", "Want", "group"]


@runtime_checkable
class FramesWant(Protocol):
    """Sampled frames, as `moderation.detector.Frames` asks for them."""

    @property
    def per_second(self) -> float: ...
    @property
    def batch(self) -> int: ...
    @property
    def unchanged(self) -> Literal["inherit", "tell"]: ...
    @property
    def longest_side(self) -> int: ...


@runtime_checkable
class AudioWant(Protocol):
    """Sound, as `moderation.detector.Audio` asks for it."""

    @property
    def seconds(self) -> float: ...


Want: TypeAlias = FramesWant | AudioWant


class Group:
    """The feeds of equal wants, and what gathers their batches."""

    unit = ""

    def __init__(self) -> None:
        self.feeds: list[Feed[Any]] = []

    def feed(self, capacity: int) -> Feed[Any]:
        self.feeds.append(Feed(self.unit, capacity))
        return self.feeds[-1]

    @property
    def open(self) -> bool:
        return not all(feed.closed for feed in self.feeds)

    def deliver(self, batch: Any) -> None:
        for feed in self.feeds:
            feed.put(batch)

    def plan(self, planned: int) -> None:
        for feed in self.feeds:
            feed.plan(planned)


class Pictures(Group):
    unit = "samples"

    def __init__(self, want: FramesWant) -> None:
        super().__init__()
        self.per_second, self.longest_side = want.per_second, want.longest_side
        self._inherits = want.unchanged == "inherit"
        self._batcher = Batcher(want.batch, self.deliver)
        self._last = Instant(0)

    def add(self, frame: Frame) -> None:
        if not (frame.repeats and self._inherits):
            self._last = frame.at if not frame.repeats else self._last
            self._batcher.add(frame)
            return
        # Nothing moves: whoever waits for a full batch would wait for long.
        self._batcher.flush(frame.stream)
        for feed in self.feeds:
            feed.inherit(self._last, frame.at)

    def finish(self, planned: int) -> None:
        self._batcher.finish()
        self.plan(planned)


class Sound(Group):
    unit = "seconds"

    def __init__(self, want: AudioWant) -> None:
        super().__init__()
        self._chunker = Chunker(want.seconds, self.deliver)

    def add(self, block: Block) -> None:
        self._chunker.add(block)

    def finish(self, planned: int) -> None:
        self._chunker.finish()
        self.plan(planned)


def group(want: Want) -> Pictures | Sound:
    if isinstance(want, FramesWant):
        return Pictures(want)
    if isinstance(want, AudioWant):
        return Sound(want)
    raise TypeError(f"the decoder gives frames or audio, not {want!r}")
