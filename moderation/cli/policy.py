"""`moderation policy lint`: what is wrong with a policy file, line by line."""

from __future__ import annotations

from pathlib import Path

import click

from moderation.cli.console import note
from moderation.errors import ConfigurationError
from moderation.policy import Policy, built_in, built_in_text
from moderation.policy_lint import lint

__all__ = ["policy"]

WRONG = 2
"""Exit code of a policy that does not hold."""


@click.group()
def policy() -> None:
    """Policies: list and check."""


@policy.command("list")
def list_policies() -> None:
    """The built-in policies."""
    for name in built_in():
        each = Policy.read(name)
        click.echo(f"{each.ref.name}\t{each.ref.version}\t{each.description}")


@policy.command("show")
@click.argument("name")
def show(name: str) -> None:
    """The text of the built-in policy NAME: to copy and change."""
    if name not in built_in():
        raise ConfigurationError(
            f"there is no built-in policy {name}", hint=f"there are {', '.join(built_in())}"
        )
    click.echo(built_in_text(name), nl=False)


@policy.command("lint")
@click.argument("file", type=click.Path(path_type=Path))
def lint_policy(file: Path) -> int:
    """Check FILE against the schema and the taxonomy; all problems, each with its line."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error}", hint="name a TOML file"
        ) from None
    problems = lint(text, str(file))
    for problem in problems:
        click.echo(str(problem))
    errors = [each for each in problems if each.level == "error"]
    note(f"{file}: {len(errors)} errors, {len(problems) - len(errors)} warnings")
    return WRONG if errors else 0
