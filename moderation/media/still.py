"""Stills: the pictures that a person is shown, of exactly the frames that detectors saw."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing

from PIL import Image

from moderation.limits import MediaLimits
from moderation.media.container import DECODER_ERRORS
from moderation.media.decode import Decoder
from moderation.media.passage import jumps
from moderation.media.picture import Picture
from moderation.media.upload import Upload
from moderation.timeline import MICROSECONDS, Instant

__all__ = ["stills"]

_NEAR_US = 10 * MICROSECONDS
"""A frame this close ahead is reached by decoding on, not by another jump."""

_QUALITY = 85
"""Of the JPEG: artefacts that nobody sees at the size of a thumbnail."""


def stills(
    upload: Upload,
    instants: Iterable[Instant],
    longest_side: int,
    limits: MediaLimits,
    *,
    plain: bool = False,
) -> Iterator[tuple[Instant, bytes]]:
    """JPEGs of what the first video stream shows at these instants.

    At the time of a sampled frame that is this very frame; at another time, of speech, it is the
    frame then on the screen. Where the container can, it jumps to each; `plain` as in
    `passages`. Raises `MediaError`.
    """
    missing = sorted(set(instants))
    for instant, picture in _jump(upload, sorted(missing), longest_side, limits, plain=plain):
        missing.remove(instant)
        yield from _still(instant, picture)
    if missing:
        for instant, picture in _read(upload, missing, longest_side, limits):
            yield from _still(instant, picture)


def _read(
    upload: Upload, wanted: list[Instant], longest_side: int, limits: MediaLimits
) -> Iterator[tuple[Instant, Picture]]:
    """Decode the file from its start."""
    with closing(Decoder(upload, limits, longest_side).events()) as events:
        pictures = (event for event in events if isinstance(event, Picture) and not event.stream)
        yield from _shown(pictures, wanted)


def _jump(
    upload: Upload, wanted: list[Instant], longest_side: int, limits: MediaLimits, *, plain: bool
) -> Iterator[tuple[Instant, Picture]]:
    """Jump to each of the instants that are far apart; gives nothing where times are mended."""
    runs = list(_runs(wanted)) if wanted else []
    starts = [run[0].us for run in runs]
    with closing(jumps(upload, limits, starts, longest_side, plain=plain)) as landings:
        for run, pictures in zip(runs, landings, strict=False):
            for instant, picture in _shown(pictures, run):
                if picture.at <= instant:
                    yield instant, picture


def _runs(instants: list[Instant]) -> Iterator[list[Instant]]:
    """Instants in time order, cut where the next is far from the one before."""
    run: list[Instant] = []
    for instant in instants:
        if run and instant - run[-1] > _NEAR_US:
            yield run
            run = []
        run.append(instant)
    yield run


def _shown(pictures: Iterable[Picture], wanted: list[Instant]) -> Iterator[tuple[Instant, Picture]]:
    """For each instant the last picture that is not later, or else the first of all."""
    waiting, last = deque(wanted), None
    for picture in pictures:
        while waiting and picture.at > waiting[0]:
            yield waiting.popleft(), last or picture
        if not waiting:
            return
        last = picture
    while waiting and last is not None:
        yield waiting.popleft(), last


def _still(instant: Instant, picture: Picture) -> Iterator[tuple[Instant, bytes]]:
    file = io.BytesIO()
    try:
        Image.fromarray(picture.image).save(file, "JPEG", quality=_QUALITY)
    except DECODER_ERRORS:  # a frame that could not be converted for the detectors either
        return
    yield instant, file.getvalue()
