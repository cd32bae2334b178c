"""Playback: the upload behind an item, opened where it lies, if it still is what was scanned."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

import structlog

from moderation.errors import (
    ConfigurationError,
    MediaFault,
    NotFound,
    SourceError,
    SourceUnavailable,
)
from moderation.s3_settings import S3Settings
from moderation.source import Source
from moderation.sources import open_source
from moderation.store.item_media import ItemMedia

__all__ = ["Playback", "content_type"]

log = structlog.get_logger(__name__)

_KNOWN: Final = 1_000
"""Versions whose digests are remembered: those of a day's work."""

_BLOCK: Final = 1 << 20
"""Bytes fetched at once, of which four are kept for each that plays."""

_TYPES: Final = {
    "mov": "video/mp4",
    "mp4": "video/mp4",
    "3gp": "video/mp4",
    "matroska": "video/webm",
    "webm": "video/webm",
    "ogg": "video/ogg",
    "mp3": "audio/mpeg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
}
"""By FFmpeg's name of the container that was found, never by what the upload is called."""


def content_type(media: ItemMedia) -> str:
    """One of a player's, whatever the upload claims to be; of others a player says so itself."""
    return _TYPES.get(media.container, "application/octet-stream")


class Playback:
    """Opens uploads to be played. Threads may share it."""

    def __init__(self, s3: S3Settings) -> None:
        # A player reads on; whoever pauses keeps what was fetched for as long as that lasts.
        self._s3 = s3.model_copy(update={"block_bytes": min(s3.block_bytes, _BLOCK)})
        self._checking, self._hashing = threading.Lock(), dict[tuple[str, str], threading.Lock]()
        self._digests: OrderedDict[tuple[str, str], str] = OrderedDict()

    def open(self, media: ItemMedia) -> Source:
        """The bytes that were scanned, from the first place that still has them.

        Raises `NotFound` where none has, and `SourceUnavailable` where one may and cannot be asked;
        neither says where uploads lie, for not everybody may know that.
        """
        is_silent = False
        for uri in media.uris if media.sha256 else ():
            try:
                source = self._same(uri, media)
            except SourceError as error:
                log.info("an upload to be played is not there", reason=error.fault.value)
            except (SourceUnavailable, ConfigurationError) as error:
                log.warning("an upload to be played cannot be asked for", reason=str(error))
                is_silent = True
            else:
                if source is not None:
                    return source
        if is_silent:
            raise SourceUnavailable(
                "the video cannot be fetched now", hint="try again; if it stays so, tell an admin"
            )
        raise NotFound(
            "the video is not there any more, or is another one now",
            hint="decide by what was kept of it, or skip it",
        )

    def _same(self, uri: str, media: ItemMedia) -> Source | None:
        source = open_source(uri, self._s3)
        try:
            if self._is_same(source, media):
                return source
        except BaseException:
            source.close()
            raise
        source.close()
        return None

    def _is_same(self, source: Source, media: ItemMedia) -> bool:
        if source.size != media.bytes:
            return False
        # A file of the same size and time is told from another only by its bytes.
        if source.fd is None and source.pin in media.pins:
            return True
        return self._digest(source) == media.sha256

    def _digest(self, source: Source) -> str:
        version = (source.uri, source.pin)
        with self._checking:
            turn = self._hashing.setdefault(version, threading.Lock())
        with turn:  # whoever comes second need not read it all again
            return self._known(version) or self._read(source, version)

    def _known(self, version: tuple[str, str]) -> str:
        with self._checking:
            if version in self._digests:
                self._digests.move_to_end(version)
            return self._digests.get(version, "")

    def _read(self, source: Source, version: tuple[str, str]) -> str:
        try:
            digest = source.sha256()
        except SourceError as error:
            if error.fault is MediaFault.CHANGED:
                return ""
            raise
        with self._checking:
            self._digests[version] = digest
            self._hashing.pop(version, None)
            while len(self._digests) > _KNOWN:
                self._digests.popitem(last=False)
        return digest
