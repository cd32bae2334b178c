"""Ring: shared memory through which pixels and sound come back from the process that decodes.

Anonymous memory (`memfd`), sealed at its size: nothing to be left over in a file system, and no
way for the decoding process to shrink it under its reader, who would die of that.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
from collections import deque
from collections.abc import Callable

from moderation.limits import MediaLimits

__all__ = ["RingReader", "RingWriter", "ring_size"]

_FRAMES = 3
"""Frames of the largest size that fit: one being read, one waiting, one being written."""

_LEAST = 8 << 20
"""Bytes: room for sound and stills where frames are small."""


def ring_size(limits: MediaLimits) -> int:
    """Bytes of a ring for frames within these limits."""
    page = mmap.PAGESIZE
    return -(-max(_LEAST, _FRAMES * 3 * limits.longest_side**2) // page) * page


class RingReader:
    """The parent's side: owns the memory, and copies out of it.

    fd  to be handed to the child
    """

    def __init__(self, size: int) -> None:
        self.size, self.fd = size, _anonymous(size)
        try:
            self._memory = mmap.mmap(self.fd, size, prot=mmap.PROT_READ)
        except BaseException:
            os.close(self.fd)
            raise

    def copy(self, offset: int, length: int) -> bytes:
        """What was written there. Raises `ValueError` for a place outside of the ring."""
        if not (offset >= 0 and length >= 0 and offset + length <= self.size):
            raise ValueError(f"{offset}+{length} lies outside of a ring of {self.size} bytes")
        return self._memory[offset : offset + length]

    def close(self) -> None:
        self._memory.close()
        os.close(self.fd)


class RingWriter:
    """The child's side: blocks are written one after another and freed in the same order.

    wait  called while there is no room; returns when a block was freed
    """

    def __init__(self, fd: int, size: int, wait: Callable[[], None]) -> None:
        self._memory = mmap.mmap(fd, size)
        self._size, self._wait = size, wait
        self._head = self._used = 0
        self._taken: deque[int] = deque()

    def write(self, data: bytes | memoryview) -> int:
        """Where the block begins. Raises `ValueError` for one larger than the ring."""
        if len(data) > self._size:
            raise ValueError(f"{len(data)} bytes do not fit into a ring of {self._size}")
        skipped = self._size - self._head if self._head + len(data) > self._size else 0
        while self._used and self._used + skipped + len(data) > self._size:
            self._wait()
        if not self._used:
            self._head = skipped = 0
        offset = self._head if not skipped else 0
        self._memory[offset : offset + len(data)] = data
        self._head = offset + len(data)
        self._used += skipped + len(data)
        self._taken.append(skipped + len(data))
        return offset

    def free(self) -> None:
        """The oldest block has been read."""
        if self._taken:
            self._used -= self._taken.popleft()


def _anonymous(size: int) -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("moderation", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:  # macOS: a file that has no name any more
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    if hasattr(fcntl, "F_ADD_SEALS") and hasattr(os, "memfd_create"):
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd
