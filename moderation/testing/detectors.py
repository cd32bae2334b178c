"""Detectors that need no weights, for tests of what surrounds a detector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace

from moderation.detector import Audio, Degraded, Detector, Frames, Text, TextBatch
from moderation.evidence import Evidence
from moderation.hookspecs import hookimpl
from moderation.media.frames import AudioChunk, FrameBatch
from moderation.timeline import Span

__all__ = ["Brightness", "Echo", "Loudness", "as_plugin"]


class Brightness(Detector[FrameBatch]):
    """Sees a person in every frame whose mean is above half; reports them frame by frame."""

    name = "brightness"
    wants = Frames(per_second=1, batch=4)
    labels = {"bright": "Context/Person"}

    class Options(Detector.Options):
        threshold: float = 0.5

    options: Options

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for batch in batches:
            for frame in batch:
                score = float(frame.image.mean()) / 255
                if score >= self.options.threshold:
                    yield self.evidence("bright", score, frame.span)


class Loudness(Detector[AudioChunk]):
    """Hears the word "loud" from the first to the last chunk that is not silent."""

    name = "loudness"
    wants = Audio(seconds=1)
    labels = {"speech": "Context/Speech"}

    def detect(self, batches: Iterable[AudioChunk]) -> Iterator[Evidence | Degraded]:
        loud = [chunk.span for chunk in batches if abs(chunk.samples).max(initial=0) > 0.01]
        if loud:
            yield self.evidence("speech", 0.9, Span.hull(loud), text="loud")


class Echo(Detector[TextBatch]):
    """Calls every text that others found a lure."""

    name = "echo"
    wants = Text()
    labels = {"lure": "Scam/Lure"}

    def detect(self, batches: Iterable[TextBatch]) -> Iterator[Evidence | Degraded]:
        for batch in batches:
            for seen in batch:
                yield self.evidence("lure", seen.score, seen.span, text=seen.text)


def as_plugin(*detectors: type[Detector]) -> SimpleNamespace:  # type: ignore[type-arg]
    """A plugin module that brings these: for `Registry.register`."""

    @hookimpl
    def register_detectors(register: Callable[[type], None]) -> None:
        for each in detectors:
            register(each)

    return SimpleNamespace(register_detectors=register_detectors)
