"""The command `moderation`: stdout carries data, stderr progress and logs.

Exit codes: 0 ok; 1 only with --fail-on, and of a worker that breaks; 2 usage or configuration; 3
some videos could not be scanned or stored, or `doctor` found something bad; 130 interrupted; 141
whoever read the output has left.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from moderation import __version__
from moderation.cli.console import fail, set_up_logging
from moderation.config import Settings
from moderation.errors import ConfigurationError, ModerationError, StoreError
from moderation.registry import Registry

__all__ = ["cli", "main"]

COMMANDS = (
    "audit", "cancel", "db", "dead", "demo", "doctor", "erase", "models", "plugins", "policy",
    "queue", "redact", "report", "retry", "scan", "serve", "status", "submit", "sweep", "users",
    "webhooks",
)  # fmt: skip
"""Each is a module of its own, with the command under its own name."""

FAILED = 3
"""Exit code: some videos could not be scanned or stored."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect it."""


_WRONG_SET_UP = (ConfigurationError, StoreError)
"""What the operator must correct before anything can be scanned: exit code 2."""

UNHEARD = 141
"""Exit code when the output's reader has left, as shells expect it: not all need be scanned."""


class _WithPlugins(click.Group):
    """Our commands, and those that plugins register: each is imported only when it is called."""

    def invoke(self, context: click.Context) -> object:
        try:
            done = super().invoke(context)
            sys.stdout.flush()
        except BrokenPipeError:  # click would make it exit code 1, which is --fail-on's
            _close_stdout()
            raise click.exceptions.Exit(UNHEARD) from None
        return done

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            own: click.Command = getattr(import_module(f"moderation.cli.{name}"), name)
            return own
        return next((each for each in _from_plugins() if each.name == name), None)

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*COMMANDS, *(str(each.name) for each in _from_plugins())})


def _close_stdout() -> None:
    """Python writes what is left once more at its exit, and would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _from_plugins() -> Sequence[click.Command]:
    return Registry.installed(Settings.read().plugins).commands


@click.group(
    cls=_WithPlugins,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="moderation")
@click.option("--debug", is_flag=True, help="Show logs and tracebacks.")
def cli(debug: bool) -> None:
    """Moderate video: detectors look, a policy judges, people decide."""
    set_up_logging(debug)


def main() -> None:
    """Run the command line and exit with its code; an error is one sentence, not a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Files and pipes are UTF-8 whatever the locale; a terminal shows what it can.
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="replace")
    # `docker stop` and a closed terminal end a scan like Ctrl-C: what is done is kept.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is signal.SIG_DFL:  # nohup ignores one of them
            signal.signal(ending, signal.default_int_handler)
    arguments, debug = _without_debug(sys.argv[1:])
    sys.exit(_run(["--debug", *arguments] if debug else arguments, debug))


def _without_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """`--debug` may stand anywhere before a `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    head = [each for each in arguments[:end] if each != "--debug"]
    return [*head, *arguments[end:]], len(head) < end


def _run(arguments: Sequence[str], debug: bool) -> int:
    try:
        return int(cli.main(list(arguments), prog_name="moderation", standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as interruption:
        told = (interruption.__cause__ or interruption).args  # click makes an Abort of it
        fail(": ".join(["interrupted", *map(str, told)]))
        return INTERRUPTED
    except ModerationError as error:
        if debug:
            raise
        fail(str(error))
        return click.UsageError.exit_code if isinstance(error, _WRONG_SET_UP) else FAILED
    except OSError as error:
        if debug:
            raise
        _close_stdout()
        fail(f"{error.filename or 'the output'} cannot be written: {error.strerror}")
        return FAILED
    except Exception as error:
        if debug:
            raise
        fail(f"unexpected {type(error).__name__}: {error}: run again with --debug and report it")
        return FAILED
