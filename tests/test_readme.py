"""The README's examples hold."""

from __future__ import annotations

import re
import tomllib

import click
import pytest

from conftest import ROOT
from moderation.cli import cli
from moderation.config import Settings
from moderation.policy import Policy
from moderation.registry import Registry

README = (ROOT / "README.md").read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_plugin_is_the_tested_one() -> None:
    tested = (ROOT / "plugins" / "README.md").read_text("utf-8")
    (plugin,) = (each for each in blocks(README, "python") if "register_detectors" in each)
    assert plugin in blocks(tested, "python")


def test_the_rule_is_one() -> None:
    head = 'schema = "moderation.policy/v1"\nname = "readme"\nversion = "1"\n'
    policy = Policy.parse(head + blocks(README, "toml")[0], "README.md")
    assert [rule.id for rule in policy.rules] == ["weapon-seen"]


def test_reasons_stand_in_a_policy() -> None:
    head = 'schema = "moderation.policy/v1"\nname = "readme"\nversion = "1"\n'
    policy = Policy.parse(head + blocks(README, "toml")[1], "README.md")
    assert list(policy.reasons) == ["toy"]


def test_the_settings_hold() -> None:
    detectors = Registry.installed().detectors
    _, _, *examples = blocks(README, "toml")
    for example in examples:
        for name, options in Settings(**tomllib.loads(example)).detectors.items():
            assert detectors[name].Options.model_validate(options)
    assert len(examples) == 2


@pytest.mark.parametrize(
    "line", re.findall(r"^\| `moderation ([^`]+)` \|(.*)\|$", README, re.MULTILINE)
)
def test_every_command_and_option_exists(line: tuple[str, str]) -> None:
    usage, purpose = line
    command: click.Command | None = cli
    context = click.Context(cli)
    for word in usage.split():
        if isinstance(command, click.Group) and word.isalpha() and word.islower():
            command = command.get_command(context, word)
    assert command is not None
    known = {name for option in command.params for name in option.opts}
    assert set(re.findall(r"`(--[a-z-]+)", purpose)) <= known


def test_every_detector_is_in_the_table() -> None:
    named = set(re.findall(r"^\| `([a-z_]+)` \| (?:frames|sound|all text)", README, re.MULTILINE))
    assert named == set(Registry.installed().detectors)


def test_no_placeholder_is_left() -> None:
    assert "<!--" not in README
