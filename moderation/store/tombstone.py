"""Tombstones: what was erased stays erased, whoever still works on it.

`video.erased_at` says when. Of whatever began before that, nothing is stored any more; what begins
after it is another upload of the same bytes, and is judged like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.errors import ConfigurationError
from moderation.scan import Video
from moderation.store.models import JobRow, PartRow, VideoRow

__all__ = ["ERASED", "check_whole", "is_erased", "unread_key", "uri_digest", "video_key"]

ERASED: Final = "erased:"
"""In the place of a URI that was erased."""


def uri_digest(uri: str) -> str:
    return hashlib.sha256(uri.encode("utf-8", "surrogatepass")).hexdigest()


def video_key(video: Video) -> str:
    """The `video.key` of what was scanned."""
    return video.sha256 or unread_key(video.uri)


def unread_key(uri: str) -> str:
    """Of bytes that nobody could read."""
    return f"uri:{uri_digest(uri)}"


def is_erased(session: Session, video: Video, began: datetime) -> bool:
    """Whether the video was erased after that; not before the end of this transaction, if not."""
    # A lock, and not only a look: otherwise an erasure might come between the answer and what is
    # stored upon it.
    found = select(VideoRow.erased_at).where(VideoRow.key == video_key(video)).with_for_update()
    erased_at = session.scalar(found)
    return erased_at is not None and began <= erased_at


def check_whole(job: JobRow, parts: Sequence[PartRow]) -> None:
    """Raises `ConfigurationError` for a job of which too little is left to go on with it."""
    if job.uri == ERASED or not parts:
        gone = "its video was erased" if job.uri == ERASED else "its parts are kept no longer"
        raise ConfigurationError(
            f"the job {job.id} cannot go on: {gone}",
            hint="`moderation scan` looks at a video that has been judged once more",
        )
