"""What a person reads on stderr: logs, and errors of one sentence."""

from __future__ import annotations

import logging
import sys

import structlog
from rich.console import Console
from rich.markup import escape

from moderation.reports.text import one_line, visible

__all__ = ["fail", "note", "set_up_logging", "shown", "stderr"]

stderr = Console(stderr=True, highlight=False)


def fail(sentence: str) -> None:
    """One sentence in red: what went wrong and what to do."""
    stderr.print(f"[bold red]error[/] {shown(sentence)}", soft_wrap=True)


def note(sentence: str) -> None:
    """One line beside the data."""
    stderr.print(shown(sentence), soft_wrap=True)


def shown(text: str) -> str:
    """File names and the messages of others may hold mark-up and control codes."""
    return escape(visible(text))


def set_up_logging(debug: bool) -> None:
    """Logs go to stderr: warnings as one line each, everything with tracebacks when debugging."""
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(level=level if debug else logging.ERROR, stream=sys.stderr)
    tracebacks = [] if debug else [_one_line]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *tracebacks,
            # The other form shows what variables hold: a token, somebody's words.
            structlog.dev.ConsoleRenderer(
                colors=stderr.is_terminal, exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _one_line(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if event.pop("exc_info", None):
        error = sys.exc_info()[1]
        event["error"] = f"{type(error).__name__}: {error}"
    return {key: one_line(each) if isinstance(each, str) else each for key, each in event.items()}
