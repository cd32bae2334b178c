"""Reader: what there is to be had of one file - a probe, a decode for detectors, stills.

The file itself is read in another process (`moderation.media.worker`). A crash or a hang there is
a `MediaError`, or a reason why a decode is not whole; it is never ours.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import pairwise
from types import TracebackType
from typing import TypeVar

from moderation.errors import MediaError, MediaFault, SourceError
from moderation.limits import MediaLimits
from moderation.media import protocol as say
from moderation.media.process import DecoderLost, DecoderProcess
from moderation.scan import Video
from moderation.source import Source
from moderation.timeline import MICROSECONDS, Instant

__all__ = ["MediaReader"]

_Answer = TypeVar("_Answer", say.Probed, say.Divided)

_STILLS = 1_000
"""Instants asked for at once: what fits into one message."""

_JPEG = b"\xff\xd8\xff"
"""How every JPEG begins."""


class MediaReader:
    """A context manager around one opened source; starts its process when it is first asked.

    sandbox  the layers that held the process; empty before it was needed
    plain    times in the file are known to lead to its frames; `cuts` finds it out
    """

    def __init__(self, source: Source, limits: MediaLimits | None = None) -> None:
        self.source, self.limits = source, limits or MediaLimits()
        self.sandbox: tuple[str, ...] = ()
        self.plain = False
        self._process: DecoderProcess | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that decodes; `None` while there is none."""
        return None if self._process is None else self._process.pid

    def probe(self) -> Video:
        """What the file says of itself: claims, which decoding may not bear out.

        Raises `MediaError` for what is no media, has no stream that we decode, is encrypted, or is
        beyond the limits, and `SourceError`.
        """
        self._check_bytes()
        probed = self._only_answer(say.Probe(), say.Probed)
        return Video(
            uri=self.source.uri,
            sha256=self.source.sha256(),
            bytes=self.source.size,
            duration_us=probed.duration_us,
            width=probed.width,
            height=probed.height,
            fps=probed.fps,
            has_video=probed.has_video,
            has_audio=probed.has_audio,
            container=probed.container,
            codecs=probed.codecs,
        )

    def cuts(self, every_us: int) -> tuple[Instant, ...]:
        """Where the video may be cut, in the pauses about so many microseconds apart.

        None for a shorter video, and for one that must be decoded from its start. Raises
        `MediaError` and `SourceError`.
        """
        divided = self._only_answer(say.Cuts(every_us=every_us), say.Divided)
        edges = (0, *divided.at_us)
        too_near = any(after - before < every_us // 2 for before, after in pairwise(edges))
        if too_near or edges[-1] > self.limits.max_seconds * MICROSECONDS:
            raise DecoderLost(
                "the decoder cuts the video to pieces", fault=MediaFault.DECODER_CRASHED
            )
        self.plain = bool(divided.at_us)
        return tuple(map(Instant, divided.at_us))

    def stills(
        self, video: Video, instants: Iterable[Instant], longest_side: int = 640
    ) -> Iterator[tuple[Instant, bytes]]:
        """JPEGs of what the first video stream shows at these instants.

        At the time of a sampled frame that is this very frame; at another time, of speech, it is
        the frame then on the screen. Raises `MediaError` and `SourceError`.
        """
        wanted = tuple(sorted({each.us for each in instants})) if video.has_video else ()
        for start in range(0, len(wanted), _STILLS):
            request = say.Stills(
                instants_us=wanted[start : start + _STILLS],
                longest_side=longest_side,
                plain=self.plain,
            )
            missing = set(request.instants_us)
            for reply in self.ask(request, say.Finished):
                if isinstance(reply, say.Still):
                    yield Instant(reply.at_us), self._still(reply, missing)

    def ask(
        self,
        request: say.Request,
        last: type[say.Finished | say.Decoded | say.Probed | say.Divided | say.Redacted],
        check: Callable[[], None] = lambda: None,
    ) -> Generator[say.Reply]:
        """All answers to a request, up to the one of the class `last`.

        An asking that is broken off ends the process; the next one starts another.
        """
        process = self._running(check)
        done = False
        try:
            process.send(request, check)
            while not done:
                reply = process.receive(check)
                done = isinstance(reply, last)
                yield reply
        except (MediaError, SourceError) as error:
            done = not isinstance(error, DecoderLost)
            raise
        finally:
            if not done:
                self.close()

    def tell(self, message: say.Request) -> None:
        """Say something in the middle of an asking. Raises `DecoderLost`."""
        if self._process is not None:
            self._process.send(message)

    def take(self, block: say.Block) -> bytes:
        """The bytes of a block that an answer names. Raises `DecoderLost`."""
        if self._process is None:
            raise DecoderLost("the decoder has ended", fault=MediaFault.DECODER_CRASHED)
        return self._process.take(block)

    def with_one_thread(self) -> None:
        """Begin anew with a process that decodes in one thread."""
        self.close()
        self.limits = self.limits.model_copy(update={"decoder_threads": 1})

    def close(self) -> None:
        """End the process, whatever it does; more than once is harmless."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def __enter__(self) -> MediaReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_bytes(self) -> None:
        """Before anything is read: a digest of terabytes would take hours."""
        if self.source.size > self.limits.max_bytes:
            raise MediaError(
                f"the file has {self.source.size} bytes, more than {self.limits.max_bytes}",
                fault=MediaFault.TOO_LARGE,
                hint="raise media.max_bytes if such videos are expected",
            )

    def _still(self, still: say.Still, missing: set[int]) -> bytes:
        """A browser will show it to a person: it is what was asked for, or nothing."""
        jpeg = self.take(still.jpeg)
        if still.at_us not in missing or not jpeg.startswith(_JPEG):
            raise DecoderLost(
                "the decoder sends a still that is none", fault=MediaFault.DECODER_CRASHED
            )
        missing.remove(still.at_us)
        return jpeg

    def _only_answer(self, request: say.Request, kind: type[_Answer]) -> _Answer:
        for reply in self.ask(request, kind):
            if isinstance(reply, kind):
                return reply
        raise DecoderLost("the decoder does not answer", fault=MediaFault.DECODER_CRASHED)

    def _running(self, check: Callable[[], None]) -> DecoderProcess:
        if self._process is None:
            self._process = DecoderProcess(self.source, self.limits)
            try:
                ready = self._process.receive(check)
            except BaseException:
                self.close()
                raise
            if isinstance(ready, say.Ready):
                self.sandbox = ready.sandbox
        return self._process
