"""The detector `screen_text`: the words that a video shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Literal

from pydantic import Field

from moderation import Box, Degraded, Detector, Device, Evidence, FrameBatch, Frames
from moderation.models import Manifest
from moderation_text.lines import Line
from moderation_text.screen import Screen, Shortfalls

__all__ = ["ScreenText"]


class ScreenText(Detector[FrameBatch]):
    """Captions, signs, watermarks, chats: every line that can be read, with its time and place."""

    name = "screen_text"
    wants = Frames(per_second=1, batch=4, unchanged="tell")
    labels = {"line": "Context/Screen text"}
    manifest = Manifest.of_package("moderation_text")

    class Options(Detector.Options):
        """Sizes are fractions of the frame."""

        model: str = Field(
            "ppocrv6-small",
            description="a manifest's name, or a folder with *det*.onnx and *rec*.onnx",
        )
        per_second: float = Field(1.0, gt=0, le=30, description="frames looked at in a second")
        side: Literal[640, 800, 960, 1120, 1280] = Field(
            960,
            description="pixels of the longer side at which text is looked for; "
            "less is faster and misses small text",
        )
        change: float = Field(
            8.0,
            ge=0,
            le=255,
            description="how far a block's mean colour must move for a picture to be read again; "
            "0: every picture is read",
        )
        min_confidence: float = Field(0.5, ge=0, le=1, description="readings below are dropped")
        min_height: float = Field(0.008, ge=0, le=1, description="lines lower are not read")
        min_width: float = Field(0.008, ge=0, le=1, description="lines shorter are not read")
        ignore: tuple[Box, ...] = Field(
            (),
            description="parts of the frame that are not read, such as a station's ticker: "
            "{left, top, width, height}",
        )
        max_lines: int = Field(
            100, ge=1, le=1000, description="lines read in one frame, the surest first"
        )
        gap_s: float = Field(
            2.0, ge=0, le=60, description="seconds that a line may be missed and still be the same"
        )

    def plan(self) -> Frames:
        return replace(type(self).wants, per_second=self.options.per_second)

    def load(self, device: Device) -> None:
        # Here, because RapidOCR takes a second to import, and most commands read nothing.
        from moderation_text.reader import Reader

        model = self.model(self.options.model)
        self._reader = Reader(model.path, device, side=self.options.side)
        self.device_in_use = self._reader.device

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        screens, shortfalls = dict[int, Screen](), Shortfalls()
        for frame in chain.from_iterable(batches):
            if frame.stream not in screens:
                screens[frame.stream] = Screen(self._reader, self.options, shortfalls)
            yield from map(self._seen, screens[frame.stream].look(frame))
        for screen in screens.values():
            yield from map(self._seen, screen.close())
        yield from shortfalls.told()

    def _seen(self, line: Line) -> Evidence:
        return self.evidence(
            "line",
            line.best.score,
            line.span,
            best=line.at,
            box=line.best.region.box,
            text=line.best.text,
            samples=line.count,
            angle=line.best.region.angle,
            path=line.trail.path,
        )
