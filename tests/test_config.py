"""Settings: where a value comes from, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from moderation.config import Settings
from moderation.errors import ConfigurationError


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No moderation.toml, and nothing of ours in the environment."""
    for name in [each for each in os.environ if each.startswith("MODERATION_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_everything_has_a_default() -> None:
    assert Settings.read().policy == "default"


def test_the_file_beats_the_default(empty_place: Path) -> None:
    (empty_place / "moderation.toml").write_text('policy = "mine.toml"\n[media]\nmax_fps = 60\n')
    settings = Settings.read()
    assert (settings.policy, settings.media.max_fps) == ("mine.toml", 60)


def test_the_environment_beats_the_file(empty_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_place / "moderation.toml").write_text("threads = 1")
    monkeypatch.setenv("MODERATION_THREADS", "2")
    assert Settings.read().threads == 2


def test_the_command_line_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_POLICY", "a")
    assert Settings.read(policy="b").policy == "b"


def test_nested_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_MEDIA__MAX_SECONDS", "5")
    monkeypatch.setenv("MODERATION_DETECTORS__objects__threshold", "0.5")
    settings = Settings.read()
    assert settings.media.max_seconds == 5
    assert settings.detectors == {"objects": {"threshold": "0.5"}}


def test_several_model_directories_stand_in_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_MODELS", os.pathsep.join(["/a", "/b"]))
    assert Settings.read().models == (Path("/a"), Path("/b"))


def test_plugins_are_named_by_comma(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_PLUGINS", "text, speech")
    assert Settings.read().plugins == ("text", "speech")


def test_a_home_may_begin_with_a_tilde(empty_place: Path) -> None:
    (empty_place / "moderation.toml").write_text('home = "~/moderation"')
    assert Settings.read().home == Path.home() / "moderation"


def test_a_value_that_does_not_hold_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_THREADS", "many")
    with pytest.raises(ConfigurationError, match="threads does not hold"):
        Settings.read()


def test_a_misspelt_key_of_the_file_is_refused(empty_place: Path) -> None:
    (empty_place / "moderation.toml").write_text("treads = 1")
    with pytest.raises(ConfigurationError, match="treads"):
        Settings.read()


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_TREADS", "1")
    with pytest.raises(ConfigurationError, match="MODERATION_TREADS"):
        Settings.read()


def test_a_file_that_is_no_toml_is_refused(empty_place: Path) -> None:
    (empty_place / "moderation.toml").write_text("threads = = 1")
    with pytest.raises(ConfigurationError, match=r"moderation\.toml cannot be read"):
        Settings.read()


@pytest.mark.parametrize("seconds", ["0.5", "-1", "1.9"])
def test_a_section_is_long_enough_to_be_worth_it(
    monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("MODERATION_JOBS__SECTION_S", seconds)
    with pytest.raises(ConfigurationError, match="section_s"):
        Settings.read()
