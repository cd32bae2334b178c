"""What a person sees on stderr: progress, logs, and errors of one sentence."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import structlog
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from moderation.look import Step
from moderation.reports.text import one_line, visible
from moderation.timeline import Instant

__all__ = ["Reporter", "fail", "note", "pulling", "reporter", "set_up_logging", "stderr"]

stderr = Console(stderr=True, highlight=False)


def fail(sentence: str) -> None:
    """One sentence in red: what went wrong and what to do."""
    stderr.print(f"[bold red]error[/] {_shown(sentence)}", soft_wrap=True)


def note(sentence: str) -> None:
    """One line beside the data."""
    stderr.print(_shown(sentence), soft_wrap=True)


def _shown(text: str) -> str:
    """File names and the messages of others may hold mark-up and control codes."""
    return escape(visible(text))


def set_up_logging(debug: bool) -> None:
    """Logs go to stderr: warnings as one line each, everything with tracebacks when debugging."""
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(level=level if debug else logging.ERROR, stream=sys.stderr)
    tracebacks = [] if debug else [_one_line]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            *tracebacks,
            structlog.dev.ConsoleRenderer(colors=stderr.is_terminal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _one_line(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if event.pop("exc_info", None):
        error = sys.exc_info()[1]
        event["error"] = f"{type(error).__name__}: {error}"
    return {key: one_line(each) if isinstance(each, str) else each for key, each in event.items()}


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


class _Bar(Reporter):
    """A progress bar on a terminal, with what each detector is doing."""

    def __init__(self, name: str, number: str) -> None:
        super().__init__(name, number)
        self._where: dict[str, Instant] = {}
        self._lock = threading.Lock()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[doing]}"),
            console=stderr,
            transient=True,
        )
        self._task = TaskID(0)

    def announce(self, detector: str) -> None:
        self._progress.update(self._task, doing=f"loading {detector}")

    def watch(self, step: Step) -> None:
        with self._lock:
            self._where[step.detector] = step.at
            slowest = min(self._where.values())
            doing = " · ".join(
                f"{name} {at.seconds:.0f}s" for name, at in sorted(self._where.items())
            )
            self._progress.update(
                self._task, total=step.end.us or None, completed=slowest.us, doing=doing
            )

    def __enter__(self) -> Reporter:
        self._task = self._progress.add_task(
            f"{self.number} {_shown(self.name)}", total=None, doing=""
        )
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


def reporter(name: str, number: str) -> Reporter:
    """A bar on a terminal, plain lines otherwise."""
    return (_Bar if stderr.is_terminal else Reporter)(name, number)


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
