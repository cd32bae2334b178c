"""The panel: who sits on it, who cannot, and when two panels see alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from moderation.config import Settings
from moderation.detector import Device
from moderation.errors import ConfigurationError, ModelMissing
from moderation.panel import Panel
from moderation.registry import Registry
from moderation.testing.detectors import Brightness, Loudness, as_plugin
from moderation.verdict import CoverageStatus


class WithoutWeights(Loudness):
    name = "without_weights"

    def load(self, device: Device) -> None:
        raise ModelMissing("the weights x are not here", hint="pull them")


class Breaking(Loudness):
    name = "breaking"

    def load(self, device: Device) -> None:
        raise ValueError("a bug")


def panel(
    tmp_path: Path, *classes: Any, detectors: Mapping[str, Any] | None = None, **more: Any
) -> Panel:
    registry = Registry()
    registry.register(as_plugin(*classes), "mine")
    return Panel(registry, Settings(home=tmp_path, detectors=detectors or {}, **more))


def test_every_registered_detector_has_a_seat(tmp_path: Path) -> None:
    seated = panel(tmp_path, Brightness, Loudness)
    seated.load()
    assert [each.name for each in seated.detectors] == ["brightness", "loudness"]
    assert not seated.absent


def test_options_come_from_the_settings(tmp_path: Path) -> None:
    seated = panel(tmp_path, Brightness, detectors={"brightness": {"threshold": "0.75"}})
    assert seated.detectors[0].options.threshold == 0.75


@pytest.mark.parametrize("value", [False, "false", "0", "no"])
def test_a_switched_off_detector_is_coverage(tmp_path: Path, value: object) -> None:
    seated = panel(tmp_path, Brightness, detectors={"brightness": {"enabled": value}})
    assert not seated.detectors
    assert seated.absent[0].status is CoverageStatus.DISABLED


def test_a_misspelt_option_names_the_options(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the options are threshold"):
        panel(tmp_path, Brightness, detectors={"brightness": {"treshold": 1}})


def test_options_of_a_detector_that_is_not_there_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no detector named brigthness"):
        panel(tmp_path, Brightness, detectors={"brigthness": {}})


def test_missing_weights_cost_that_detector_only(tmp_path: Path) -> None:
    seated = panel(tmp_path, WithoutWeights, Loudness)
    seated.load()
    assert [each.name for each in seated.detectors] == ["loudness"]
    assert seated.absent[0].reason == "the weights x are not here: pull them"


def test_a_detector_that_breaks_in_loading_has_failed(tmp_path: Path) -> None:
    seated = panel(tmp_path, Breaking)
    seated.load()
    assert seated.absent[0].status is CoverageStatus.FAILED
    assert seated.absent[0].reason == "ValueError: a bug"


def test_a_plugin_that_did_not_load_is_coverage(tmp_path: Path) -> None:
    registry = Registry(allowed=["gone"])
    registry.miss(set())
    assert Panel(registry, Settings(home=tmp_path)).absent[0].detector == "gone"


def test_loading_twice_loads_once(tmp_path: Path) -> None:
    names: list[str] = []
    seated = panel(tmp_path, Brightness)
    seated.load(names.append)
    seated.load(names.append)
    assert names == ["brightness"]


def test_equal_panels_have_one_fingerprint(tmp_path: Path) -> None:
    assert panel(tmp_path, Brightness).fingerprint == panel(tmp_path, Brightness).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        {"detectors": {"brightness": {"threshold": 0.6}}},
        {"detectors": {"brightness": {"enabled": False}}},
        {"evidence_floor": 0.3},
        {"media": {"max_seconds": 5}},
    ],
)
def test_whatever_changes_the_sight_changes_the_fingerprint(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    assert (
        panel(tmp_path, Brightness, **other).fingerprint != panel(tmp_path, Brightness).fingerprint
    )


def test_a_detectors_own_state_changes_the_fingerprint(tmp_path: Path) -> None:
    class Listed(Brightness):
        def fingerprint(self) -> str:
            return "another watch list"

    assert panel(tmp_path, Listed).fingerprint != panel(tmp_path, Brightness).fingerprint


def test_what_does_not_load_leaves_the_fingerprint_as_it_was(tmp_path: Path) -> None:
    seated = panel(tmp_path, WithoutWeights, Loudness)
    seated.load()
    assert seated.fingerprint == panel(tmp_path, WithoutWeights, Loudness).fingerprint
