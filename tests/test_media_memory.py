"""Memory does not grow with the length of a video, whoever is slow."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from moderation.testing.clips import long_clip

_SCAN = """
import resource, sys, threading
from moderation.config import MediaLimits
from moderation.detector import Audio, Frames
from moderation.media import MediaReader, broadcast
from moderation.source import Source

def read(feed, pause):
    for number, _ in enumerate(feed):
        if number % 8 == 0:
            threading.Event().wait(pause)

limits = MediaLimits(unchanged_below=0)
wants = [Frames(1, batch=16), Frames(2, batch=4), Audio(30)]
with Source.open(sys.argv[1]) as source, MediaReader(source, limits) as media:
    decode = broadcast(media, media.probe(), wants)
    threads = [threading.Thread(target=read, args=each) for each in zip(decode.feeds, (0.01, 0, 0))]
    for thread in threads:
        thread.start()
    outcome = decode.run()
    for thread in threads:
        thread.join()
assert [feed.examined for feed in decode.feeds] == [feed.planned for feed in decode.feeds]
assert decode.feeds[2].examined == outcome.decoded.seconds
print(max(resource.getrusage(who).ru_maxrss for who in (
    resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
"""


_REDACT = """
import resource, sys
from pathlib import Path
from moderation.covers import Part
from moderation.decision import Remedy
from moderation.limits import MediaLimits
from moderation.redact import redact
from moderation.redaction import Edit
from moderation.source import Source
from moderation.timeline import Span

path, span = Path(sys.argv[1]), Span.from_seconds(0.2, 0.5)
edit = Edit(label="Violence", span=span, remedy=Remedy.MUTE, parts=(Part(span),))
with Source.open(path) as source:
    made = redact(source, [edit], path.with_suffix(".m4a"), MediaLimits(decoder_stall_s=20))
assert made.output.duration_s > made.input.duration_s - 1
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(path: Path, script: str = _SCAN) -> int:
    """The most memory that a process of its own held while it worked on the file."""
    run = subprocess.run(
        [sys.executable, "-c", script, path], check=True, capture_output=True, text=True
    )
    return int(run.stdout)


def with_a_hole(path: Path, seconds: int) -> Path:
    """A second of sound, so many of nothing at all, and a second of sound."""
    rate = 8_000
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        for at in (0, 1 + seconds):
            part = av.AudioFrame.from_ndarray(np.full((1, rate), 9, np.int16), "s16", "mono")
            part.sample_rate, part.time_base, part.pts = rate, Fraction(1, rate), at * rate
            container.mux(stream.encode(part))
        container.mux(stream.encode())
    return path


@pytest.mark.timeout(120)
def test_an_hour_takes_no_more_memory_than_five_minutes(tmp_path: Path) -> None:
    minutes = {length: long_clip(tmp_path / f"{length}.mkv", length * 60) for length in (5, 60)}
    peaks = {length: peak(path) for length, path in minutes.items()}
    assert peaks[60] <= 1.1 * peaks[5]


@pytest.mark.timeout(120)
def test_an_hour_without_sound_is_written_in_the_memory_of_ten_seconds(tmp_path: Path) -> None:
    holes = {seconds: with_a_hole(tmp_path / f"{seconds}.mka", seconds) for seconds in (10, 3_600)}
    peaks = {seconds: peak(path, _REDACT) for seconds, path in holes.items()}
    assert peaks[3_600] <= 1.2 * peaks[10]
