"""Showing: what of a decode is sent to the parent, and what it has already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from moderation.limits import MediaLimits
from moderation.media import protocol as say
from moderation.media.batching import Chunker
from moderation.media.decode import Decoder
from moderation.media.frames import AudioChunk
from moderation.media.outcome import Outcome, Shortfall
from moderation.media.picture import Picture
from moderation.media.selection import Pick, Selection
from moderation.media.sound import Block, samples_in

__all__ = ["LONGEST_TEXT", "Parent", "Showing"]

LONGEST_TEXT = 4_000
"""Characters of a message; names inside of files may be longer."""

_PROGRESS_US = 500_000
"""Progress is told twice for each second of video: more would only cost time."""

_PIECE_S = 1.0
"""Sound is sent in pieces of this length: a block of FFmpeg's is a fiftieth of it."""


class Parent(Protocol):
    """Who is shown it."""

    @property
    def unwanted(self) -> say.Unwanted: ...
    def put(self, data: bytes | memoryview) -> say.Block: ...
    def tell(self, message: say.Reply) -> None: ...


class Showing:
    """One decode.

    compares  whether pictures may be said to look like others; asked for each
    """

    def __init__(
        self,
        parent: Parent,
        limits: MediaLimits,
        request: say.Decode,
        *,
        compares: Callable[[], bool],
    ) -> None:
        self._parent, self._compares = parent, compares
        self._sent, self._heard = list(request.sent) or [0] * len(request.rates), request.heard
        self._selection = Selection(request.rates, limits)
        self._sound = Chunker(_PIECE_S, self._hear) if request.sound else None
        self._told_us, self._end_us = -_PROGRESS_US, 0

    def add(self, event: Picture | Block) -> None:
        """Raises `BrokenPipeError` when nobody looks any more."""
        for rate in self._parent.unwanted.rates:
            self._selection.close(rate)
        if isinstance(event, Picture):
            self._show(self._selection.offer(event, compare=self._compares()))
            self._progress(event.at.us)
        elif self._sound:
            self._sound.add(event)
            self._progress(max(0, event.at_us))

    def finish(self) -> None:
        """The file, or a part of it, has ended."""
        self._show(self._selection.finish(compare=self._compares()))
        if self._sound:
            self._sound.finish()

    def decoded(self, decoder: Decoder) -> say.Decoded:
        """What is said last of a whole file. Raises `MediaError` when nothing could be decoded."""
        shortfall = Shortfall.of(decoder)
        decoder.faults.update(self._selection.faults)
        outcome = Outcome.of(decoder, shortfall)
        return say.Decoded(
            decoded_us=outcome.decoded.us,
            claimed_us=outcome.claimed_us,
            frames=outcome.frames,
            lost=outcome.lost,
            fault=outcome.fault,
            message=outcome.message[:LONGEST_TEXT],
            planned=self._selection.planned(shortfall.pictures_us),
            sound=(self._sound.taken if self._sound else 0) + samples_in(shortfall.sound_us),
        )

    def passed(self) -> say.Decoded:
        """What is said last of parts of a file: how whole it is has been said before."""
        reasons = self._selection.faults
        return say.Decoded(
            decoded_us=self._end_us,
            fault=next(iter(reasons.values()), None),
            message="; ".join(reasons),
            planned=self._selection.planned(0),
        )

    def _show(self, picks: Iterator[Pick]) -> None:
        for pick in picks:
            chosen = [*pick.fresh, *pick.unchanged]
            if any(index >= self._sent[rate] for rate, index in chosen):
                self._parent.tell(self._picked(pick))

    def _picked(self, pick: Pick) -> say.Picked:
        height, width = pick.image.shape[:2] if pick.image is not None else (0, 0)
        pixels = None if pick.image is None else self._parent.put(pick.image.data.cast("B"))
        return say.Picked(
            at_us=pick.picture.at.us,
            stream=pick.picture.stream,
            fresh=tuple(say.Choice(rate=rate, index=index) for rate, index in pick.fresh),
            unchanged=tuple(say.Choice(rate=rate, index=index) for rate, index in pick.unchanged),
            width=width,
            height=height,
            pixels=pixels,
        )

    def _hear(self, chunk: AudioChunk) -> None:
        if self._heard:
            self._heard -= 1
        elif not self._parent.unwanted.sound:
            samples = self._parent.put(chunk.samples.data.cast("B"))
            self._parent.tell(say.Sound(at_us=chunk.at.us, samples=samples))

    def _progress(self, at_us: int) -> None:
        self._end_us = max(self._end_us, at_us)
        if at_us - self._told_us >= _PROGRESS_US:
            self._told_us = at_us
            self._parent.tell(say.Progress(at_us=at_us))
