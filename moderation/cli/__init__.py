"""The command `moderation`: stdout carries data, stderr progress and logs.

Exit codes: 0 ok; 1 only with `scan --fail-on`; 2 usage or configuration; 3 some videos could not
be scanned or stored; 130 interrupted; 141 whoever read the output has left.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

import click

from moderation import __version__
from moderation.cli.console import fail, set_up_logging
from moderation.cli.demo import demo
from moderation.cli.doctor import doctor
from moderation.cli.models import models
from moderation.cli.plugins import plugins
from moderation.cli.policy import policy
from moderation.cli.queue import queue
from moderation.cli.report import report
from moderation.cli.scan import scan
from moderation.config import Settings
from moderation.errors import ConfigurationError, ModerationError, StoreError
from moderation.registry import Registry

__all__ = ["cli", "main"]

FAILED = 3
"""Exit code: some videos could not be scanned or stored."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect it."""


_WRONG_SET_UP = (ConfigurationError, StoreError)
"""What the operator must correct before anything can be scanned: exit code 2."""

UNHEARD = 141
"""Exit code when the output's reader has left, as shells expect it: not all need be scanned."""


class _WithPlugins(click.Group):
    """Our commands, and those that plugins register: a plugin is loaded only for its own."""

    def invoke(self, context: click.Context) -> object:
        try:
            done = super().invoke(context)
            sys.stdout.flush()
        except BrokenPipeError:  # click would make it exit code 1, which is --fail-on's
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(UNHEARD) from None
        return done

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        own = super().get_command(context, name)
        return own or next((each for each in _from_plugins() if each.name == name), None)

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*super().list_commands(context), *(str(c.name) for c in _from_plugins())})


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


for command in (demo, doctor, models, plugins, policy, queue, report, scan):
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit with its code; an error is one sentence, not a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Files and pipes are UTF-8 whatever the locale; a terminal shows what it can.
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="replace")
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
    except (KeyboardInterrupt, click.Abort):
        fail("interrupted")
        return INTERRUPTED
    except ModerationError as error:
        if debug:
            raise
        fail(str(error))
        return click.UsageError.exit_code if isinstance(error, _WRONG_SET_UP) else FAILED
    except Exception as error:
        if debug:
            raise
        fail(f"unexpected {type(error).__name__}: {error}: run again with --debug and report it")
        return FAILED
