"""Media: what is in a file, one decode that feeds every detector, and pictures of single frames."""

from moderation.media.broadcast import Broadcast, broadcast
from moderation.media.feed import Feed
from moderation.media.frames import SAMPLE_RATE, AudioChunk, Frame, FrameBatch, Letterboxed
from moderation.media.outcome import Outcome
from moderation.media.reader import MediaReader

__all__ = [
    "SAMPLE_RATE",
    "AudioChunk",
    "Broadcast",
    "Feed",
    "Frame",
    "FrameBatch",
    "Letterboxed",
    "MediaReader",
    "Outcome",
    "broadcast",
]
