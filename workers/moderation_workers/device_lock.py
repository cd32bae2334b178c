"""A lock on a device that lives as long as the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
import platform
import re
from pathlib import Path

from moderation.errors import ConfigurationError

__all__ = ["DeviceLock"]


class DeviceLock:
    """One file for each physical device, locked by the kernel: what is left of it locks nobody."""

    def __init__(self, folder: Path, identity: str) -> None:
        self._path = folder / f"{re.sub(r'[^A-Za-z0-9.-]', '_', identity)}.lock"
        self._file: int | None = None
        self.holder = ""
        """Who has it, once it could not be acquired."""

    def acquire(self, *, share: bool = False) -> bool:
        """Whether it is ours now; who shares it goes together with those who share it alone.

        Raises `ConfigurationError` when the file cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ConfigurationError(
                f"{self._path} cannot be written: {error.strerror}", hint="correct the setting home"
            ) from None
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if share else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            self.holder = os.read(file, 1000).decode(errors="replace") or "another worker"
            os.close(file)
            return False
        self._file = file
        ours = f"process {os.getpid()} on {platform.node()}"
        os.ftruncate(file, 0)
        os.pwrite(file, (f"{ours}, which shares it" if share else ours).encode(), 0)
        return True

    def release(self) -> None:
        """The file stays: to delete it would let two hold locks on two files of one name."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
