"""Downloads: into a temporary file, digest checked before the file gets its name."""

from __future__ import annotations

import os
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeAlias

from moderation.errors import ModelCorrupt, ModelError
from moderation.manifest import sha256_of

__all__ = ["Progress", "download"]

_BLOCK = 1 << 20
"""Bytes read at once: enough that hashing, not calling, takes the time."""

_TIMEOUT = 20
"""Seconds without a byte after which a download has failed."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with a file's name, the bytes received and the bytes expected (0 when unknown)."""


def download(address: str, place: Path, digest: str, progress: Progress) -> None:
    """Fetch to a temporary file, check, sync, rename: never half a file under its name."""
    try:
        _download(address, place, digest, progress)
    except OSError as error:
        raise ModelError(
            f"{place.name} cannot be kept in {place.parent} ({error.strerror})",
            hint="correct the setting `home`, or make room",
        ) from None


def _download(address: str, place: Path, digest: str, progress: Progress) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".pull-", delete=False) as part:
        try:
            _fetch(address, part, place.name, progress)
            part.flush()
            os.fsync(part.fileno())
            found = sha256_of(Path(part.name))
            if found != digest:
                raise ModelCorrupt(
                    f"{address} is not {place.name} (sha256 {found[:12]}, not {digest[:12]})",
                    hint="do not use it; tell whoever keeps the manifest",
                )
            os.replace(part.name, place)
        finally:
            Path(part.name).unlink(missing_ok=True)


def _fetch(address: str, part: IO[bytes], name: str, progress: Progress) -> None:
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:
            expected, received = int(answer.headers.get("Content-Length") or 0), 0
            while block := answer.read(_BLOCK):
                part.write(block)
                progress(name, received := received + len(block), expected)
    except OSError as error:
        raise ModelError(
            f"{address} could not be fetched ({error})", hint="check the network, then again"
        ) from None
