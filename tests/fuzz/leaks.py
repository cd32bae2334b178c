"""Leaks: what a decode may leave behind in the process that asked for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Belongings"]

_SHARED = Path("/dev/shm")


@dataclass(frozen=True)
class Belongings:
    """What this process has: child processes, zombies too, descriptors, shared memory, files."""

    children: frozenset[int]
    descriptors: int
    shared: frozenset[Path]
    files: frozenset[Path]

    @classmethod
    def now(cls) -> Belongings:
        ours = psutil.Process()
        return cls(
            children=frozenset(each.pid for each in ours.children(recursive=True)),
            descriptors=ours.num_fds(),
            shared=frozenset(_shared()),
            files=frozenset(Path(tempfile.gettempdir()).iterdir()),
        )

    def left_since(self, before: Belongings) -> str:
        """What is there that was not, in words; empty for nothing."""
        return ", ".join(_left(before, self))


def _shared() -> Iterator[Path]:
    """But for that of databases and of workers, which other tests start and kill meanwhile."""
    for each in _SHARED.iterdir() if _SHARED.is_dir() else ():
        if not each.name.startswith(("PostgreSQL.", "sem.")):
            yield each


def _left(before: Belongings, after: Belongings) -> Iterator[str]:
    if children := after.children - before.children:
        yield f"processes {sorted(children)}"
    if after.descriptors > before.descriptors:
        yield f"{after.descriptors - before.descriptors} descriptors"
    if shared := [each for each in after.shared - before.shared if not _anothers(each)]:
        yield f"shared memory {sorted(map(str, shared))}"
    if files := after.files - before.files:
        yield f"files {sorted(map(str, files))}"


def _anothers(path: Path) -> bool:
    """Whether a process that is not this one uses it, or it has been removed by now.

    The path does not tell: the C library makes semaphores under one name and keeps another.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return True
    others = (each.pid for each in psutil.process_iter() if each.pid != os.getpid())
    return status.st_uid != os.getuid() or any(_maps(pid, status.st_ino) for pid in others)


def _maps(pid: int, inode: int) -> bool:
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return False
    return any(f" {inode} " in line and str(_SHARED) in line for line in lines)
