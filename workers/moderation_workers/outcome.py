"""What became of a job, in one sentence for whoever watches."""

from __future__ import annotations

from typing import Final

from moderation.client import JobHandle
from moderation.job import JobState
from moderation.reports.highlights import weightiest
from moderation.scan import Scan
from moderation.timeline import Instant

__all__ = ["outcome"]

_NOTHING: Final = "nothing that the policy names"


def outcome(job: JobHandle) -> str:
    """Of one that is over: its verdict with the weightiest reason, or why there is none."""
    took = job.state.value if job.state is not JobState.DONE else job.verdict.action.value
    if job.job.finished_at is not None:
        took += f" after {(job.job.finished_at - job.job.submitted_at).total_seconds():.1f} s"
    why = _why(job.scan) if job.state is JobState.DONE else job.job.error
    return f"{took}: {why}" if why else took


def _why(scan: Scan) -> str:
    if scan.failure is not None:
        return scan.failure.message
    reasons = weightiest(scan)
    if reasons:
        first = reasons[0]
        more = f", and {len(reasons) - 1} more" if reasons[1:] else ""
        return f"{first.rule} ({first.label}) {first.score:.2f} at {_clock(first.span.start)}{more}"
    return scan.verdict.missing[0] if scan.verdict.missing else _NOTHING


def _clock(at: Instant) -> str:
    """To the second: 0:01:02."""
    return str(at).partition(".")[0]
