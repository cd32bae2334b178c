"""Broadcast: one decode that feeds every detector, in memory that does not grow with the video."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any

from moderation.errors import Cancelled, Interruption, MediaError, MediaFault
from moderation.media import protocol as say
from moderation.media.desk import Desk
from moderation.media.feed import Feed
from moderation.media.groups import Want, group
from moderation.media.outcome import Outcome
from moderation.media.process import DecoderLost
from moderation.media.reader import MediaReader
from moderation.scan import Video
from moderation.section import Section
from moderation.timeline import Instant

__all__ = ["Broadcast", "broadcast"]


def broadcast(
    media: MediaReader,
    video: Video,
    wants: Sequence[Want],
    windows: Sequence[tuple[Instant, Instant]] = (),
    section: Section | None = None,
) -> Broadcast:
    """Prepare one decode for all of `wants`; nothing is read before `Broadcast.run`.

    windows  from and to: only the frames of these parts, in the order of time; empty: everything
    section  only what lies in it; `None`: everything
    """
    return Broadcast(media, video, wants, windows, section)


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
        self,
        media: MediaReader,
        video: Video,
        wants: Sequence[Want],
        windows: Sequence[tuple[Instant, Instant]] = (),
        section: Section | None = None,
    ) -> None:
        self.video = video
        self._media = media
        self._groups = {want: group(want) for want in wants}
        self.feeds = tuple(self._groups[want].feed(media.limits.queue_batches) for want in wants)
        self._desk = Desk(list(self._groups.values()), media, video, windows, section)
        self._interruption: BaseException | None = None
        self._enough = ""

    def run(self, on_progress: Callable[[Instant], None] = lambda _: None) -> Outcome:
        """Decode to the end, in the calling thread; `on_progress` is told how far it has come.

        Ends early when every feed is closed. When the decoder crashes, one that uses one thread
        goes on in its place; when that crashes too, or hangs, the outcome says so, and what was
        seen before stands. Raises `MediaError` when nothing can be decoded, `SourceError` when the
        file changed meanwhile, and what `stop` was given. Whatever is raised, the feeds end too.
        """
        try:
            outcome = self._decode(on_progress)
            self._check_stopped()
            self._media.source.check_unchanged()
        except BaseException as error:
            self.stop(error if isinstance(error, Interruption) else Cancelled())
            raise
        for feed in self.feeds:
            feed.end()
        return outcome

    def stop(self, interruption: BaseException) -> None:
        """Raise `interruption` in every consumer and in `run`. From any thread, at any time."""
        self._interruption = self._interruption or interruption
        for feed in self.feeds:
            feed.stop(self._interruption)

    def suffice(self, reason: str) -> None:
        """Nobody need see the rest: every consumer's feed ends, and `run` soon does."""
        self._enough = reason
        for feed in self.feeds:
            feed.cut()

    def _decode(self, on_progress: Callable[[Instant], None]) -> Outcome:
        try:
            return self._attempt(on_progress)
        except DecoderLost as lost:
            if not lost.crashed:
                return self._lost(lost)
        self._media.with_one_thread()
        try:
            return self._attempt(on_progress)
        except DecoderLost as lost:
            return self._lost(lost)

    def _lost(self, lost: DecoderLost) -> Outcome:
        """Keep what was seen. Raises it again when that is nothing."""
        if not self._desk.has_something:
            raise lost
        return self._desk.give_up(lost.fault, lost.message)

    def _attempt(self, on_progress: Callable[[Instant], None]) -> Outcome:
        with closing(self._replies()) as replies:
            for reply in replies:
                self._check_stopped()
                if self._enough:
                    return self._desk.give_up(None, self._enough)
                match reply:
                    case say.Progress():
                        on_progress(Instant(reply.at_us))
                    case say.Decoded():
                        return self._desk.close(reply)
                    case _:
                        self._desk.hand_on(reply)
        raise MediaError("the decoder does not answer", fault=MediaFault.DECODER_CRASHED)

    def _replies(self) -> Generator[say.Reply]:
        return self._media.ask(self._desk.request(), say.Decoded, self._check_stopped)

    def _check_stopped(self) -> None:
        if self._interruption is not None:
            raise self._interruption
