"""Selection: which decoded pictures are looked at, and which only look like another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from moderation.errors import MediaFault
from moderation.limits import MediaLimits
from moderation.media.change import Reference
from moderation.media.container import DECODER_ERRORS
from moderation.media.picture import Image, Picture
from moderation.media.sampling import Sampler
from moderation.timeline import MICROSECONDS

__all__ = ["Pick", "Selection"]


@dataclass(slots=True)
class Pick:
    """A picture that sampling chose.

    fresh      rates, by position, for which it is to be looked at, with its number among theirs
    unchanged  rates for which it looks like the last fresh one
    image      RGB; `None` when it is fresh for nobody
    """

    picture: Picture
    fresh: list[tuple[int, int]] = field(default_factory=list)
    unchanged: list[tuple[int, int]] = field(default_factory=list)
    image: Image | None = None


class Selection:
    """Samples the pictures of a file at several rates, and compares neighbours.

    Not compared where two streams show different things at one time.
    """

    def __init__(self, rates: Sequence[float], limits: MediaLimits) -> None:
        self.failed = 0
        """Chosen pictures that could not be converted to RGB."""
        self._limits = limits
        self._rates = [_Rate(each, limits) for each in rates]

    def close(self, rate: int) -> None:
        """Nobody looks at this rate any more: it is only counted."""
        self._rates[rate].open = False

    def offer(self, picture: Picture, *, compare: bool) -> Iterator[Pick]:
        """The pictures to look at, now that this one is known."""
        chosen = [rate.sampler(picture).offer(picture) for rate in self._rates]
        yield from self._picked(chosen, compare)

    def finish(self, *, compare: bool) -> Iterator[Pick]:
        """The last pictures; what is offered afterwards is of another part of the file."""
        chosen = [rate.finish() for rate in self._rates]
        yield from self._picked(chosen, compare)

    def planned(self, missing_us: int) -> tuple[int, ...]:
        """How many pictures the whole video asks for, with so much of it missing."""
        return tuple(rate.planned(missing_us) for rate in self._rates)

    @property
    def faults(self) -> dict[str, MediaFault]:
        """Why not all that was decoded was handed on."""
        faults = {}
        if any(rate.exhausted for rate in self._rates):
            faults[f"more than {self._limits.max_samples} samples"] = MediaFault.TOO_LARGE
        if self.failed:
            faults["some pictures cannot be converted to RGB"] = MediaFault.UNREADABLE
        return faults

    def _picked(self, chosen: Sequence[Iterator[Picture]], compare: bool) -> Iterator[Pick]:
        picks: dict[int, Pick] = {}
        for number, pictures in enumerate(chosen):
            for picture in pictures:
                pick = picks.setdefault(id(picture), Pick(picture))
                try:
                    self._rates[number].take(pick, number, compare)
                except DECODER_ERRORS:
                    self.failed += 1
        yield from sorted(picks.values(), key=lambda pick: pick.picture.elapsed_us)


class _Rate:
    """One rate: its samplers, one for each stream, and what was looked at last."""

    def __init__(self, per_second: float, limits: MediaLimits) -> None:
        self.open, self.taken = True, 0
        self._per_second, self._most = per_second, limits.max_samples
        self._samplers: dict[int, Sampler] = {}
        self._seen = Reference(limits.unchanged_below)

    @property
    def exhausted(self) -> bool:
        """More was chosen than may be handed on."""
        return self.taken > self._most

    def sampler(self, picture: Picture) -> Sampler:
        return self._samplers.setdefault(picture.stream, Sampler(self._per_second))

    def finish(self) -> Iterator[Picture]:
        samplers, self._samplers = self._samplers, {}
        for sampler in samplers.values():
            yield from sampler.finish()

    def planned(self, missing_us: int) -> int:
        return self.taken + math.ceil(missing_us * self._per_second / MICROSECONDS)

    def take(self, pick: Pick, number: int, compare: bool) -> None:
        """Raises what PyAV raises, when the picture cannot be converted."""
        self.taken += 1
        if not self.open or self.exhausted:
            return
        choice = number, self.taken - 1
        if compare and not self._seen.differs(pick.picture.thumbnail):
            pick.unchanged.append(choice)
            return
        pick.image = pick.picture.image
        pick.fresh.append(choice)
        if compare:
            self._seen.examined(pick.picture.thumbnail)
