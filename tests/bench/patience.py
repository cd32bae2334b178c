"""Measuring on a machine that others use: wait for a calm moment, and measure again if it ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from cost import Cost, machine_s

__all__ = ["DISTURBED", "Patience"]


class Costly(Protocol):
    @property
    def cost(self) -> Cost: ...


Result = TypeVar("Result", bound=Cost | Costly)

DISTURBED: Final = 0.05
"""Share of the processors from which what others do changes the figures."""

_LOOK_S: Final = 0.5
_LONGEST_WAIT_S: Final = 120.0


class Patience:
    """Runs each part up to `tries` times, until others leave it alone; both sides alike."""

    def __init__(self, tries: int) -> None:
        self._tries = tries

    def __call__(self, part: Callable[[], Result]) -> Result:
        """The result of the run that was disturbed least."""
        results = list[Result]()
        while len(results) < self._tries:
            self._wait()
            results.append(part())
            if _disturbed(results[-1]) <= DISTURBED:
                break
        return min(results, key=_disturbed)

    def _wait(self) -> None:
        """Until the machine has nothing to do, or for so long that there is no hope."""
        began = time.monotonic()
        while self._tries > 1 and time.monotonic() - began < _LONGEST_WAIT_S:
            busy = machine_s()
            time.sleep(_LOOK_S)
            if machine_s() - busy <= DISTURBED * _LOOK_S * (os.cpu_count() or 1):
                return


def _disturbed(result: Cost | Costly) -> float:
    return (result if isinstance(result, Cost) else result.cost).disturbed
