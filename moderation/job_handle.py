"""A job in the hands of a program: wait for it, read its verdict, cancel it, try it again."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Collection

import structlog

from moderation.errors import StillRunning, TransientError
from moderation.evidence import Evidence
from moderation.job import Job, JobState
from moderation.reports import FORMATS, ReportOptions
from moderation.scan import Scan
from moderation.transport import Transport
from moderation.verdict import Verdict

__all__ = ["JobHandle"]

log = structlog.get_logger(__name__)

_FIRST_LOOK_S, _LAST_LOOK_S = 0.05, 2.0
"""How often a waiting client looks: soon at first, seldom for long videos."""

_LATENESS = 0.1
"""Share of the time that it waited by which it may hear of the end too late."""


class JobHandle:
    """A submitted job; what it says is as of the last look, which `refresh` and `wait` take."""

    def __init__(self, transport: Transport, job: Job) -> None:
        self._transport, self.job = transport, job
        self._scan: Scan | None = None

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def state(self) -> JobState:
        return self.job.state

    @property
    def scan(self) -> Scan:
        """All that was seen and judged. Raises `StillRunning` while there is nothing."""
        if self._scan is None:
            self._scan = self._transport.scan(self.job)
        if self._scan is None:
            reason = f": {self.job.error}" if self.job.error else ""
            raise StillRunning(
                f"the job {self.id} has no verdict, it is {self.state}{reason}",
                hint="wait for it, or see `moderation dead`",
            )
        return self._scan

    @property
    def verdict(self) -> Verdict:
        return self.scan.verdict

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        return self.scan.evidence

    def report(self, form: str = "json") -> str:
        """As `moderation report` writes it: json, jsonl, csv or table."""
        stream = io.StringIO(newline="")
        FORMATS[form](iter([self.scan]), stream, ReportOptions())
        return stream.getvalue()

    def refresh(self) -> JobHandle:
        """Look again."""
        self.job, self._scan = self._transport.get(self.id), None
        return self

    def wait(
        self, timeout: float | None = None, on_progress: Callable[[Job], None] = lambda _: None
    ) -> JobHandle:
        """Until it is done, failed or cancelled; `on_progress` is told of every change.

        A database that is away for a while is asked again. Raises `StillRunning` after `timeout`
        seconds; the job goes on.
        """
        began, told = time.monotonic(), None
        while True:
            try:
                self.refresh()
            except TransientError as error:
                log.warning("a job is waited for in the dark", job=self.id, reason=error.message)
            if self.job != told:
                told = self.job
                on_progress(told)
            if self.state.is_final:
                return self
            if timeout is not None and time.monotonic() - began > timeout:
                raise StillRunning(
                    f"the job {self.id} is {self.state} after {timeout:g} s",
                    hint="wait longer, or see `moderation status`",
                )
            time.sleep(_pause(time.monotonic() - began))

    def cancel(self) -> JobHandle:
        self.job = self._transport.cancel(self.id)
        return self

    def retry(self, detectors: Collection[str] = ()) -> JobHandle:
        """Try again what failed for good, and have these detectors look once more.

        Raises `ConfigurationError` for a detector that had no turn.
        """
        self.job, self._scan = self._transport.retry(self.id, detectors), None
        return self


def _pause(waited_s: float) -> float:
    return min(_LAST_LOOK_S, max(_FIRST_LOOK_S, _LATENESS * waited_s))
