"""Fitting: a detector looks at fewer frames together when its device's memory is full."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

import structlog

from moderation.detector import Degraded, Detector, Frames
from moderation.device_faults import free_memory, is_lost, is_out_of_memory, spend
from moderation.errors import DeviceLost, OutOfMemory
from moderation.evidence import Evidence
from moderation.media.frames import FrameBatch

__all__ = ["Fitting"]

log = structlog.get_logger(__name__)

_fits: WeakKeyDictionary[Detector[Any], int] = WeakKeyDictionary()
"""Frames that the memory holds together, for detectors whose batch was too large for it."""


class Fitting:
    """One look of a detector, in pieces of its batches that fit the memory of its device.

    A detector whose evidence is of single frames (`Frames.unchanged` is "inherit") begins anew with
    the frames that were too many, half as many at a time; what it has said of them is dropped, so
    nothing is seen twice. Another one would forget what it follows through time: its look
    fails, and its next one begins with smaller pieces. What fits is remembered for the process.
    """

    def __init__(
        self, detector: Detector[Any], keep: Callable[[Evidence | Degraded], None]
    ) -> None:
        """keep  is handed what the detector yields, each piece's when the next is asked for"""
        self._detector, self._keep = detector, keep
        self._begins_anew = _sees_single_frames(detector)
        self._waiting: list[Any] = []
        self._piece: Any = None
        self._said: list[Evidence | Degraded] = []
        self.note = ""
        """That batches were halved in this look, and why; empty when they were not."""

    def look(self, batches: Iterable[Any]) -> None:
        """Show the detector all batches, in their order.

        Raises `OutOfMemory` when the least is too much, and `DeviceLost`: both want another process
        (`device_faults.is_spent`). What else the detector raises passes.
        """
        feed = iter(batches)
        while not self._has_looked(feed):
            free_memory()
            self._halve()

    def _has_looked(self, feed: Iterator[Any]) -> bool:
        """Whether the memory sufficed; if not, the tensors of the attempt are gone on return."""
        try:
            for seen in self._detector.detect(self._pieces(feed)):
                self._said.append(seen)
                if not self._begins_anew:
                    self._tell()
        except Exception as error:
            if is_lost(error):
                raise spend(_lost(self._detector, error)) from error
            if not is_out_of_memory(error):
                raise
            self._said.clear()
            return False
        finally:  # who exits has seen what it has seen
            self._tell()
        return True

    def _pieces(self, feed: Iterator[Any]) -> Iterator[Any]:
        """The batches as small as they must be, first what is left of an earlier one."""
        while True:
            self._tell()
            self._waiting = self._waiting or list(islice(feed, 1))
            if not self._waiting:
                return
            self._piece, *rest = _cut(self._waiting[0], _fits.get(self._detector))
            self._waiting[:1] = rest
            yield self._piece

    def _tell(self) -> None:
        said, self._said = self._said, []
        for each in said:
            self._keep(each)

    def _halve(self) -> None:
        name, count = self._detector.name, _count(self._piece)
        if count > 1:
            _fits[self._detector] = count // 2
            self.note = f"batch halved to {count // 2}: out of memory"
            log.warning("a batch is too large for the memory", detector=name, halved_to=count // 2)
        if count == 1:
            raise spend(_full(name, "the least that it can look at"))
        if not self._begins_anew:
            raise _full(name, f"{count} frames")
        self._waiting.insert(0, self._piece)


def _sees_single_frames(detector: Detector[Any]) -> bool:
    return isinstance(detector.wants, Frames) and detector.wants.unchanged == "inherit"


def _count(piece: Any) -> int:
    return len(piece) if isinstance(piece, FrameBatch) else 1


def _cut(batch: Any, most: int | None) -> list[Any]:
    if most is None or _count(batch) <= most:
        return [batch]
    return [FrameBatch(batch[start : start + most]) for start in range(0, len(batch), most)]


def _full(detector: str, over: str) -> OutOfMemory:
    return OutOfMemory(
        f"{detector} ran out of memory over {over}",
        hint="see what else uses the device, or choose a smaller model",
    )


def _lost(detector: Detector[Any], error: Exception) -> DeviceLost:
    first = (str(error) or type(error).__name__).splitlines()[0]
    return DeviceLost(
        f"the device of {detector.name} is lost ({first})",
        hint="see what the driver reports (nvidia-smi, dmesg); a new process tries again",
    )
