"""Inside: what the decoding process does with a file, done in this one. Fast; a crash is ours."""

from __future__ import annotations

import contextlib
from contextlib import closing
from typing import Final

from moderation.errors import MediaError
from moderation.limits import MediaLimits
from moderation.media import protocol
from moderation.media.container import DECODER_ERRORS
from moderation.media.decode import Decoder
from moderation.media.passage import passages
from moderation.media.picture import Picture
from moderation.media.probe import probe
from moderation.media.showing import Showing
from moderation.media.still import stills
from moderation.timeline import MICROSECONDS, Instant
from tests.fuzz.answers import Answer, BrokenPromiseError, check_pixels

__all__ = ["LIMITS", "inside"]

LIMITS: Final = MediaLimits()

EVERY: Final = 5
"""Pictures of which one is rendered and made a thumbnail of, whether anybody wants it or not."""


class _Held:
    """A file in memory, so that a process which is locked in can be given many."""

    def __init__(self, data: bytes) -> None:
        self.size, self._data = len(data), data

    def read(self, count: int, at: int = 0) -> bytes:
        return self._data[at : at + count]


class _Mute:
    """A parent that wants everything, and only checks that its child may say what it says."""

    unwanted = protocol.Unwanted(rates=(), sound=False)

    def put(self, data: bytes | memoryview) -> protocol.Block:
        return protocol.Block(offset=0, length=len(data))

    def tell(self, message: protocol.Reply) -> None:
        protocol.reply(protocol.packed(message)[protocol.LENGTH.size :])


def inside(data: bytes, *, closer: bool) -> Answer:
    """Probe and decode; with `closer` parts and stills as well."""
    upload = _Held(data)
    try:
        probed = probe(upload, LIMITS)
        ended = _shown(upload)
        if closer and probed.has_video:
            _look_closer(upload)
    except MediaError as error:
        return Answer.refused(error)
    return Answer.of(ended.fault, ended.message)


def _shown(upload: _Held) -> protocol.Decoded:
    request = protocol.Decode(rates=(2.0,), sound=True, longest_side=LIMITS.longest_side)
    decoder = Decoder(upload, LIMITS, LIMITS.longest_side)
    showing = Showing(_Mute(), LIMITS, request, compares=lambda: decoder.videos == 1)
    with closing(decoder.events()) as events:
        for number, event in enumerate(events):
            if isinstance(event, Picture) and number % EVERY == 0:
                _render(event)
            showing.add(event)
        showing.finish()
    return showing.decoded(decoder)


def _render(picture: Picture) -> None:
    with contextlib.suppress(*DECODER_ERRORS):  # which whoever samples it counts as a loss
        check_pixels(picture.image)
        if picture.thumbnail.ndim != 3:
            raise BrokenPromiseError(f"a thumbnail of shape {picture.thumbnail.shape}")


def _look_closer(upload: _Held) -> None:
    windows = [(0, MICROSECONDS // 2), (MICROSECONDS, 2 * MICROSECONDS)]
    with closing(passages(upload, LIMITS, windows, 320)) as found:
        for pictures in found:
            for picture in pictures:
                _render(picture)
    for _, jpeg in stills(upload, map(Instant, (0, 600_000)), 320, LIMITS):
        if not jpeg:
            raise BrokenPromiseError("an empty still")
