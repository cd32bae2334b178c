"""Memory does not grow with the length of a video, whoever is slow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def peak(path: Path) -> int:
    """The most memory that a process of its own held while it decoded the file."""
    run = subprocess.run(
        [sys.executable, "-c", _SCAN, path], check=True, capture_output=True, text=True
    )
    return int(run.stdout)


@pytest.mark.timeout(120)
def test_an_hour_takes_no_more_memory_than_five_minutes(tmp_path: Path) -> None:
    minutes = {length: long_clip(tmp_path / f"{length}.mkv", length * 60) for length in (5, 60)}
    peaks = {length: peak(path) for length, path in minutes.items()}
    assert peaks[60] <= 1.1 * peaks[5]
