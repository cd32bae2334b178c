"""The folder trigger: every file that comes to lie in a folder becomes a job, once each version.

A folder is looked at again and again, for no kind of notification reaches across network shares.
A file is taken when two looks find it alike and nobody has it open for writing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import structlog

from moderation.client import Client, JobHandle
from moderation.config import Settings
from moderation.errors import ConfigurationError, SourceError, TransientError
from moderation.job import Pinned
from moderation.publish_settings import s3_folder
from moderation.source import Source

__all__ = ["Arrival", "FolderTrigger", "check_apart"]

log = structlog.get_logger(__name__)

_Version: TypeAlias = tuple[int, int, int]
"""Kind, size in bytes, and time of the last change in nanoseconds."""

_UNFINISHED: Final = (
    ".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart", ".aria2", ".!ut",
    ".!qb", ".bc!", ".tmp", ".temp", "~",
)  # fmt: skip
"""What browsers, FTP clients and torrents call a file until all of it is there."""

_BATCH: Final = 500
"""Files submitted at once: each of them is opened before the first is in the database."""

_SHARE: Final = 0.1
"""Of its time that a trigger may spend looking: a folder of 100,000 files is looked at less often.
"""


class Arrival(NamedTuple):
    """What became of a file: a job, or the reason why it is none."""

    path: Path
    job: JobHandle | None = None
    refusal: str = ""


class FolderTrigger:
    """One folder with everything below it.

    Left out are names that begin with a dot and those of unfinished downloads; symbolic links are
    refused, for they may lead anywhere.
    """

    def __init__(
        self, folder: Path, client: Client, *, policy: str | None = None, tag: str = ""
    ) -> None:
        """`tag` is the folder's path unless given."""
        self._folder, self._client, self._policy = folder.absolute(), client, policy
        self._tag = tag or str(self._folder)
        self._found: dict[str, _Version] = {}
        self._handled: dict[str, _Version] = {}

    def run(self, every_s: float, stopping: Callable[[], bool] = lambda: False) -> None:
        """Look every `every_s` seconds until it is told to stop, and log what comes."""
        while not stopping():
            began = time.monotonic()
            try:
                for each in self.poll():
                    _log(each)
            except TransientError as error:
                log.warning("files wait", reason=error.message)
            time.sleep(self.pause(every_s, time.monotonic() - began))

    @staticmethod
    def pause(every_s: float, took_s: float) -> float:
        """Seconds to wait after a look that took `took_s`."""
        return max(every_s, took_s / _SHARE)

    def poll(self) -> list[Arrival]:
        """Look once, and submit what is whole.

        Raises `TransientError`: what was not submitted is tried again at the next look.
        """
        found = dict(_versions(self._folder))
        alike = [path for path, version in found.items() if self._found.get(path) == version]
        self._found = found
        self._handled = {path: each for path, each in self._handled.items() if path in found}
        waiting = [path for path in alike if self._handled.get(path) != found[path]]
        waiting.sort(key=lambda path: found[path][2])  # the oldest first
        return [
            arrival
            for first in range(0, len(waiting), _BATCH)
            for arrival in self._take(waiting[first : first + _BATCH])
        ]

    def _take(self, paths: Sequence[str]) -> Iterator[Arrival]:
        whole: list[Pinned] = []
        refused: list[Arrival] = []
        for path in paths:
            try:
                if pin := _pin(path, self._found[path]):
                    whole.append(Pinned(path, pin))
            except SourceError as error:
                refused.append(Arrival(Path(path), refusal=error.message))
        jobs = self._client.submit_many(whole, self._policy, tag=self._tag) if whole else []
        taken = [Arrival(Path(each.uri), job) for each, job in zip(whole, jobs, strict=True)]
        for each in (*taken, *refused):
            self._handled[str(each.path)] = self._found[str(each.path)]
        yield from (*taken, *refused)


def check_apart(folder: Path, settings: Settings) -> None:
    """Raises `ConfigurationError` for a folder in which we would find our own results."""
    published = (settings.publish.results, settings.publish.pictures)
    places = [settings.home, *(Path(each) for each in published if each and not s3_folder(each))]
    for ours in places:
        if ours.resolve().is_relative_to(folder.resolve()):
            raise ConfigurationError(
                f"the results in {ours} would be taken for videos of {folder}",
                hint="give --folder a place for uploads alone",
            )


def _versions(folder: Path) -> Iterator[tuple[str, _Version]]:
    """Of all that is to be taken. What vanishes while it is looked at is not there."""
    folders = [str(folder)]
    while folders:
        place = folders.pop()
        try:
            with os.scandir(place) as entries:
                for entry in _named(entries):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif version := _version_of(entry):
                        yield entry.path, version
        except FileNotFoundError:
            continue
        except OSError:
            yield place, (0, 0, 0)  # opened as a file, it says what is wrong with it


def _named(entries: Iterable[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
    for entry in entries:
        name = entry.name.lower()
        if not name.startswith(".") and not name.endswith(_UNFINISHED):
            yield entry


def _version_of(entry: os.DirEntry[str]) -> _Version | None:
    """`None` for what has just vanished: those beside it are looked at all the same."""
    try:
        return _version(entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None


def _version(status: os.stat_result) -> _Version:
    return stat.S_IFMT(status.st_mode), status.st_size, status.st_mtime_ns


def _pin(path: str, version: _Version) -> str:
    """Of a whole file; "" while it is still written. Raises `SourceError`."""
    with Source.open(path) as source:
        fd = source.fd
        if fd is None or _version(os.fstat(fd)) != version or _has_writer(fd):
            return ""
        return source.pin


def _has_writer(fd: int) -> bool:
    """Whether anybody has the file open for writing, where the kernel says so.

    Linux grants a lease for reading on a file of ours only while nobody has. Elsewhere, and for
    the files of others, two looks that find it alike must do.
    """
    if sys.platform != "linux":
        return False
    try:
        # Who opens it while we hold the lease makes the kernel signal us: by default with SIGIO,
        # which ends a process; SIGURG is ignored.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


def _log(arrival: Arrival) -> None:
    path = str(arrival.path)
    if arrival.job is None:
        log.warning("a file is not scanned", path=path, reason=arrival.refusal)
    else:
        log.info("a file is submitted", path=path, job=arrival.job.id)
