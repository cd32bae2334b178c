"""Desk: where what the decoder sends is checked, dealt out to those who want it, and counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from weakref import WeakValueDictionary

import numpy as np

from moderation.errors import MediaFault
from moderation.media import protocol as say
from moderation.media.excerpt import FOREVER
from moderation.media.frames import Frame
from moderation.media.groups import Pictures, Sound
from moderation.media.outcome import Outcome
from moderation.media.picture import Image
from moderation.media.process import DecoderLost
from moderation.media.reader import MediaReader
from moderation.media.sound import Block, samples_in
from moderation.scan import Video
from moderation.section import Section
from moderation.timeline import MICROSECONDS, Instant

__all__ = ["Desk"]

_BYTES = 4
"""Of a sample of sound."""


class Desk:
    """One decode, seen by its parent.

    groups  all that is wanted
    """

    def __init__(
        self,
        groups: Sequence[Pictures | Sound],
        media: MediaReader,
        video: Video,
        windows: Sequence[tuple[Instant, Instant]],
        section: Section | None,
    ) -> None:
        self._media, self._video, self._windows = media, video, windows
        self._section = section
        self._pictures = [each for each in groups if isinstance(each, Pictures)]
        self._sounds = [each for each in groups if isinstance(each, Sound)]
        most = media.limits.longest_side
        sides = [min(most, each.longest_side or most) for each in self._pictures]
        self._longest_side = max(sides, default=most)
        self._rates = sorted({each.per_second for each in self._pictures})
        # Frames that are picked for one rate now and for another later share their pixels.
        self._known: WeakValueDictionary[tuple[int, int], Image] = WeakValueDictionary()
        self._images: list[Image | None] = [None] * len(self._rates)
        self._received = [0] * len(self._rates)
        self._pieces = self._end_us = 0
        self._unwanted = say.Unwanted(rates=(), sound=not self._sounds)

    def request(self) -> say.Decode:
        """What is wanted, and what of it has come already."""
        return say.Decode(
            rates=tuple(self._rates),
            sound=bool(self._sounds),
            longest_side=self._longest_side,
            windows=tuple((start.us, end.us) for start, end in self._windows),
            section=_bounds(self._section),
            plain=self._media.plain,
            sent=tuple(self._received),
            heard=self._pieces,
        )

    def hand_on(self, reply: say.Reply) -> None:
        """Raises `DecoderLost` for what no decoder sends."""
        match reply:
            case say.Picked():
                self._see(reply)
            case say.Sound():
                self._hear(reply)
            case _:
                raise _nonsense(f"{reply.kind} is no part of a decode")
        self._dismiss()

    def close(self, decoded: say.Decoded) -> Outcome:
        """The decode has ended by itself."""
        if len(decoded.planned) != len(self._rates):
            raise _nonsense("plans for other rates")
        self._finish(dict(zip(self._rates, decoded.planned, strict=True)), decoded.sound)
        return Outcome(
            decoded=Instant(decoded.decoded_us),
            claimed_us=decoded.claimed_us,
            frames=decoded.frames,
            lost=decoded.lost,
            fault=decoded.fault,
            message=decoded.message,
        )

    @property
    def has_something(self) -> bool:
        """Whether anything has been seen or heard."""
        return any(self._received) or bool(self._pieces)

    def give_up(self, fault: MediaFault | None, message: str) -> Outcome:
        """The decode ended before the file did: what it claimed and did not give is missing."""
        length_us = self._length_us()
        planned = {rate: math.ceil(length_us * rate / MICROSECONDS) + 1 for rate in self._rates}
        self._finish(planned, samples_in(length_us) if self._sounds else 0)
        return Outcome(
            decoded=Instant(self._end_us),
            claimed_us=self._video.duration_us,
            fault=fault,
            message=message,
        )

    def _length_us(self) -> int:
        """Of what was to be decoded, and at least a second more than was."""
        if self._windows:
            return sum(end - start for start, end in self._windows)
        start_us, end_us = _bounds(self._section) or (0, FOREVER)
        claimed_us = min(end_us, self._video.duration_us) - start_us
        return max(claimed_us, self._end_us - start_us + MICROSECONDS)

    def _see(self, picked: say.Picked) -> None:
        if picked.stream >= self._media.limits.max_streams:  # each has batches of its own
            raise _nonsense("more streams than it may")
        self._end_us = max(self._end_us, picked.at_us)
        image = self._image(picked)
        for choice in picked.fresh:
            if image is None:
                raise _nonsense("a frame without pixels")
            if self._is_new(choice):
                frame = Frame(image, Instant(picked.at_us), choice.index, picked.stream)
                self._images[choice.rate] = image
                self._deal(choice.rate, frame)
        for choice in picked.unchanged:
            like = self._images[choice.rate] if choice.rate < len(self._images) else None
            if like is None:
                raise _nonsense("a frame like none before it")
            if self._is_new(choice):
                at = Instant(picked.at_us)
                self._deal(choice.rate, Frame(like, at, choice.index, picked.stream, repeats=True))

    def _is_new(self, choice: say.Choice) -> bool:
        """Whether it was not received from a decoder that has crashed since."""
        if choice.rate >= len(self._rates):
            raise _nonsense("a rate that nobody asked for")
        if choice.index >= self._media.limits.max_samples:
            raise _nonsense("more frames than it may")
        new = choice.index >= self._received[choice.rate]
        self._received[choice.rate] = max(self._received[choice.rate], choice.index + 1)
        return new

    def _deal(self, rate: int, frame: Frame) -> None:
        for group in self._pictures:
            if group.per_second == self._rates[rate]:
                group.add(frame)

    def _image(self, picked: say.Picked) -> Image | None:
        if picked.pixels is None:
            return None
        pixels = self._media.take(picked.pixels)
        if len(pixels) != picked.width * picked.height * 3 or not pixels:
            raise _nonsense("a frame of another size than it says")
        if max(picked.width, picked.height) > self._longest_side:
            raise _nonsense("a larger frame than was asked for")
        image = np.frombuffer(pixels, np.uint8).reshape(picked.height, picked.width, 3)
        return self._known.setdefault((picked.stream, picked.at_us), image)

    def _hear(self, sound: say.Sound) -> None:
        data = self._media.take(sound.samples)
        if len(data) % _BYTES:
            raise _nonsense("a part of a sample")
        samples = np.nan_to_num(np.frombuffer(data, np.float32))
        self._pieces += 1
        self._end_us = max(self._end_us, sound.at_us)
        for group in self._sounds:
            group.add(Block(samples, sound.at_us))

    def _dismiss(self) -> None:
        """Tell the decoder what nobody reads any more."""
        open_rates = {each.per_second for each in self._pictures if each.open}
        closed = tuple(n for n, rate in enumerate(self._rates) if rate not in open_rates)
        sound = not any(each.open for each in self._sounds)
        unwanted = say.Unwanted(rates=closed, sound=sound)
        if unwanted != self._unwanted:
            self._unwanted = unwanted
            self._media.tell(unwanted)

    def _finish(self, planned: dict[float, int], sound: int) -> None:
        for pictures in self._pictures:
            pictures.finish(planned[pictures.per_second])
        for each in self._sounds:
            each.finish(sound)


def _bounds(section: Section | None) -> tuple[int, int] | None:
    if section is None:
        return None
    return section.start.us, section.end.us if section.end else FOREVER


def _nonsense(what: str) -> DecoderLost:
    return DecoderLost(f"the decoder sends {what}", fault=MediaFault.DECODER_CRASHED)
