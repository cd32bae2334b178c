"""Label Studio: boxes that people confirmed or corrected, as tasks to import into a project of

    <View>
      <Labels name="label" toName="video"/>
      <Video name="video" value="$video"/>
      <VideoRectangle name="box" toName="video"/>
    </View>

with a `<Label value="..."/>` for each label. A task is a video, and has one annotation: that of the
decision that stands. Each box is a region of its own, at the frame at which it was seen, or along
the way of a thing that was followed. Frames count from 1; positions are percent of the frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TextIO, TypeAlias

from moderation.covers import PATH
from moderation.decision import Decision, standing
from moderation.evidence import Box
from moderation.reports.boxes import DecidedBox, decided_boxes
from moderation.reports.frames import frame_rate
from moderation.reports.options import ReportOptions
from moderation.reports.text import json_line
from moderation.scan import Scan, Video
from moderation.timeline import MICROSECONDS, Instant

__all__ = ["write_label_studio"]

_RATE: Final = 24
"""Frames per second that Label Studio takes for a video that says none."""

Json: TypeAlias = dict[str, Any]


def write_label_studio(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
    """One array of tasks, a task on each line; videos without such boxes are in none."""
    separator = "[\n"
    for scan in scans:
        decisions = options.decisions(scan)
        regions = [_region(each, scan.video) for each in decided_boxes(scan, decisions)]
        if regions:
            stream.write(separator + json_line(_task(scan, decisions, regions)))
            separator = ",\n"
    stream.write("[]\n" if separator == "[\n" else "\n]\n")


def _task(scan: Scan, decisions: Sequence[Decision], regions: list[Json]) -> Json:
    decision = standing(decisions)
    said = {"lead_time": decision.seconds, "created_at": decision.decided_at} if decision else {}
    return {
        "data": {"video": scan.video.uri, "sha256": scan.video.sha256, "scan_id": scan.id},
        "annotations": [
            {"result": regions, "was_cancelled": False, "ground_truth": True, **_dated(said)}
        ],
    }


def _dated(said: Json) -> Json:
    return {
        name: value.isoformat() if name == "created_at" else value for name, value in said.items()
    }


def _region(each: DecidedBox, video: Video) -> Json:
    places = {_frame(at, video): box for at, box in _way(each)}
    last = max(places)
    frames = [_key(places[at], video, at, is_last=at == last) for at in sorted(places)]
    return {
        "id": each.evidence.id,
        "from_name": "box",
        "to_name": "video",
        "type": "videorectangle",
        "origin": "manual",
        "value": {
            "framesCount": _frame(Instant(video.duration_us), video) - 1,
            "duration": video.duration_us / MICROSECONDS,
            "sequence": frames,
            "labels": [each.label],
        },
        "meta": {"text": [each.said.judgement.value]},
    }


def _way(each: DecidedBox) -> Iterator[tuple[Instant, Box]]:
    for at_us, left, top, width, height in each.evidence.detail.get(PATH, ()):
        yield Instant(int(at_us)), Box.from_corners(left, top, left + width, top + height)
    yield each.evidence.best, each.box


def _key(box: Box, video: Video, frame: int, *, is_last: bool) -> Json:
    """A frame that is not enabled is the last at which the box is shown."""
    return {
        "frame": frame,
        "time": round(float((frame - 1) / frame_rate(video, _RATE)), 6),
        "enabled": not is_last,
        "rotation": 0,
        "x": round(box.left * 100, 4),
        "y": round(box.top * 100, 4),
        "width": round(box.width * 100, 4),
        "height": round(box.height * 100, 4),
    }


def _frame(at: Instant, video: Video) -> int:
    return max(0, round(at.us * frame_rate(video, _RATE) / MICROSECONDS)) + 1
