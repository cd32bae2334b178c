"""Broadcast: one decode that feeds every detector, in memory that does not grow with the video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Protocol, TypeAlias, runtime_checkable

from moderation.config import MediaLimits
from moderation.errors import Cancelled, Interruption, MediaFault
from moderation.media.batching import Batcher, Chunker
from moderation.media.decode import Decoder
from moderation.media.feed import Feed
from moderation.media.outcome import Outcome, Shortfall
from moderation.media.picture import Picture
from moderation.media.sound import Block
from moderation.scan import Video
from moderation.source import Source
from moderation.timeline import Instant

__all__ = ["AudioWant", "Broadcast", "FramesWant", "broadcast"]

_PROGRESS_US = 500_000
"""Progress is told twice for each second of video: more would only cost time."""


@runtime_checkable
class FramesWant(Protocol):
    """Sampled frames, as `moderation.detector.Frames` asks for them."""

    @property
    def per_second(self) -> float: ...
    @property
    def batch(self) -> int: ...


@runtime_checkable
class AudioWant(Protocol):
    """Sound, as `moderation.detector.Audio` asks for it."""

    @property
    def seconds(self) -> float: ...


Want: TypeAlias = FramesWant | AudioWant


def broadcast(
    source: Source, video: Video, wants: Sequence[Want], limits: MediaLimits
) -> Broadcast:
    """Prepare one decode for all of `wants`; nothing is read before `Broadcast.run`."""
    return Broadcast(source, video, wants, limits)


class Broadcast:
    """One decode with a feed for each want.

    Equal wants share their batches, so that what one detector makes of a batch
    (`FrameBatch.letterbox`) serves the others. Each feed must be read, or closed, by a thread of
    its own: the decoder waits for the slowest.
    """

    feeds: tuple[Feed[Any], ...]
    """One for each want, in their order."""
    video: Video
    """What was probed."""

    def __init__(
        self, source: Source, video: Video, wants: Sequence[Want], limits: MediaLimits
    ) -> None:
        self.video = video
        self._source, self._limits = source, limits
        self._groups = {want: _group(want, limits) for want in wants}
        self.feeds = tuple(self._groups[want].feed(limits.queue_batches) for want in wants)
        self._interruption: BaseException | None = None

    def run(self, on_progress: Callable[[Instant], None] = lambda _: None) -> Outcome:
        """Decode to the end, in the calling thread; `on_progress` is told how far it has come.

        Ends early when every feed is closed. Raises `MediaError` when nothing can be decoded,
        `SourceError` when the file changed meanwhile, and what `stop` was given. Whatever is
        raised, the feeds end too.
        """
        decoder = Decoder(self._source, self._limits)
        try:
            self._decode(decoder, on_progress)
            for group in self._groups.values():
                group.finish()
            self._check_stopped()
            self._source.check_unchanged()
            return self._close(decoder)
        except BaseException as error:
            self.stop(error if isinstance(error, Interruption) else Cancelled())
            raise

    def stop(self, interruption: BaseException) -> None:
        """Raise `interruption` in every consumer and in `run`. From any thread, at any time."""
        self._interruption = self._interruption or interruption
        for feed in self.feeds:
            feed.stop(self._interruption)

    def _decode(self, decoder: Decoder, on_progress: Callable[[Instant], None]) -> None:
        told_us = -_PROGRESS_US
        with closing(decoder.events()) as events:
            for event in events:
                self._check_stopped()
                if all(feed.closed for feed in self.feeds):
                    return
                self._hand_on(event)
                at_us = event.at.us if isinstance(event, Picture) else event.at_us
                if at_us - told_us >= _PROGRESS_US:
                    told_us = at_us
                    on_progress(Instant(at_us))

    def _hand_on(self, event: Picture | Block) -> None:
        for group in self._groups.values():
            group.add(event)

    def _check_stopped(self) -> None:
        if self._interruption is not None:
            raise self._interruption

    def _close(self, decoder: Decoder) -> Outcome:
        shortfall = Shortfall.of(decoder)
        for group in self._groups.values():
            group.plan(shortfall)
            decoder.faults.update(group.faults)
        outcome = Outcome.of(decoder, shortfall)
        for feed in self.feeds:
            feed.end()
        return outcome


class _Group:
    """The feeds of equal wants, and what gathers their batches."""

    unit = ""

    def __init__(self) -> None:
        self.feeds: list[Feed[Any]] = []

    def feed(self, capacity: int) -> Feed[Any]:
        self.feeds.append(Feed(self.unit, capacity))
        return self.feeds[-1]

    @property
    def faults(self) -> dict[str, MediaFault]:
        """Why not all that was decoded was handed on."""
        return {}

    @property
    def open(self) -> bool:
        return not all(feed.closed for feed in self.feeds)

    def deliver(self, batch: Any) -> None:
        for feed in self.feeds:
            feed.put(batch)


class _Pictures(_Group):
    unit = "samples"

    def __init__(self, want: FramesWant, limits: MediaLimits) -> None:
        super().__init__()
        self._most = limits.max_samples
        self._batcher = Batcher(want.per_second, want.batch, self._most, self.deliver)

    def add(self, event: Picture | Block) -> None:
        if isinstance(event, Picture):
            self._batcher.add(event, wanted=self.open)

    def finish(self) -> None:
        self._batcher.finish(wanted=self.open)

    def plan(self, shortfall: Shortfall) -> None:
        for feed in self.feeds:
            feed.plan(self._batcher.planned(shortfall.pictures_us))

    @property
    def faults(self) -> dict[str, MediaFault]:
        faults = {}
        if self._batcher.exhausted:
            faults[f"more than {self._most} samples"] = MediaFault.TOO_LARGE
        if self._batcher.failed:
            faults["some pictures cannot be converted to RGB"] = MediaFault.UNREADABLE
        return faults


class _Sound(_Group):
    unit = "seconds"

    def __init__(self, want: AudioWant) -> None:
        super().__init__()
        self._chunker = Chunker(want.seconds, self.deliver)

    def add(self, event: Picture | Block) -> None:
        if isinstance(event, Block):
            self._chunker.add(event)

    def finish(self) -> None:
        self._chunker.finish()

    def plan(self, shortfall: Shortfall) -> None:
        for feed in self.feeds:
            feed.plan(self._chunker.planned(shortfall.sound_us))


def _group(want: Want, limits: MediaLimits) -> _Pictures | _Sound:
    if isinstance(want, FramesWant):
        return _Pictures(want, limits)
    if isinstance(want, AudioWant):
        return _Sound(want)
    raise TypeError(f"the decoder gives frames or audio, not {want!r}")
