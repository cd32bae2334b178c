"""The processes below one, as Linux tells them; elsewhere there seem to be none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cpu_s", "descendants"]


def descendants(pid: int) -> Iterator[int]:
    """Children, their children and so on, as long as they live."""
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = thread.read_text().split()
        except OSError:  # it has ended
            continue
        for child in map(int, children):
            yield child
            yield from descendants(child)


def cpu_s() -> float:
    """Seconds of the processors that this process took, with all below it, alive or ended."""
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return own + sum(map(_cpu_s, descendants(os.getpid())))


def _cpu_s(pid: int) -> float:
    """Of a process and of its children that have ended."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it has ended meanwhile
        return 0.0
    # The name stands in brackets and may hold anything; the four times are fields 14 to 17.
    ticks = told.rpartition(")")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
