"""The panel: who sits on it, who cannot, and when two panels see alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from moderation.config import Settings
from moderation.detector import Device, Frames
from moderation.errors import ConfigurationError, ModelCorrupt, ModelMissing
from moderation.panel import Panel
from moderation.registry import Registry
from moderation.testing.detectors import Brightness, Echo, Loudness, as_plugin
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


@pytest.mark.parametrize("value", [False, "false", "0", "no", "f", "off"])
def test_a_switched_off_detector_is_coverage(tmp_path: Path, value: object) -> None:
    seated = panel(tmp_path, Brightness, detectors={"brightness": {"enabled": value}})
    assert not seated.detectors
    assert seated.absent[0].status is CoverageStatus.DISABLED


def test_a_switch_is_on_or_off(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="neither true nor false"):
        panel(tmp_path, Brightness, detectors={"brightness": {"enabled": "perhaps"}})


def test_options_of_a_plugin_that_did_not_load_stop_nobody(tmp_path: Path) -> None:
    registry = Registry(allowed=["gone"])
    registry.register(as_plugin(Brightness), "mine")
    registry.miss(set())
    seated = Panel(registry, Settings(home=tmp_path, detectors={"gone": {"threshold": 1}}))
    assert [each.name for each in seated.detectors] == ["brightness"]


class Counting(Brightness):
    """Remembers how many threads it was given."""

    name = "counting"
    given = 0

    def load(self, device: Device) -> None:
        type(self).given = device.threads


@pytest.mark.parametrize(("cores", "share"), [(1, 1), (2, 1), (7, 3), (16, 8)])
def test_engines_that_compute_at_the_same_time_share_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, share: int
) -> None:
    """Text is read when the others have finished."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    panel(tmp_path, Counting, Loudness, Echo).load()
    assert Counting.given == share


def test_the_operator_may_set_the_threads(tmp_path: Path) -> None:
    panel(tmp_path, Counting, Loudness, threads=5).load()
    assert Counting.given == 5


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
        {"max_evidence": 10},
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


def test_weights_that_are_replaced_under_their_name_change_the_fingerprint(tmp_path: Path) -> None:
    class Trained(Brightness):
        class Options(Brightness.Options):
            model: str = ""

    def fingerprint(content: str) -> str:
        (tmp_path / "own.pt").write_text(content)
        options = {"brightness": {"model": str(tmp_path / "own.pt")}}
        return panel(tmp_path, Trained, detectors=options).fingerprint

    assert fingerprint("one") != fingerprint("two")


@pytest.mark.parametrize("method", ["plan", "fingerprint"])
def test_a_detector_that_breaks_before_loading_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def broken(_: object) -> None:
        raise OSError("a file is gone")

    monkeypatch.setattr(Breaking, method, broken)
    seated = panel(tmp_path, Breaking, Loudness)
    assert [each.name for each in seated.detectors] == ["loudness"]
    assert seated.absent[0].reason == "OSError: a file is gone"


def test_a_detector_that_exits_in_loading_is_unavailable(tmp_path: Path) -> None:
    class Exiting(Loudness):
        name = "exiting"

        def load(self, device: Device) -> None:
            raise SystemExit(0)

    seated = panel(tmp_path, Exiting, Loudness)
    seated.load()
    assert seated.absent[0].reason == "SystemExit: 0"


def test_another_version_of_a_plugin_changes_the_fingerprint(tmp_path: Path) -> None:
    def fingerprint(version: str) -> str:
        registry = Registry()
        registry.register(as_plugin(Brightness), "mine")
        registry.plugins[0].version = version
        return Panel(registry, Settings(home=tmp_path)).fingerprint

    assert fingerprint("1.0") != fingerprint("1.1")


@pytest.mark.parametrize("never", [0.0, -1.0, float("nan")])
def test_nothing_can_be_wanted_less_often_than_ever(never: float) -> None:
    with pytest.raises(ValueError, match="frames are wanted"):
        Frames(per_second=never)


def test_weights_that_are_damaged_ask_for_another_look(tmp_path: Path) -> None:
    class Damaged(Loudness):
        name = "damaged"

        def load(self, device: Device) -> None:
            raise ModelCorrupt("the weights x are damaged")

    seated = panel(tmp_path, Damaged)
    seated.load()
    assert seated.absent[0].status is CoverageStatus.FAILED
