"""`moderation faces enroll | list | remove`: what an operator types and reads."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from moderation_faces.commands import faces
from moderation_faces.watchlist import WatchList
from PIL import Image

from moderation.errors import ConfigurationError, ModelMissing

CONFIGURED = '[detectors.faces]\nrecogniser = "mobilefacenet"\n'

Run = Callable[..., Result]


@pytest.fixture
def run(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty home, with real weights; errors of ours are raised."""
    (tmp_path / "moderation.toml").write_text(CONFIGURED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODERATION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODERATION_MODELS", str(shared_data / "models"))
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str) -> Result:
        result = CliRunner().invoke(faces, arguments)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return command


@pytest.fixture
def people(shared_data: Path, tmp_path: Path) -> Path:
    """A folder of two people, one picture each."""
    return gallery(shared_data, tmp_path, {"p-obama": ["obama_1.jpg"], "p-biden": ["biden_1.jpg"]})


def gallery(shared_data: Path, tmp_path: Path, people: dict[str, Sequence[str]]) -> Path:
    for person, names in people.items():
        folder = tmp_path / "people" / person
        folder.mkdir(parents=True)
        for name in names:
            shutil.copy(shared_data / "faces" / "watchlist" / name, folder)
    return tmp_path / "people"


def test_people_are_enrolled_into_the_home_and_the_way_to_use_it_is_said(
    run: Run, people: Path, tmp_path: Path
) -> None:
    result = run("enroll", str(people))
    assert result.exit_code == 0
    assert "obama_1.jpg" in result.stdout
    watch_list = WatchList.read(tmp_path / "home" / "watchlist.npz")
    assert watch_list.people == {"p-biden": 1, "p-obama": 1}
    assert watch_list.model == "mobilefacenet"
    assert f'watch_list = "{tmp_path / "home" / "watchlist.npz"}"' in result.stderr


def test_the_configured_list_is_the_default_and_needs_no_advice(
    run: Run, people: Path, tmp_path: Path
) -> None:
    (tmp_path / "moderation.toml").write_text(CONFIGURED + 'watch_list = "wanted.npz"\n')
    result = run("enroll", str(people))
    assert WatchList.read(tmp_path / "wanted.npz").people == {"p-biden": 1, "p-obama": 1}
    assert result.stderr == ""


def test_enrolling_twice_changes_nothing(run: Run, people: Path) -> None:
    run("enroll", str(people), "--list", "list.npz")
    before = WatchList.read(Path("list.npz"))
    run("enroll", str(people), "--list", "list.npz")
    assert WatchList.read(Path("list.npz")).faces == before.faces


def test_pictures_that_do_not_show_one_face_are_refused_each_with_its_reason(
    run: Run, shared_data: Path, tmp_path: Path
) -> None:
    pictures = ["biden_1.jpg", "biden_and_obama_two_people.jpg"]
    folder = gallery(shared_data, tmp_path, {"p-biden": pictures}) / "p-biden"
    Image.fromarray(np.full((300, 300, 3), 200, np.uint8)).save(folder / "empty.png")
    Image.open(folder / "biden_1.jpg").resize((97, 220)).save(folder / "small.jpg")
    (folder / "notes.txt").write_text("not a picture")
    result = run("enroll", str(folder.parent), "--list", "list.npz")
    assert result.exit_code == 3
    for reason in ("shows no face", "shows 2 faces", "pixels across", "not a picture"):
        assert reason in result.stdout
    assert WatchList.read(Path("list.npz")).people == {"p-biden": 1}


def test_a_list_of_nobody_is_not_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "people" / "p-1").mkdir(parents=True)
    (tmp_path / "people" / "p-1" / "notes.txt").write_text("not a picture")
    assert run("enroll", "people", "--list", "list.npz").exit_code == 3
    assert not Path("list.npz").exists()


@pytest.mark.parametrize("folder", ["missing", "empty", "flat"])
def test_a_folder_without_people_is_refused_with_the_layout(
    folder: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "picture.jpg").touch()
    with pytest.raises(ConfigurationError, match="external id"):
        run("enroll", folder)


def test_enrolling_into_a_list_of_another_recogniser_is_refused(run: Run, people: Path) -> None:
    WatchList("sface", "d" * 64).write(Path("list.npz"))
    with pytest.raises(ConfigurationError, match="enroll again"):
        run("enroll", str(people), "--list", "list.npz")


def test_enrolling_without_the_recogniser_names_the_command(
    run: Run, people: Path, tmp_path: Path
) -> None:
    (tmp_path / "moderation.toml").unlink()
    with pytest.raises(ModelMissing, match="models pull sface"):
        run("enroll", str(people))


def test_the_list_shows_who_is_on_it(run: Run, people: Path) -> None:
    run("enroll", str(people))
    result = run("list")
    assert result.exit_code == 0
    assert result.stdout.index("p-biden") < result.stdout.index("p-obama")


def test_a_person_is_removed(run: Run, people: Path) -> None:
    run("enroll", str(people), "--list", "list.npz")
    result = run("remove", "p-obama", "--list", "list.npz")
    assert "p-obama was removed" in result.stdout
    assert WatchList.read(Path("list.npz")).people == {"p-biden": 1}


def test_removing_somebody_else_names_who_is_on_the_list(run: Run, people: Path) -> None:
    run("enroll", str(people))
    with pytest.raises(ConfigurationError, match="p-biden, p-obama"):
        run("remove", "p-nobody")
