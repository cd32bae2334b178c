"""Waiting for a crowd of jobs: one bar for all of them on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from moderation.cli.console import fail, note, stderr
from moderation.client import Client, JobHandle
from moderation.errors import TransientError
from moderation.job import JobState
from moderation.store.lookup import Outcome

__all__ = ["wait_for_all"]

_FIRST_LOOK_S, _LAST_LOOK_S = 0.1, 2.0
"""How often it looks: soon at first, seldom for long videos."""

_LINE_S: Final = 10.0
"""Between two lines in a log."""

_SHOWN: Final = 20
"""Failures that are told one by one; `moderation status` has them all."""


class _Lines:
    """Tells how many are over, for logs and pipes."""

    def __init__(self, total: int) -> None:
        self._total, self._told_at = total, time.monotonic()

    def update(self, over: int) -> None:
        if time.monotonic() - self._told_at >= _LINE_S:
            self._told_at = time.monotonic()
            note(f"{over} of {self._total} jobs are over")

    def __enter__(self) -> _Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """There is nothing to clear away."""


class _Bar(_Lines):
    def __init__(self, total: int) -> None:
        super().__init__(total)
        self._progress = Progress(
            TextColumn("judged"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=stderr,
            transient=True,
        )
        self._task = self._progress.add_task("judged", total=total)

    def update(self, over: int) -> None:
        self._progress.update(self._task, completed=over)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


def wait_for_all(client: Client, jobs: Sequence[JobHandle]) -> list[Outcome]:
    """Until all are over, however they end; tells on stderr what became of them.

    After Ctrl-C the jobs go on, and the message says where to see them.
    """
    waited = {job.id: job for job in jobs}
    over: dict[str, Outcome] = {}
    try:
        with (_Bar if stderr.is_terminal else _Lines)(len(waited)) as told:
            for newly in _endings(client, waited):
                over |= newly
                told.update(len(over))
    except KeyboardInterrupt:
        left = f"{len(waited) - len(over)} of {len(waited)} jobs are not over and go on"
        raise KeyboardInterrupt(f"{left}; see `moderation status`") from None
    _tell(client, over)
    return list(over.values())


def _endings(client: Client, waited: dict[str, JobHandle]) -> Iterator[dict[str, Outcome]]:
    """Of each look, which jobs are over since the last one; a database that is away for a while is
    no reason to end.
    """
    left, pause, trouble = dict(waited), _FIRST_LOOK_S, ""
    while True:
        found: dict[str, Outcome] = {}
        try:
            found, trouble = client.outcomes(left.values()), ""
        except TransientError as error:
            if not trouble:
                note(str(error))
            trouble = str(error)
        newly = {name: each for name, each in found.items() if each.state.is_final}
        left = {name: job for name, job in left.items() if name not in newly}
        yield newly
        if not left:
            return
        time.sleep(pause)
        pause = _FIRST_LOOK_S if newly else min(_LAST_LOOK_S, pause * 1.5)


def _tell(client: Client, over: dict[str, Outcome]) -> None:
    failed = [name for name, each in over.items() if each.state is not JobState.DONE]
    for name in failed[:_SHOWN]:
        job = client.job(name).job
        fail(f"{job.uri}: {job.error or job.state}")
    if len(failed) > _SHOWN:
        note(f"and {len(failed) - _SHOWN} more, see `moderation status --state failed`")
    verdicts = Counter(each.action for each in over.values() if each.action)
    parts = ", ".join(f"{count} {action}" for action, count in sorted(verdicts.items()))
    note(f"{len(over) - len(failed)} of {len(over)} jobs were judged" + (parts and f": {parts}"))
