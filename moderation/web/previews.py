"""Previews: small copies of videos that browsers do not play, made when somebody asks for one.

The locked-in process that decodes writes them, like redactions. They lie in a temporary folder of
this server's, for as long as somebody looks at them, and are gone when it ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from moderation.config import Settings
from moderation.errors import Cancelled, MediaError, MediaFault, ModerationError, NotFound
from moderation.media import MediaReader
from moderation.media.rewrite import rewrite
from moderation.redaction_files import NewFile
from moderation.source import Source
from moderation.store.item_media import ItemMedia
from moderation.timeline import MICROSECONDS
from moderation.web.playback import Playback

__all__ = ["Preview", "PreviewState", "Previews"]

log = structlog.get_logger(__name__)

_TIDY_S: Final = 60
"""Between two looks at what nobody looks at any more."""

_PREFIX: Final = "moderation-previews-"
"""Of folders, before the number of the process that they belong to."""


class PreviewState(StrEnum):
    MAKING = "making"
    READY = "ready"
    FAILED = "failed"


@dataclass(slots=True)
class Preview:
    """A copy of one video.

    reason  why there is none, for one that failed
    """

    path: Path
    state: PreviewState = PreviewState.MAKING
    reason: str = ""
    bytes: int = 0
    used_at: float = field(default_factory=time.monotonic)


class Previews:
    """Those of one server, one made at a time. Threads may share it."""

    def __init__(
        self, settings: Settings, playback: Playback, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._playback, self._clock = settings, playback, clock
        self._known: dict[str, Preview] = {}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._maker = ThreadPoolExecutor(1, "previews")
        self._folder: Path | None = None

    def ask(self, media: ItemMedia) -> Preview:
        """How it is with the copy; what was never asked for, or failed, is made from now on."""
        with self._lock:
            self._tidy()
            known = self._known.get(media.sha256)
            if known is None or known.state is PreviewState.FAILED:
                known = self._known[media.sha256] = Preview(self._place(media.sha256))
                self._maker.submit(self._make, media, known)
            known.used_at = self._clock()
            return known

    def look(self, media: ItemMedia) -> Preview:
        """How it is with a copy that was asked for. Raises `NotFound` for any other."""
        with self._lock:
            known = self._known.get(media.sha256)
            if known is None:
                raise NotFound("there is no copy of this video", hint="ask for one")
            known.used_at = self._clock()
            return known

    def open(self, media: ItemMedia) -> Source:
        """Its bytes. Raises `NotFound`."""
        known = self.look(media)
        if known.state is not PreviewState.READY:
            raise NotFound("the copy of this video is not ready", hint="ask for it again")
        return Source.open(known.path)

    def close(self) -> None:
        """What is being made is given up."""
        self._over.set()
        self._maker.shutdown(cancel_futures=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self, media: ItemMedia, preview: Preview) -> None:
        try:
            preview.bytes = self._written(media, preview.path)
            preview.state = PreviewState.READY
        except Cancelled:
            preview.state, preview.reason = PreviewState.FAILED, "the server ends"
        except (ModerationError, OSError) as error:
            # Of a source's errors nothing is told: not everybody may know where uploads lie.
            told = str(error) if isinstance(error, MediaError) else "it went wrong: see the log"
            preview.state, preview.reason = PreviewState.FAILED, told
            log.warning("no copy could be made of a video", reason=str(error))
        except Exception:  # the boundary: whoever waits for it is told
            preview.state, preview.reason = PreviewState.FAILED, "it went wrong: see the log"
            log.exception("no copy could be made of a video")

    def _written(self, media: ItemMedia, path: Path) -> int:
        limits, side = self._settings.media, self._settings.web.preview_side
        part = NewFile(path)
        source = self._playback.open(media)
        try:
            with MediaReader(source, limits) as reader:
                self._check_length(reader.probe().duration_us)
                rewrite(reader, (), 0, part.write, self._check, draft=side)
            part.finished().replace(path)
            return path.stat().st_size
        finally:
            part.discard()
            source.close()

    def _check_length(self, duration_us: int) -> None:
        longest = self._settings.web.preview_max_s
        if duration_us > longest * MICROSECONDS:
            raise MediaError(
                f"the video is longer than {longest:g} s",
                fault=MediaFault.TOO_LARGE,
                hint="play it with another program, or raise web.preview_max_s",
            )

    def _check(self) -> None:
        if self._over.is_set():
            raise Cancelled("the server ends")

    def _place(self, sha256: str) -> Path:
        if self._folder is None:
            _remove_left_behind()
            self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
            threading.Thread(target=self._keep_tidy, name="previews", daemon=True).start()
        return self._folder / f"{sha256}.mp4"

    def _keep_tidy(self) -> None:
        """Also when nobody asks for anything."""
        while not self._over.wait(min(_TIDY_S, self._settings.web.preview_keep_s)):
            with self._lock:
                self._tidy()

    def _tidy(self) -> None:
        """Forget what nobody looks at, and the oldest where all would not fit."""
        keep_s, room = self._settings.web.preview_keep_s, self._settings.web.preview_bytes
        oldest_first = sorted(self._known.items(), key=lambda each: each[1].used_at)
        used = sum(each.bytes for _, each in oldest_first)
        for sha256, each in oldest_first:
            is_idle = self._clock() - each.used_at > keep_s
            if each.state is not PreviewState.MAKING and (is_idle or used > room):
                each.path.unlink(missing_ok=True)
                used -= each.bytes
                del self._known[sha256]


def _remove_left_behind() -> None:
    """Folders of servers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)
