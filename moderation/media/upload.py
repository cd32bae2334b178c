"""Upload: the bytes of one file, as the decoder reads them, from wherever they lie.

FFmpeg is given no path, no descriptor and no protocol: only a Python object to read from. So the
process that decodes need not open anything, and whoever holds the bytes may serve parts of them.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Protocol

from moderation.errors import MediaFault, SourceError

__all__ = ["LocalUpload", "ServedUpload", "Upload", "UploadFile"]


class Upload(Protocol):
    """Bytes that can be read in any order. `moderation.source.Source` is one."""

    @property
    def size(self) -> int: ...

    def read(self, count: int, at: int = 0) -> bytes:
        """Up to `count` bytes from position `at`; fewer only at the end. Raises `SourceError`."""
        ...


class LocalUpload:
    """A descriptor that this process was given."""

    def __init__(self, fd: int, size: int) -> None:
        self.size, self._fd = size, fd

    def read(self, count: int, at: int = 0) -> bytes:
        try:
            return os.pread(self._fd, count, at)
        except OSError as error:
            raise SourceError(
                f"the file cannot be read ({os.strerror(error.errno or 0)})",
                fault=MediaFault.UNREADABLE,
                hint="check the disk",
            ) from None


class ServedUpload:
    """Ranges that another process reads for this one: of an object that lies in S3.

    ask  returns the bytes at a position, as many as asked for unless the file ends

    Keeps the last block, because FFmpeg reads little at a time.
    """

    BLOCK = 1 << 20
    """Bytes asked for at once: fewer requests, and not much too much where FFmpeg jumps."""

    def __init__(self, size: int, ask: Callable[[int, int], bytes]) -> None:
        self.size, self._ask = size, ask
        self._at, self._block = 0, b""

    def read(self, count: int, at: int = 0) -> bytes:
        if not self._at <= at < self._at + len(self._block):
            self._at, self._block = at, self._ask(at, max(count, self.BLOCK))
        start = at - self._at
        part = self._block[start : start + count]
        if len(part) < count and at + len(part) < self.size:
            return part + self.read(count - len(part), at + len(part))
        return part


class UploadFile(io.RawIOBase):
    """An upload as a file with a position of its own; what `av.open` is given.

    It has no name: names choose demuxers, and protocols.
    """

    def __init__(self, upload: Upload) -> None:
        self._upload, self._position = upload, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._upload.size - self._position)
        data = self._upload.read(left if size < 0 else min(size, left), self._position)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._upload.size}
        self._position = max(0, start[whence] + offset)
        return self._position

    def tell(self) -> int:
        return self._position
