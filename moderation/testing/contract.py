"""The suite that every detector passes, ours and yours.

    class TestKnives(DetectorContract):
        def make(self, models: ModelStore) -> Knives:
            return Knives({"threshold": 0.3}, models)

        def golden(self) -> Sequence[FrameBatch]:
            return list(frame_batches([photo_of_a_knife]))

        expected = frozenset({"Violence/Weapons/Knife"})

`make` is all that it needs. With golden input and what a look at it finds, it also shows that the
detector sees. Override the fixture `models` where weights come from somewhere else than an
installed package.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image, ImageDraw

from moderation.detector import Audio, Detector, Device, Frames, Text
from moderation.errors import Cancelled, ConfigurationError, DetectorUnavailable, ModelMissing
from moderation.evidence import Evidence
from moderation.media.frames import SAMPLE_RATE, FrameBatch
from moderation.models import Manifest, ModelStore, Weights
from moderation.taxonomy import Taxonomy
from moderation.testing.feed import audio_chunks, frame_batches, look
from moderation.timeline import Span

__all__ = ["DetectorContract"]

_SIZE = (320, 240)
"""Width and height of the drawn frames: small, so that the suite is fast."""

_COUNT = 3
"""Drawn frames in a feed: two batches of at most two."""


class DetectorContract:
    """Subclass it as `Test...` and write `make`; the rest has defaults.

    A feed is what the detector's `wants` names: a sequence of `FrameBatch`, `AudioChunk`, or
    batches of `Evidence` with a text.
    """

    expected: ClassVar[frozenset[str]] = frozenset()
    """Labels that the golden feed must give, at least."""

    def make(self, models: ModelStore) -> Detector[Any]:
        """A detector that finds its weights in `models`, not yet loaded."""
        raise NotImplementedError("write `make`: how is the detector made?")

    def golden(self) -> Sequence[Any]:
        """A feed in which there is something to see; drawn frames, a tone or a line of text."""
        return _golden(self.make(ModelStore()).wants)

    def blank(self) -> Sequence[Any]:
        """A feed in which there is nothing: black frames, silence, an empty line."""
        return _blank(self.make(ModelStore()).wants)

    @pytest.fixture
    def models(self) -> ModelStore:
        """Where `make` finds weights; by default what installed packages carry."""
        return ModelStore()

    @pytest.fixture
    def detector(self, models: ModelStore) -> Detector[Any]:
        """Loaded, on the CPU, with one thread."""
        detector = self.make(models)
        detector.load(Device("cpu", threads=1))
        return detector

    def test_what_is_to_be_seen_is_seen(self, detector: Detector[Any]) -> None:
        seen, _ = look(detector, self.golden())
        assert self.expected <= {each.label for each in seen}

    def test_labels_are_in_the_taxonomy(self, detector: Detector[Any]) -> None:
        seen, _ = look(detector, self.golden())
        labels = {*type(detector).labels.values(), *(each.label for each in seen)}
        assert labels
        assert all(label in Taxonomy.default() for label in labels)

    def test_boxes_and_times_lie_inside_what_was_fed(self, detector: Detector[Any]) -> None:
        feed = self.golden()
        whole = _span(feed)
        for each in look(detector, feed)[0]:
            assert whole.start <= each.span.start <= each.span.end <= whole.end
            if each.box is not None:
                assert each.box.left + each.box.width <= 1 + 1e-6
                assert each.box.top + each.box.height <= 1 + 1e-6

    def test_evidence_is_signed_and_can_be_stored(self, detector: Detector[Any]) -> None:
        for each in look(detector, self.golden())[0]:
            assert (each.detector, each.producer.version) == (detector.name, detector.version())
            assert not detector.manifest.weights or len(each.producer.digest) == 64
            assert json.loads(json.dumps(dict(each.detail), allow_nan=False)) is not None
        assert detector.producer.version
        assert not detector.manifest.weights or len(detector.producer.digest) == 64

    def test_two_runs_agree(self, detector: Detector[Any]) -> None:
        assert look(detector, self.golden()) == look(detector, self.golden())

    def test_the_feed_is_read_to_its_end(self, detector: Detector[Any]) -> None:
        feed = iter(self.golden())
        look(detector, feed)
        assert next(feed, None) is None

    def test_an_empty_feed_gives_nothing(self, detector: Detector[Any]) -> None:
        assert look(detector, [])[0] == []

    def test_black_and_silence_give_nothing(self, detector: Detector[Any]) -> None:
        assert look(detector, self.blank())[0] == []

    def test_nothing_of_one_video_leaks_into_the_next(self, detector: Detector[Any]) -> None:
        alone = look(detector, self.golden())
        given_up = detector.detect(iter(self.golden()))
        next(given_up, None)
        assert look(detector, self.blank())[0] == []
        assert look(detector, self.golden()) == alone

    def test_frames_are_not_written_to(self, detector: Detector[Any]) -> None:
        feed = self.golden()
        before = [pixels.copy() for pixels in _arrays(feed)]
        look(detector, feed)
        for pixels, original in zip(_arrays(feed), before, strict=True):
            assert not pixels.flags.writeable
            np.testing.assert_array_equal(pixels, original)

    def test_cancellation_passes_through(self, detector: Detector[Any]) -> None:
        with pytest.raises(Cancelled):
            look(detector, _cancelled(self.golden()))

    def test_unknown_options_are_refused(self, models: ModelStore) -> None:
        detector = type(self.make(models))
        with pytest.raises(ConfigurationError, match="no_such_option"):
            detector({"no_such_option": 1}, models)

    def test_missing_weights_are_said_with_the_next_step(self) -> None:
        detector = self.make(_Nowhere())
        if not detector.manifest.weights:
            pytest.skip("needs no weights")
        try:
            detector.load(Device("cpu", threads=1))
            degraded = look(detector, self.golden())[1]
        except (ModelMissing, DetectorUnavailable) as error:
            told = "models pull" in error.hint or "install" in error.hint
        else:
            told = bool(degraded)
        assert told, "without weights it neither says what to do nor that it is degraded"


class _Nowhere(ModelStore):
    """A machine without any weights."""

    def places(self, name: str, manifest: Manifest) -> Iterator[tuple[Weights, Any]]:
        return iter(())


def _golden(wants: Frames | Audio | Text) -> Sequence[Any]:
    match wants:
        case Frames():
            return list(frame_batches([_drawn(index) for index in range(_COUNT)], batch=2))
        case Audio():
            times = np.arange(SAMPLE_RATE, dtype=np.float32) / SAMPLE_RATE
            tone = np.sin(2 * np.pi * 440 * times) / 2
            return list(audio_chunks(tone.astype(np.float32)))
        case Text():
            line = Span.from_seconds(1, 2)
            return [[Evidence(label=wants.labels[0], score=0.9, span=line, text="a line of text")]]


def _blank(wants: Frames | Audio | Text) -> Sequence[Any]:
    match wants:
        case Frames():
            black = np.zeros((_SIZE[1], _SIZE[0], 3), np.uint8)
            return list(frame_batches([black] * _COUNT, batch=2))
        case Audio():
            return list(audio_chunks(np.zeros(SAMPLE_RATE, np.float32)))
        case Text():
            line = Span.from_seconds(1, 2)
            return [[Evidence(label=wants.labels[0], score=0.9, span=line, text=" ")]]


def _drawn(index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A frame of a disc that moves over a grey wall, with a caption."""
    picture = Image.new("RGB", _SIZE, (96, 96, 96))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((20 + 60 * index, 60, 120 + 60 * index, 160), fill=(220, 180, 140))
    pen.text((20, 200), f"frame {index}", fill="white")
    return np.asarray(picture)


def _span(feed: Sequence[Any]) -> Span:
    """From the first to the last instant of a feed."""
    return Span.hull(
        each.span for batch in feed for each in (batch if isinstance(batch, Sequence) else [batch])
    )


def _arrays(feed: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
    """The pixels or samples that the feed shares with other detectors."""
    if feed and isinstance(feed[0], FrameBatch):
        return [frame.image for batch in feed for frame in batch]
    return [batch.samples for batch in feed if hasattr(batch, "samples")]


def _cancelled(feed: Sequence[Any]) -> Iterator[Any]:
    """The first batch; then somebody asks for the work to stop."""
    yield feed[0]
    raise Cancelled
