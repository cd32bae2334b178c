"""What the scripts of an item's page know of it, as JSON."""

from __future__ import annotations

from typing import Any

from moderation.reports.text import plain
from moderation.web.views.item import ItemView
from moderation.web.views.moments import Moment

__all__ = ["case_data"]


def case_data(view: ItemView, *, video: str, link_s: int, undo_s: float) -> Any:
    """Times are microseconds, boxes left, top, width and height in fractions of the frame.

    video   a link; empty where nobody could read the upload
    link_s  seconds for which it is good: not until when, for browsers' clocks differ from ours
    """
    item, media = view.item, view.scan.video
    return plain(
        {
            "id": item.id,
            "version": item.version,
            "held_by_me": view.is_mine,
            "duration_us": media.duration_us,
            "end_us": view.end_us,
            "fps": media.fps,
            "width": media.width,
            "height": media.height,
            "has_video": media.has_video,
            "has_audio": media.has_audio,
            "video": video,
            "link_s": link_s,
            "links_url": f"/items/{item.id}/links",
            "preview_url": f"/items/{item.id}/preview",
            "activity_url": f"/items/{item.id}/activity",
            "live_url": f"/live?item={item.id}",
            "windows": view.windows,
            "moments": [_moment(each) for each in view.moments],
            "defaults": view.covers,
            "undo_s": undo_s,
            "severity": item.severity.value,
        }
    )


def _moment(moment: Moment) -> dict[str, Any]:
    segment, box = moment.segment, moment.box
    return {
        "start_us": segment.span.start.us,
        "end_us": segment.span.end.us,
        "best_us": segment.best.us,
        "label": segment.label,
        "family": moment.family,
        "score": round(segment.score, 3),
        "detector": ", ".join(segment.detectors),
        "segment": moment.index,
        "asked": moment.is_asked,
        "box": box and [box.left, box.top, box.width, box.height],
    }
