"""Reading: the upload of the job at hand, opened once for all that this process does with it."""

from __future__ import annotations

from moderation.config import Settings
from moderation.errors import MediaFault, SourceError
from moderation.media import MediaReader
from moderation.sources import open_source
from moderation.store import Work

__all__ = ["Reading"]


class Reading:
    """Holds the file of one job at a time; `close` lets go of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._job_id = ""
        self._media: MediaReader | None = None

    def of(self, job_id: str, work: Work) -> MediaReader:
        """The very version that was submitted. Raises `SourceError` and `SourceUnavailable`."""
        if self._media is None or self._job_id != job_id:
            self.close()
            self._media, self._job_id = self._opened(work), job_id
        return self._media

    def close(self) -> None:
        """Harmless when nothing is open."""
        media, self._media = self._media, None
        if media is not None:
            media.close()
            media.source.close()

    def _opened(self, work: Work) -> MediaReader:
        source = open_source(work.uri, self._settings.s3)
        if work.pin and source.pin != work.pin:
            source.close()
            raise SourceError(
                f"{work.uri}: it is not what was submitted any more (source_changed)",
                fault=MediaFault.CHANGED,
                hint="submit it again",
            )
        return MediaReader(source, self._settings.media)
