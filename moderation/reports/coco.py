"""COCO: boxes that people confirmed or corrected, to train and to measure detectors with.

An image is a frame of a video: `file_name` is `<sha256 of the video>/<microseconds>.jpg`, as
`moderation` names its evidence pictures; `video` and `time_s` say where to take it from, and
`width` and `height` are the video's. `bbox` is `[left, top, width, height]` in its pixels.
What nobody judged, or somebody rejected, has no annotation.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import Any, Final, TextIO

from moderation.evidence import Box
from moderation.reports.boxes import DecidedBox, decided_boxes
from moderation.reports.options import ReportOptions
from moderation.reports.text import json_line
from moderation.scan import Scan, Video

__all__ = ["write_coco"]

_CHUNK: Final = 1 << 16


def write_coco(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
    """One dataset; what is in memory is the names of its categories."""
    categories: dict[str, int] = {}
    stream.write('{"info":{"description":"moderation: boxes that people decided about"},\n')
    stream.write('"licenses":[],\n"images":[')
    # Annotations stand in an array of their own: they wait on disk until the images are written.
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as waiting:
        images, annotations = _Array(stream), _Array(waiting)
        for scan in scans:
            boxes = decided_boxes(scan, options.decisions(scan))
            _write_boxes(scan.video, boxes, images, annotations, categories)
        stream.write('],\n"annotations":[')
        waiting.seek(0)
        while chunk := waiting.read(_CHUNK):
            stream.write(chunk)
    stream.write('],\n"categories":[')
    names = _Array(stream)
    for name in categories:
        names.add({"name": name, "supercategory": name.rpartition("/")[0]})
    stream.write("]}\n")


class _Array:
    """Entries of an array of JSON, one on each line, that are numbered from 1."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._count = stream, 0

    def add(self, entry: dict[str, Any]) -> int:
        """Write it, and return its number."""
        self._count += 1
        begin = "\n" if self._count == 1 else ",\n"
        self._stream.write(begin + json_line({"id": self._count, **entry}))
        return self._count


def _write_boxes(
    video: Video,
    boxes: Iterable[DecidedBox],
    images: _Array,
    annotations: _Array,
    categories: dict[str, int],
) -> None:
    frames: dict[int, int] = {}
    for each in boxes:
        at_us = each.evidence.best.us
        if at_us not in frames:
            frames[at_us] = images.add(_image(video, at_us))
        category = categories.setdefault(each.label, len(categories) + 1)
        annotations.add(_annotation(each, video, frames[at_us], category))


def _image(video: Video, at_us: int) -> dict[str, Any]:
    return {
        "file_name": f"{video.sha256}/{at_us}.jpg",
        "width": video.width,
        "height": video.height,
        "video": video.uri,
        "time_s": at_us / 1_000_000,
    }


def _annotation(each: DecidedBox, video: Video, image: int, category: int) -> dict[str, Any]:
    bbox = _pixels(each.box, video)
    return {
        "image_id": image,
        "category_id": category,
        "bbox": bbox,
        "area": round(bbox[2] * bbox[3], 2),
        "iscrowd": 0,
        "judgement": each.said.judgement.value,
        "evidence_id": each.evidence.id,
    }


def _pixels(box: Box, video: Video) -> list[float]:
    shares = (box.left, video.width), (box.top, video.height)
    sides = (box.width, video.width), (box.height, video.height)
    return [round(share * size, 2) for share, size in (*shares, *sides)]
