"""What work costs: seconds by the clock, and seconds of the processors."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from processes import cpu_s

__all__ = ["Cost", "machine_s", "measured", "median"]

_MACHINE: Final = Path("/proc/stat")


@dataclass(slots=True)
class Cost:
    """Seconds.

    wall_s   by the clock
    cpu_s    of all threads of this process, and of the processes below it
    other_s  of the processors, for whatever else the machine did meanwhile: where it is not small,
             the others are not to be trusted. 0 where the system does not tell
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    other_s: float = 0.0

    @property
    def disturbed(self) -> float:
        """Share of all processors that others took, 0..1."""
        return self.other_s / max(self.wall_s * (os.cpu_count() or 1), 1e-9)

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.wall_s + other.wall_s, self.cpu_s + other.cpu_s, self.other_s + other.other_s
        )


@contextmanager
def measured() -> Iterator[Cost]:
    """Fills the cost in at the end of the block."""
    cost, wall, cpu, machine = Cost(), time.perf_counter(), cpu_s(), machine_s()
    yield cost
    cost.wall_s, cost.cpu_s = time.perf_counter() - wall, cpu_s() - cpu
    cost.other_s = max(0.0, machine_s() - machine - cost.cpu_s)


def median(costs: Iterable[Cost]) -> Cost:
    """Of each kind of seconds by itself."""
    several = list(costs)
    return Cost(
        statistics.median(each.wall_s for each in several),
        statistics.median(each.cpu_s for each in several),
        statistics.median(each.other_s for each in several),
    )


def machine_s() -> float:
    """Of all processors, busy with anything; what a hypervisor took away counts too."""
    if not _MACHINE.exists():
        return 0.0
    user, nice, system, _, _, irq, softirq, stolen, *_ = map(
        int, _MACHINE.read_text().split("\n", 1)[0].split()[1:]
    )
    ticks = user + nice + system + irq + softirq + stolen
    return ticks / os.sysconf("SC_CLK_TCK")
