"""History: every scan of the same bytes."""

from __future__ import annotations

from sqlalchemy import select

from moderation.scan import Scan
from moderation.store.load import load_scan
from moderation.store.models import ScanRow, VerdictRow, VideoRow
from moderation.store.store import Store

__all__ = ["scans_of"]


def scans_of(store: Store, sha256: str) -> tuple[Scan, ...]:
    """The stored scans of these bytes, newest first, each under the verdict that it has now."""
    verdicts = (
        select(ScanRow.id, VerdictRow.id)
        .join(VerdictRow, VerdictRow.scan_id == ScanRow.id)
        .join(VideoRow, VideoRow.id == ScanRow.video_id)
        .where(VideoRow.key == sha256)
        .order_by(VerdictRow.current, VerdictRow.id)
    )
    last: dict[int, int] = {}
    with store.reading() as session:
        for scan, verdict in session.execute(verdicts):
            last[scan] = verdict
        scans = [load_scan(session, verdict) for verdict in last.values()]
    return tuple(sorted(scans, key=lambda each: each.scanned_at, reverse=True))
