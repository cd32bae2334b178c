"""How far a scan or a download has come, on stderr: bars on a terminal, plain lines otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from moderation.cli.console import note, shown, stderr
from moderation.look import Step
from moderation.reports.text import one_line
from moderation.timeline import Instant

__all__ = ["Reporter", "pulling", "reporter"]

_NAME = 32
"""Letters of a file's name beside its bar."""


class Reporter:
    """Tells how the scan of one video goes; this one tells plain lines, for logs and pipes."""

    def __init__(self, name: str, number: str) -> None:
        self.name, self.number = name, number

    def announce(self, detector: str) -> None:
        """A detector is being loaded."""

    def watch(self, step: Step) -> None:
        """A detector has come to a moment of the video; called from its thread."""

    def __enter__(self) -> Reporter:
        note(f"{self.number} {one_line(self.name)}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The video is done."""


class _Bars(Reporter):
    """A bar for the video, and below it one for what each detector has seen of it."""

    def __init__(self, name: str, number: str) -> None:
        super().__init__(name, number)
        self._lock = threading.Lock()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("[dim]{task.fields[doing]}"),
            TimeElapsedColumn(),
            console=stderr,
            transient=True,
        )
        title = f"{number} {shown(one_line(name)[:_NAME])}"
        self._video = self._progress.add_task(title, total=None, doing="")
        self._detectors: dict[str, TaskID] = {}

    def announce(self, detector: str) -> None:
        self._progress.update(self._video, doing=f"loading {detector}")

    def watch(self, step: Step) -> None:
        with self._lock:
            task = self._video if step.detector == "decode" else self._task(step.detector)
            doing = f"{_clock(step.at)} of {_clock(step.end)}"
            self._progress.update(
                task, total=step.end.us or None, completed=step.at.us, doing=doing
            )

    def _task(self, detector: str) -> TaskID:
        if detector not in self._detectors:
            self._detectors[detector] = self._progress.add_task(
                f"  {detector}", total=None, doing=""
            )
        return self._detectors[detector]

    def __enter__(self) -> Reporter:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


def _clock(at: Instant) -> str:
    """To the second: 0:01:02."""
    return str(at).partition(".")[0]


def reporter(name: str, number: str) -> Reporter:
    """Bars on a terminal, plain lines otherwise."""
    return (_Bars if stderr.is_terminal else Reporter)(name, number)


@contextmanager
def pulling() -> Iterator[Callable[[str, int, int], None]]:
    """Progress of downloads: a callback for `ModelStore.pull`."""
    with Progress(console=stderr, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, received: int, expected: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(escape(name), total=expected or None)
            progress.update(tasks[name], completed=received)

        yield show
