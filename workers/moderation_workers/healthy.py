"""The health check of a worker: exit code 0 while its heartbeat file is fresh, else 1.

Imports nothing of the project: it runs every half minute beside each worker.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

__all__ = ["STALE_S", "ailment"]

STALE_S: Final = 120.0
"""Seconds: a worker that ends, or whose broker fails over, is silent for less than one minute."""


def ailment(file: Path, now: float) -> str:
    """What is wrong with the worker that touches `file`; "" when nothing is. `now`: Unix time."""
    try:
        age = now - file.stat().st_mtime
    except OSError as error:
        return f"{file}: {error.strerror}"
    return f"{file} is {age:.0f} s old" if age > STALE_S else ""


if __name__ == "__main__":
    sys.exit(ailment(Path(sys.argv[1]), time.time()) or 0)
