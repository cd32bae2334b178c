"""Media: what is in a file, one decode that feeds every detector, and pictures of single frames."""

from moderation.media.broadcast import Broadcast, broadcast
from moderation.media.feed import Feed
from moderation.media.frames import SAMPLE_RATE, AudioChunk, Frame, FrameBatch, Letterboxed
from moderation.media.outcome import Outcome
from moderation.media.probe import probe
from moderation.media.still import stills

__all__ = [
    "SAMPLE_RATE",
    "AudioChunk",
    "Broadcast",
    "Feed",
    "Frame",
    "FrameBatch",
    "Letterboxed",
    "Outcome",
    "broadcast",
    "probe",
    "stills",
]
