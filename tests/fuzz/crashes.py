"""Crashes: decoders that are killed at work, one after another, and the parent that goes on."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from moderation.detector import Frames
from moderation.errors import MediaError
from moderation.limits import MediaLimits
from moderation.media import FrameBatch, MediaReader, broadcast
from moderation.source import Source
from moderation.testing.clips import Clip, numbered
from tests.fuzz.leaks import Belongings

__all__ = ["ENDS", "clip_for_crashes", "survived"]

ENDS: Final[dict[str, tuple[signal.Signals, ...]]] = {
    "by itself": (),
    "killed": (signal.SIGKILL,),
    "crashed once": (signal.SIGSEGV,),
    "crashed twice": (signal.SIGSEGV, signal.SIGBUS),
}
"""How decoders end, in turn: by the signals that they are sent."""

_SIDE: Final = 640

_LIMITS: Final = MediaLimits(unchanged_below=0, longest_side=_SIDE, queue_batches=1)
"""The shared memory then holds a third of the clip's frames, so that a decoder has to wait."""


def clip_for_crashes(folder: Path) -> Path:
    """3 s in which no two frames are alike."""
    return Clip(_SIDE, 480, fps=10).show(3, numbered(10)).write(folder / "clip.mkv")


def survived(clip: Path, count: int) -> tuple[Counter[tuple[str, str]], str]:
    """Decode so many times: how often each end came to what, and what was left behind.

    What it came to is a fault's code, or "whole".
    """
    _decoded(clip, ())  # what is opened once, and kept, is no leak
    fates = Counter[tuple[str, str]]()
    with _temporary_files_apart():
        before = Belongings.now()
        for end, signals in itertools.islice(itertools.cycle(ENDS.items()), count):
            fates[end, _decoded(clip, signals)] += 1
        return fates, Belongings.now().left_since(before)


@contextmanager
def _temporary_files_apart() -> Iterator[None]:
    """So that those of other programs are not taken for ours."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


def _decoded(clip: Path, signals: tuple[signal.Signals, ...]) -> str:
    try:
        with Source.open(clip) as source, MediaReader(source, _LIMITS) as media:
            cast = broadcast(media, media.probe(), [Frames(10, batch=2)])
            with ThreadPoolExecutor(1) as pool:
                reading = pool.submit(_read, iter(cast.feeds[0]), media, signals)
                outcome = cast.run()
                reading.result()
    except MediaError as error:
        return error.fault.value
    return outcome.fault.value if outcome.fault else "whole"


def _read(
    feed: Iterator[FrameBatch], media: MediaReader, signals: tuple[signal.Signals, ...]
) -> None:
    """Take all batches, and send the decoder a signal after each of the first ones."""
    coming, struck = iter(signals), 0
    for _ in feed:
        pid = media.pid
        # Between two decoders there is none; 0 would be all processes of this group.
        if pid and pid != struck and (number := next(coming, None)):
            struck = pid
            os.kill(pid, number)
