"""Plugins: each on its own, and nothing that fails is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

import moderation
from moderation.errors import ConfigurationError, PluginError
from moderation.registry import DetectorClass, Registry


def detector(name: str, label: str = "Context/Person") -> DetectorClass:
    class Seer(moderation.Detector[Any]):
        wants = moderation.Frames()
        labels = {"thing": label}

        def detect(self, batches: Any) -> Iterator[moderation.Evidence]:
            yield from ()

    Seer.name = name
    return Seer


def plugin(*detectors: DetectorClass) -> SimpleNamespace:
    @moderation.hookimpl
    def register_detectors(register: Callable[[DetectorClass], None]) -> None:
        for each in detectors:
            register(each)

    return SimpleNamespace(register_detectors=register_detectors)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], EntryPoint]:
    """Write a plugin module and give its entry point."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> EntryPoint:
        (tmp_path / f"{name}.py").write_text(text)
        return EntryPoint(name, name, "moderation")

    return write


def test_a_detector_registers_by_name() -> None:
    registry = Registry()
    registry.register(plugin(detector("seer")), "mine")
    assert registry.get("seer").name == "seer"


def test_a_plugin_whose_import_fails_costs_nobody_else(module: Any) -> None:
    registry = Registry()
    registry.load(module("broken_plugin", "import not_installed_anywhere"))
    registry.register(plugin(detector("seer")), "mine")
    assert [each.name for each in registry.failed] == ["broken_plugin"]
    assert "not_installed_anywhere" in registry.failed[0].error
    assert list(registry.detectors) == ["seer"]


def test_a_hook_that_raises_costs_its_plugin(module: Any) -> None:
    registry = Registry()
    registry.load(
        module(
            "raising_plugin",
            "from moderation import hookimpl\n"
            "@hookimpl\ndef register_detectors(register):\n    raise RuntimeError('no')\n",
        )
    )
    assert registry.failed[0].error == "RuntimeError: no"


def test_a_misspelt_hook_is_found(module: Any) -> None:
    registry = Registry()
    registry.load(
        module(
            "misspelt_plugin",
            "from moderation import hookimpl\n@hookimpl\ndef register_detektors(register): ...\n",
        )
    )
    assert "register_detektors" in registry.failed[0].error


def test_what_is_not_allowed_is_never_imported(module: Any, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    point = module("canary_plugin", f"open({str(canary)!r}, 'w')")
    Registry(allowed=["other"]).load(point)
    assert not canary.exists()


def test_an_allowed_plugin_that_is_not_installed_is_shown() -> None:
    registry = Registry.installed(allowed=["no_such_plugin"])
    assert [(each.name, each.error) for each in registry.failed] == [
        ("no_such_plugin", "it is in the setting `plugins` and not installed")
    ]


def test_a_label_outside_the_taxonomy_is_refused() -> None:
    registry = Registry()
    registry.register(plugin(detector("seer", "Violence/Weapons/Spoon")), "mine")
    assert "Violence/Weapons/Spoon" in registry.failed[0].error


def test_two_detectors_of_one_name_are_refused_with_both_owners() -> None:
    registry = Registry()
    registry.register(plugin(detector("seer")), "one")
    registry.register(plugin(detector("seer")), "two")
    with pytest.raises(PluginError, match="of one and of two"):
        registry.check()


def test_two_detectors_of_one_name_in_one_plugin_are_refused() -> None:
    registry = Registry()
    registry.register(plugin(detector("seer"), detector("seer")), "one")
    with pytest.raises(PluginError, match="two detectors are named seer"):
        registry.check()


def test_a_plugin_that_exits_costs_nobody_else(module: Any) -> None:
    registry = Registry()
    registry.load(module("exiting_plugin", "raise SystemExit(0)"))
    assert registry.failed[0].error == "SystemExit: 0"


def test_a_detector_that_cannot_detect_is_refused() -> None:
    class Blind(moderation.Detector[Any]):
        name = "blind"
        wants = moderation.Frames()
        labels = {}

    registry = Registry()
    registry.register(plugin(Blind), "mine")  # type: ignore[type-abstract]  # which is the point
    assert registry.failed[0].error == "Blind has no method `detect`"


def test_an_unknown_detector_says_what_is_installed() -> None:
    registry = Registry()
    registry.register(plugin(detector("seer")), "mine")
    with pytest.raises(ConfigurationError, match="installed are: seer"):
        registry.get("sear")


def test_a_plugin_brings_its_own_commands() -> None:
    @moderation.hookimpl
    def register_commands(register: Callable[[click.Command], None]) -> None:
        register(click.Command("hello"))

    registry = Registry()
    registry.register(SimpleNamespace(register_commands=register_commands), "mine")
    assert [command.name for command in registry.commands] == ["hello"]


def test_our_own_detectors_come_in_through_the_same_door() -> None:
    installed = {each.name: each.error for each in Registry.installed().plugins}
    assert installed == dict.fromkeys(
        ["faces", "nudity", "objects", "speech", "text", "workers"], ""
    )
