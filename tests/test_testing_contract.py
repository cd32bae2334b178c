"""The contract suite: a sound detector passes it, and each way to break it is caught."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from moderation.detector import Degraded, Detector, Device, Frames
from moderation.errors import Cancelled
from moderation.evidence import Box, Evidence
from moderation.media.frames import FrameBatch
from moderation.models import Manifest, ModelStore, Weights
from moderation.testing.contract import DetectorContract
from moderation.timeline import Span


class Bright(Detector[FrameBatch]):
    """Frames that are not black."""

    name = "bright"
    wants = Frames()
    labels = {"bright": "Context/Screen text"}

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for batch in batches:
            for frame in batch:
                if frame.image.any():
                    yield self.evidence("bright", 0.9, frame.span, box=Box(0, 0, 1, 1))

    @classmethod
    def version(cls) -> str:
        return "1"


class TestBright(DetectorContract):
    expected = frozenset({"Context/Screen text"})

    def make(self, models: ModelStore) -> Bright:
        return Bright(None, models)


class Blind(Bright):
    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for _ in batches:
            yield from ()


class Misnamed(Bright):
    labels = {"bright": "Context/Brightness"}


class Late(Bright):
    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for each in super().detect(batches):
            if isinstance(each, Evidence):
                yield self.evidence("bright", 0.9, Span.at(each.span.end + 60_000_000))


class Unsigned(Bright):
    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for each in super().detect(batches):
            if isinstance(each, Evidence):
                yield Evidence(label=each.label, score=each.score, span=each.span)


class Moody(Bright):
    looks = 0

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        self.looks += 1
        for each in super().detect(batches):
            if isinstance(each, Evidence):
                yield self.evidence("bright", 1 / self.looks, each.span)


class Hasty(Bright):
    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        first = next(iter(batches), None)
        if first is not None:
            yield from super().detect([first])


class Talkative(Bright):
    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        yield from super().detect(batches)
        yield self.evidence("bright", 0.5, Span.from_seconds(0, 0))


class Hoarding(Bright):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.kept: list[Evidence | Degraded] = []

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        self.kept += super().detect(batches)
        yield from self.kept


class Painting(Bright):
    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for batch in batches:
            for frame in batch:
                frame.image.flags.writeable = True
                frame.image[0, 0] = 255
            yield from super().detect([batch])


class Stubborn(Bright):
    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        try:
            yield from super().detect(batches)
        except Cancelled:
            return


class Lax(Bright):
    def __init__(self, options: Any = None, models: ModelStore | None = None) -> None:
        super().__init__(None, models)


class Silent(Bright):
    """Looks on without its weights, and does not say so."""

    manifest = Manifest({"it": Weights(name="it", files={"it.onnx": "0" * 64})})


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Blind, DetectorContract.test_what_is_to_be_seen_is_seen),
        (Misnamed, DetectorContract.test_labels_are_in_the_taxonomy),
        (Late, DetectorContract.test_boxes_and_times_lie_inside_what_was_fed),
        (Unsigned, DetectorContract.test_evidence_is_signed_and_can_be_stored),
        (Moody, DetectorContract.test_two_runs_agree),
        (Hasty, DetectorContract.test_the_feed_is_read_to_its_end),
        (Talkative, DetectorContract.test_an_empty_feed_gives_nothing),
        (Talkative, DetectorContract.test_black_and_silence_give_nothing),
        (Hoarding, DetectorContract.test_nothing_of_one_video_leaks_into_the_next),
        (Painting, DetectorContract.test_frames_are_not_written_to),
        (Stubborn, DetectorContract.test_cancellation_passes_through),
    ],
)
def test_a_broken_detector_is_caught(
    broken: type[Bright], test: Callable[[DetectorContract, Bright], None]
) -> None:
    class Suite(TestBright):
        def make(self, models: ModelStore) -> Bright:
            return broken(None, models)

    detector = broken()
    detector.load(Device("cpu"))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test(Suite(), detector)


def test_options_that_nobody_reads_are_caught() -> None:
    class Suite(TestBright):
        def make(self, models: ModelStore) -> Bright:
            return Lax(None, models)

    with pytest.raises(pytest.fail.Exception):
        Suite().test_unknown_options_are_refused(ModelStore())


def test_weights_that_are_missing_in_silence_are_caught() -> None:
    class Suite(TestBright):
        def make(self, models: ModelStore) -> Bright:
            return Silent(None, models)

    with pytest.raises(AssertionError, match="without weights"):
        Suite().test_missing_weights_are_said_with_the_next_step()
