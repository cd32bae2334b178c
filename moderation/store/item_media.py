"""What a review item's video is, and where it was seen: for whoever plays it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.errors import NotFound
from moderation.store.models import (
    JobRow,
    ReviewItemRow,
    ScanRow,
    UriRow,
    VerdictRow,
    VideoRow,
)
from moderation.store.store import Store

__all__ = ["ItemMedia", "item_media"]

_PLACES = 20
"""Where the same bytes were seen last: if they are at none of these, they are gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMedia:
    """The bytes that were scanned.

    sha256, bytes, container  as the scan has them; no digest: nobody could read it
    uris                      where they were seen, the last place first
    pins                      versions of these uploads that are known to be those bytes
    """

    sha256: str
    bytes: int
    container: str
    uris: tuple[str, ...]
    pins: frozenset[str]


def item_media(store: Store, item_id: str) -> ItemMedia:
    """Raises `NotFound`."""
    found = (
        select(ScanRow, VideoRow)
        .join(VerdictRow, VerdictRow.scan_id == ScanRow.id)
        .join(ReviewItemRow, ReviewItemRow.verdict_id == VerdictRow.id)
        .join(VideoRow, VideoRow.id == ScanRow.video_id)
        .where(ReviewItemRow.id == item_id)
    )
    with store.reading() as session:
        row = session.execute(found).one_or_none()
        if row is None:
            raise NotFound(f"there is no review item {item_id}", hint="claim the next one")
        scan, video = row
        return ItemMedia(
            sha256=video.sha256,
            bytes=scan.bytes,
            container=scan.container,
            uris=_uris(session, video),
            pins=_pins(session, scan),
        )


def _uris(session: Session, video: VideoRow) -> tuple[str, ...]:
    seen = select(UriRow.uri).where(UriRow.video_id == video.id)
    others = session.scalars(seen.order_by(UriRow.seen_at.desc()).limit(_PLACES))
    return tuple(dict.fromkeys([video.uri, *others]))


def _pins(session: Session, scan: ScanRow) -> frozenset[str]:
    return frozenset(session.scalars(select(JobRow.pin).where(JobRow.scan_id == scan.scan_id)))
