"""Redact: a video written anew, with parts of it hidden, silenced or left out.

Runs where FFmpeg does, in the process that is locked in: what it writes goes out through an
`Outlet`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from moderation.errors import MediaError, MediaFault
from moderation.limits import MediaLimits
from moderation.media import protocol as say
from moderation.media.container import DECODER_ERRORS
from moderation.media.encode import Canvas, Encoder, Outlet
from moderation.media.hush import Hush
from moderation.media.original import Original
from moderation.media.picture import Image, Picture
from moderation.media.sound import Block
from moderation.media.splice import Splice, Sweep
from moderation.media.tape import Voice
from moderation.media.track import frame_rate
from moderation.media.upload import Upload
from moderation.media.veil import region, veil
from moderation.timeline import MICROSECONDS

__all__ = ["redact"]

_ENCODING = 8
"""Times the processor that decoding alone may take: 8K at 60 a second takes a minute a second."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the new file will have."""

    canvas: Canvas | None
    voice: Voice | None


def redact(
    upload: Upload,
    limits: MediaLimits,
    pieces: Sequence[say.Edit],
    edits: int,
    target: Outlet,
    *,
    draft: int = 0,
    pulse: Callable[[], None],
) -> say.Redacted:
    """Write the upload to `target` with these pieces of so many edits.

    draft  pixels of the longer side of a copy to look at; 0: of the size that it has

    Raises `MediaError` for what is no whole video, unless it is a draft, or of which nothing would
    be left.
    """
    plan = _planned(upload, limits, draft, pulse)
    patient = limits.model_copy(update={"decoder_pace": limits.decoder_pace * _ENCODING})
    original = Original(upload, patient, pulse=pulse)
    with closing(original.events()) as events:
        try:
            with Encoder(target, plan.canvas, plan.voice, limits.decoder_threads) as encoder:
                writer = _Writer(encoder, plan, pieces)
                for event in events:
                    pulse()  # a packet may be followed by an hour of silence, or by a slow picture
                    if isinstance(event, Block):
                        writer.hear(event)
                    elif event.elapsed_us >= 0:  # what an edit list hides stays hidden
                        writer.show(event)
                writer.finish(original.video.end_us if original.video else 0)
                if not draft:
                    original.check_whole()
                writer.check_not_empty()
        except MemoryError as error:
            raise MediaError(
                f"the video does not fit into {limits.decoder_memory} bytes of memory",
                fault=MediaFault.TOO_LARGE,
                hint="raise media.decoder_memory",
            ) from error
        except DECODER_ERRORS as error:
            raise MediaError(
                f"the video cannot be written anew ({type(error).__name__}: {error})",
                fault=MediaFault.UNREADABLE,
                hint="convert it to H.264 and AAC, and try again",
            ) from error
    return writer.told(original, edits)


class _Writer:
    """Hands pictures and sound on to the encoder: those that stay, as they are to be."""

    def __init__(self, encoder: Encoder, plan: _Plan, pieces: Sequence[say.Edit]) -> None:
        self._encoder, self._plan = encoder, plan
        cuts = [piece for piece in pieces if piece.remedy == "cut"]
        self._splice = Splice((piece.from_us, piece.to_us) for piece in cuts)
        self._over_pictures = Sweep(each for each in pieces if each.remedy in ("blur", "cut"))
        self._hush = Hush(pieces, plan.voice.rate) if plan.voice else None
        self._touched: Counter[int] = Counter()
        self._waiting: Picture | None = None
        self._heard = self._frames = self._samples = self._end_us = 0
        self._resized = False

    def show(self, picture: Picture) -> None:
        """How long a picture stands on the screen is known with the next one."""
        before, self._waiting = self._waiting, picture
        if before is not None:
            self._write(before, picture.at.us)

    def hear(self, block: Block) -> None:
        if self._plan.voice is None or self._hush is None:
            return
        samples, touched = self._hush.over(block.samples, self._heard)
        self._touched.update(touched)
        for part in self._kept(samples, self._plan.voice.rate):
            self._samples += part.shape[1]
            self._encoder.hear(part)
        self._heard += samples.shape[1]

    def finish(self, end_us: int) -> None:
        """The last picture stands until the end. It is there once more when that is long, for a
        file ends with the usual length of its last picture.
        """
        last, canvas = self._waiting, self._plan.canvas
        if last is None or canvas is None:
            return
        usual_us = round(MICROSECONDS / canvas.rate)
        image = self._write(last, max(end_us, last.at.us + usual_us))
        again_us = self._end_us - usual_us
        if image is not None and again_us - self._splice.moved(last.at.us) > usual_us:
            self._encoder.show(image, again_us, usual_us)

    def check_not_empty(self) -> None:
        """Raises `MediaError` when all pictures, or all of the sound, were cut out."""
        nothing_seen = self._plan.canvas is not None and not self._frames
        nothing_heard = self._plan.canvas is None and not self._samples
        if nothing_seen or nothing_heard:
            raise MediaError(
                "the cuts leave nothing of the video",
                fault=MediaFault.UNREADABLE,
                hint="block the whole video instead",
            )

    def told(self, original: Original, edits: int) -> say.Redacted:
        width, height = self._plan.canvas.even if self._plan.canvas else (0, 0)
        rate = self._plan.voice.rate if self._plan.voice else 1
        return say.Redacted(
            width=width,
            height=height,
            frames=self._frames,
            duration_us=max(self._end_us, round(self._samples * MICROSECONDS / rate)),
            touched=tuple(self._touched[number] for number in range(edits)),
            dropped=original.dropped,
            notes=tuple(self._notes(original)),
        )

    def _write(self, picture: Picture, end_us: int) -> Image | None:
        """What is to be seen of it; `None` where it is cut out."""
        start_us, image = picture.at.us, picture.image
        active = self._over_pictures.over(start_us, end_us)
        self._touched.update({piece.number for piece in active})
        if not self._splice.shows(start_us, end_us):
            return None
        height, width = image.shape[:2]
        covers = [each for each in active if each.remedy == "blur"]
        hidden = veil(image, [region(each, start_us, end_us, width, height) for each in covers])
        self._note_size(image)
        at_us = self._splice.moved(start_us)
        length_us = self._splice.moved(end_us) - at_us
        self._encoder.show(hidden, at_us, length_us)
        self._frames += 1
        self._end_us = at_us + length_us
        return hidden

    def _kept(self, samples: NDArray[np.float32], rate: int) -> Iterator[NDArray[np.float32]]:
        first, last = self._heard, self._heard + samples.shape[1]
        per_us = Fraction(rate, MICROSECONDS)
        for start_us, end_us in self._splice.kept(*(_microseconds(n, rate) for n in (first, last))):
            start, end = max(first, round(start_us * per_us)), min(last, round(end_us * per_us))
            if start < end:
                yield samples[:, start - first : end - first]

    def _note_size(self, image: Image) -> None:
        canvas = self._plan.canvas
        if canvas is not None and image.shape[:2] != (canvas.height, canvas.width):
            self._resized = True

    def _notes(self, original: Original) -> Iterator[str]:
        if self._resized:
            yield "pictures change their size in the middle; all are scaled to the first one's"
        lost = sum(track.failed for track in original.tracks)
        if lost:
            yield f"{lost} packets do not decode, too few in a row to be noticed"
        canvas, voice = self._plan.canvas, self._plan.voice
        if canvas is not None and canvas.even != (canvas.width, canvas.height):
            yield f"the edge is repeated: H.264 has no odd size of {canvas.width}x{canvas.height}"
        if voice is not None:
            yield f"sound is written as AAC, {voice.layout} at {voice.rate} Hz"


def _planned(upload: Upload, limits: MediaLimits, draft: int, pulse: Callable[[], None]) -> _Plan:
    """How large pictures are, and how they are turned, only a decoded one tells."""
    original = Original(upload, limits, pulse=pulse)
    with closing(original.events()) as events:
        first = next(events, None)
        voice = original.audio.tape.voice if original.audio is not None else None
        if original.video is None:
            return _Plan(None, voice)
        while first is not None and not isinstance(first, Picture):
            first = next(events, None)
        if first is None:
            original.check_whole()
            raise MediaError(
                "nothing of the video decodes", fault=MediaFault.UNREADABLE, hint="upload it again"
            )
        return _Plan(_canvas(first, frame_rate(original.video.stream, limits), draft), voice)


def _canvas(picture: Picture, rate: Fraction, draft: int) -> Canvas:
    height, width = picture.image.shape[:2]
    scale = min(1.0, draft / max(width, height)) if draft else 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Canvas(*size, rate, *picture.colours, is_draft=draft > 0)


def _microseconds(samples: int, rate: int) -> int:
    return round(Fraction(samples * MICROSECONDS, rate))
