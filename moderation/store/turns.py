"""Turns: in which order those of one priority are served, evenly among the tags."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.job import PartState
from moderation.store.models import PartRow

__all__ = ["Turns"]


class Turns:
    """Whose turn is when: each tag's jobs stand in a row behind its last, the rows side by side."""

    def __init__(self, session: Session) -> None:
        self._session = session
        waiting = PartRow.state == PartState.QUEUED
        self._now = session.scalar(select(func.min(PartRow.turn)).where(waiting)) or 0
        self._last: defaultdict[str, int] = defaultdict(lambda: -1)

    def next(self, tag: str) -> int:
        if tag not in self._last:
            waits = (PartRow.tag == tag, PartRow.state == PartState.QUEUED)
            last = self._session.scalar(select(func.max(PartRow.turn)).where(*waits))
            self._last[tag] = self._now if last is None else last
        self._last[tag] += 1
        return self._last[tag]
