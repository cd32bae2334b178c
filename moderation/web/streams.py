"""Streams: uploads that are being sent, apart from everything else that the server does.

A store that hangs, and a player that stops reading, hold up other players and nobody else.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from fastapi import HTTPException

from moderation.web.apart import Apart

__all__ = ["MOST", "Streams"]

MOST: Final = 8
"""At once for one person: a player asks for one or two, and some people have several pages open."""


class Streams(Apart):
    """Those of one server, counted by person."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._open = Counter[str]()

    def begin(self, person: str) -> None:
        """One more of theirs; to be ended. Raises what is answered with 429."""
        if self._open[person] >= MOST:
            raise HTTPException(429, headers={"Retry-After": "5"})
        self._open[person] += 1

    def end(self, person: str) -> None:
        self._open[person] -= 1
        if not self._open[person]:
            del self._open[person]
