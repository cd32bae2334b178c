"""Who is killed while putting a file on a shelf in a folder."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

__all__ = ["kill_half_way"]

KILLED = """
import os, signal, sys
from pathlib import Path
from moderation.shelf import FolderShelf

os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
FolderShelf(Path(sys.argv[1]), "results").put(sys.argv[2], b"half of it", "application/json")
"""


def kill_half_way(folder: Path, name: str) -> None:
    """A process that puts this, and is killed when all is written but the file is not in place."""
    ended = subprocess.run([sys.executable, "-c", KILLED, str(folder), name], check=False)
    assert ended.returncode == -signal.SIGKILL
