"""Options that say which objects of a bucket are judged, and under which policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click
from pydantic import ValidationError

from moderation.object_filter import ObjectFilter
from moderation.policy import Policy

__all__ = ["chosen", "object_options"]

Command = TypeVar("Command", bound=Callable[..., Any])
Chosen = TypeVar("Chosen", bound=ObjectFilter)

_OPTIONS: Final = (
    click.option(
        "--suffix", "suffixes", multiple=True, help="Only keys that end so, in either case."
    ),
    click.option(
        "--ignore-prefix", "ignore_prefixes", multiple=True, help="Never keys that begin so."
    ),
    click.option("--min-bytes", type=click.IntRange(min=0), default=0, help="No smaller objects."),
    click.option("--max-bytes", type=click.IntRange(min=0), help="No larger ones."),
    click.option(
        "--policy",
        "policies",
        multiple=True,
        metavar="[PREFIX=]NAME",
        help="Of all keys, or by prefix.",
    ),
)


def object_options(command: Command) -> Command:
    """The command takes them; they are for `chosen`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen(kind: type[Chosen], *, policies: Sequence[str], **given: object) -> Chosen:
    """The filter that they make. Raises `UsageError`, and what `Policy.read` does."""
    by_prefix = dict(map(_by_prefix, policies))
    try:
        return kind.model_validate({**given, "policies": by_prefix})
    except ValidationError as error:
        told = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise click.UsageError(told) from None


def _by_prefix(given: str) -> tuple[str, str]:
    """Checked at once: an unknown policy must not wait for its first video."""
    prefix, _, name = given.rpartition("=")
    Policy.read(name)
    return prefix, name
