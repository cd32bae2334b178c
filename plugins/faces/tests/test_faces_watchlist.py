"""The watch list's file."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
from moderation_faces.watchlist import Enrolled, WatchList
from numpy.typing import NDArray

from moderation.errors import ConfigurationError
from moderation.models import Model

DIGEST = "d" * 64
EAST, NORTH = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
ANNA, BEN = Enrolled("anna", "a1"), Enrolled("ben", "b1")


def nearest(watch_list: WatchList, looking: NDArray[np.float32]) -> tuple[Enrolled, float]:
    found = watch_list.nearest(looking)
    assert found is not None
    return found[0], round(found[1], 6)


@pytest.fixture
def two_people() -> WatchList:
    return WatchList("sface", DIGEST).add(ANNA, EAST).add(BEN, NORTH)


def test_a_list_is_read_as_it_was_written(two_people: WatchList, tmp_path: Path) -> None:
    two_people.write(tmp_path / "lists" / "list.npz")
    read = WatchList.read(tmp_path / "lists" / "list.npz")
    assert (read.model, read.digest, read.faces) == ("sface", DIGEST, (ANNA, BEN))
    assert read.embeddings is not None
    assert read.embeddings.tolist() == [EAST.tolist(), NORTH.tolist()]


def test_a_list_is_readable_for_its_owner_alone(two_people: WatchList, tmp_path: Path) -> None:
    two_people.write(tmp_path / "list.npz")
    assert stat.S_IMODE((tmp_path / "list.npz").stat().st_mode) == 0o600


def test_writing_leaves_nothing_but_the_list(two_people: WatchList, tmp_path: Path) -> None:
    two_people.write(tmp_path / "list.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["list.npz"]


def test_the_nearest_face_is_the_one_with_the_highest_cosine(two_people: WatchList) -> None:
    looking: NDArray[np.float32] = np.array([0.6, 0.8], np.float32)
    assert nearest(two_people, looking) == (BEN, 0.8)


def test_nobody_is_near_on_an_empty_list() -> None:
    assert WatchList("sface", DIGEST).nearest(EAST) is None


def test_the_same_picture_of_a_person_is_replaced(two_people: WatchList) -> None:
    again = two_people.add(ANNA, NORTH)
    assert again.people == {"anna": 1, "ben": 1}
    assert nearest(again, NORTH)[1] == 1
    assert nearest(again, EAST)[1] == 0


def test_removing_a_person_removes_all_their_faces(two_people: WatchList) -> None:
    rest = two_people.add(Enrolled("anna", "a2"), NORTH).remove("anna")
    assert rest.people == {"ben": 1}


def test_a_list_without_people_can_be_written_and_read(tmp_path: Path) -> None:
    WatchList("sface", DIGEST).write(tmp_path / "list.npz")
    read = WatchList.read(tmp_path / "list.npz")
    assert read.people == {}
    assert nearest(read.add(ANNA, EAST), EAST) == (ANNA, 1)


def test_a_missing_list_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="moderation faces enroll") as error:
        WatchList.read(tmp_path / "list.npz")
    assert "there is no watch list" in error.value.message


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_list_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "list.npz").write_bytes(content)
    with pytest.raises(ConfigurationError, match="is not a watch list"):
        WatchList.read(tmp_path / "list.npz")


def test_an_array_that_is_no_list_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "list.npz").open("wb") as file:
        np.save(file, EAST)
    with pytest.raises(ConfigurationError, match="is not a watch list"):
        WatchList.read(tmp_path / "list.npz")


def test_a_list_that_hides_a_pickle_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "list.npz", format=np.array([object()], dtype=object))
    with pytest.raises(ConfigurationError, match="is not a watch list"):
        WatchList.read(tmp_path / "list.npz")


def test_a_list_of_another_recogniser_says_to_enroll_again(two_people: WatchList) -> None:
    model = Model(name="sface", path=Path("sface.onnx"), digest="e" * 64)
    with pytest.raises(ConfigurationError, match="enroll again"):
        two_people.check(model, Path("list.npz"))
