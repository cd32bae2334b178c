"""Fitting: full memory makes batches smaller, and a lost device is no clean video."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any

import numpy as np
import pytest

from moderation import device_faults
from moderation.detector import Degraded, Detector, Frames
from moderation.errors import DeviceLost, OutOfMemory
from moderation.evidence import Evidence
from moderation.fitting import Fitting
from moderation.media.frames import AudioChunk, Frame, FrameBatch
from moderation.timeline import Instant

IMAGE = np.zeros((4, 4, 3), np.uint8)


class OutOfMemoryError(RuntimeError):
    """By the name that torch gives it: no engine is imported to know it."""


class Greedy(Detector[FrameBatch]):
    """Sees a person in every frame; its device holds `room` of them."""

    name = "greedy"
    wants = Frames(batch=16)
    labels = {"person": "Context/Person"}
    room = 16
    error: Exception = OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    @property
    def new_error(self) -> Exception:
        """One that was raised before would keep its frames, and what they hold, alive."""
        return type(self.error)(*self.error.args)

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for batch in batches:
            self.sizes.append(len(batch))
            yield self.evidence("person", 0.9, batch[0].span)  # before it knows how it ends
            if len(batch) > self.room:
                raise self.new_error
            for frame in batch[1:]:
                yield self.evidence("person", 0.9, frame.span)


class Following(Greedy):
    """Follows something through time: to begin anew would be to forget."""

    name = "following"
    wants = Frames(batch=16, unchanged="tell")


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_faults, "_spent", type(device_faults._spent)())


def batches(*sizes: int) -> list[FrameBatch]:
    numbers = count()
    return [
        FrameBatch([Frame(IMAGE, Instant(n), n) for n in islice(numbers, size)]) for size in sizes
    ]


def look(detector: Detector[Any], feed: Iterable[Any]) -> tuple[list[int], str]:
    """At which frames it saw something, in the order in which it was told, and the note."""
    seen: list[Any] = []
    fitting = Fitting(detector, seen.append)
    fitting.look(feed)
    return [each.span.start.us for each in seen], fitting.note


def test_what_fits_is_looked_at_as_it_comes() -> None:
    detector = Greedy()
    assert look(detector, batches(16, 3)) == (list(range(19)), "")
    assert detector.sizes == [16, 3]


@pytest.mark.parametrize("room", [8, 7, 3, 2, 1])
def test_fault_080_a_full_memory_halves_the_batch_and_every_frame_is_seen_once(room: int) -> None:
    detector = Greedy()
    detector.room = room
    seen, note = look(detector, batches(16, 16, 5, 1))
    assert seen == list(range(38))
    assert max(detector.sizes[-4:]) <= room
    assert note.startswith("batch halved to ")


def test_fault_080_what_fits_is_remembered_for_the_next_video() -> None:
    detector = Greedy()
    detector.room = 4
    look(detector, batches(16))
    detector.sizes.clear()
    assert look(detector, batches(16)) == (list(range(16)), "")
    assert detector.sizes == [4, 4, 4, 4]


def test_fault_080_another_detector_keeps_its_batches() -> None:
    small, large = Greedy(), Greedy()
    small.room = 4
    look(small, batches(16))
    look(large, batches(16))
    assert large.sizes == [16]


def test_fault_080_the_tensors_of_an_attempt_are_gone_before_the_next() -> None:
    class Tensor:
        """Stands for what an attempt keeps on the device."""

    alive = weakref.WeakSet[Tensor]()
    counted: list[int] = []

    class Hoarding(Greedy):
        def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
            counted.append(len(alive))
            tensor = Tensor()
            alive.add(tensor)
            yield from super().detect(batches)

    detector = Hoarding()
    detector.room = 4
    gc.disable()
    try:
        look(detector, batches(16))
    finally:
        gc.enable()
    assert counted == [0, 0, 0]


def test_fault_080_one_frame_that_is_too_much_is_tried_elsewhere() -> None:
    detector = Greedy()
    detector.room = 0
    with pytest.raises(OutOfMemory, match="greedy ran out of memory over the least"):
        look(detector, batches(4))
    assert device_faults.is_spent()


def test_fault_080_sound_that_is_too_much_is_tried_elsewhere() -> None:
    class Hearing(Greedy):
        def detect(self, batches: Iterable[Any]) -> Iterator[Evidence | Degraded]:
            next(iter(batches))
            raise self.new_error
            yield

    with pytest.raises(OutOfMemory):
        look(Hearing(), [AudioChunk(np.zeros(16, np.float32), Instant(0))])


def test_fault_080_who_follows_something_fails_and_begins_smaller_the_next_time() -> None:
    detector = Following()
    detector.room = 8
    with pytest.raises(OutOfMemory, match="over 16 frames"):
        look(detector, batches(16))
    assert not device_faults.is_spent()
    assert look(detector, batches(16)) == (list(range(16)), "")


def test_a_detector_that_fails_otherwise_fails_as_before() -> None:
    detector, seen = Greedy(), list[Any]()
    detector.room, detector.error = 8, RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        Fitting(detector, seen.append).look(batches(16))
    assert len(seen) == 1, "what it saw before is kept"
    assert detector.sizes == [16]


def test_what_is_seen_is_told_when_the_next_frames_are_asked_for() -> None:
    """A scan that may end early must not wait for the end of the video to know that it may."""
    seen: list[Any] = []
    told: list[int] = []

    def feed() -> Iterator[FrameBatch]:
        for batch in batches(2, 2):
            told.append(len(seen))
            yield batch

    Fitting(Greedy(), seen.append).look(feed())
    assert told == [0, 2]


def test_fault_081_a_lost_device_wants_another_process() -> None:
    detector = Greedy()
    detector.room = 8
    detector.error = RuntimeError("CUDA error: an illegal memory access was encountered\nmore")
    with pytest.raises(DeviceLost, match=r"greedy is lost \(CUDA error: an illegal"):
        look(detector, batches(16))
    assert device_faults.is_spent()
