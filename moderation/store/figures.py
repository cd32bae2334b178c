"""Figures of an installation, counted by the database: what ended, how long it took.

Each counts what ended within a span of time, so that whoever asks often need not count anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Float, case, func, select
from sqlalchemy import text as sql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from moderation.job import PartState
from moderation.store.models import AttemptRow, JobRow, PartRow, ScanRow
from moderation.store.store import Store

__all__ = ["Figures", "Sums", "Within"]

Sums = dict[tuple[str, ...], tuple[float, ...]]
"""What was added up, by what it was grouped by; those of two spans of time may be added."""


@dataclass(frozen=True, slots=True)
class Within:
    """A span of time with its beginning and without its end; without an end: until now."""

    since: datetime
    until: datetime | None = None

    def holds(self, moment: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        after: ColumnElement[bool] = moment >= self.since
        return after if self.until is None else after & (moment < self.until)


class _seconds(FunctionElement[float]):  # noqa: N801  # reads as a function in SQL
    """From the first moment to the second."""

    type = Float()
    inherit_cache = True


@compiles(_seconds, "postgresql")
def _postgresql(element: _seconds, compiler: SQLCompiler, **given: Any) -> str:
    first, second = (compiler.process(each, **given) for each in element.clauses)
    return f"CAST(extract(epoch FROM ({second} - {first})) AS DOUBLE PRECISION)"


@compiles(_seconds, "sqlite")
def _sqlite(element: _seconds, compiler: SQLCompiler, **given: Any) -> str:
    first, second = (compiler.process(each, **given) for each in element.clauses)
    return f"((julianday({second}) - julianday({first})) * 86400.0)"


class Figures:
    """Threads may share it; each method is a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def dead(self) -> dict[str, int]:
        """Parts that failed for good, by lane."""
        found = (
            select(PartRow.lane, func.count().label("parts"))
            .where(PartRow.state == PartState.DEAD)
            .group_by(PartRow.lane)
        )
        with self._store.reading() as session:
            return {row.lane: row.parts for row in session.execute(found)}

    def latencies(self, within: Within, bounds: Sequence[float]) -> Sums:
        """From submission to the end, of jobs by `(state,)`: the sum of their seconds, how many
        took as long as each of the bounds (in seconds) or less, and how many there were.
        """
        took: ColumnElement[float] = _seconds(JobRow.submitted_at, JobRow.finished_at)
        counts = [func.sum(case((took <= bound, 1), else_=0)) for bound in bounds]
        found = (
            select(JobRow.state, func.sum(took), *counts, func.count())
            .where(within.holds(JobRow.finished_at))
            .group_by(JobRow.state)
        )
        with self._store.reading() as session:
            return {(state,): tuple(sums) for state, *sums in session.execute(found)}

    def attempts(self, within: Within) -> Sums:
        """By `(lane, outcome)`, how many attempts failed or were lost."""
        found = (
            select(PartRow.lane, AttemptRow.outcome, func.count())
            .join(PartRow, PartRow.id == AttemptRow.part_id)
            .where(sql("outcome IN ('failed', 'lost')"), within.holds(AttemptRow.ended_at))
            .group_by(PartRow.lane, AttemptRow.outcome)
        )
        with self._store.reading() as session:
            return {(lane, outcome): (n,) for lane, outcome, n in session.execute(found)}

    def detectors(self, within: Within) -> Sums:
        """By `(detector,)`, the seconds that it computed, and in how many scans."""
        told: defaultdict[tuple[str, ...], tuple[float, ...]] = defaultdict(lambda: (0.0, 0))
        found = select(ScanRow.timing).where(within.holds(ScanRow.scanned_at))
        with self._store.reading() as session:
            for timing in session.scalars(found.execution_options(yield_per=1000)):
                for name, each in timing["detectors"].items():
                    seconds, scans = told[name,]
                    told[name,] = (seconds + each, scans + 1)
        return dict(told)
