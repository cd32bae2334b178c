"""Shelves in a folder: files are there whole or not at all, whoever is killed while putting one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from moderation.shelf import FolderShelf
from tests.services.half_way import kill_half_way

NAME = "file/holiday-of-jane/1/job.json"


def shelf(folder: Path) -> FolderShelf:
    return FolderShelf(folder, "results")


def files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


def hits(folder: Path) -> list[Path]:
    """Files and folders that have the upload's name."""
    return [each for each in folder.rglob("*") if "jane" in str(each.relative_to(folder))]


def test_what_is_put_is_there_and_no_part_of_it_besides(tmp_path: Path) -> None:
    shelf(tmp_path).put(NAME, b"whole", "application/json")
    assert shelf(tmp_path).get(NAME) == b"whole"
    assert files(tmp_path) == [tmp_path / NAME]


def test_what_is_half_written_is_no_document_and_in_no_folder(tmp_path: Path) -> None:
    kill_half_way(tmp_path, NAME)
    assert shelf(tmp_path).get(NAME) is None
    assert list(tmp_path.rglob("*.json")) == []
    assert {*shelf(tmp_path).folders()} == {"file"}


@pytest.mark.parametrize("name", [NAME, "file/"])
def test_what_was_left_half_way_is_removed_with_its_name(tmp_path: Path, name: str) -> None:
    kill_half_way(tmp_path, NAME)
    assert hits(tmp_path)
    assert shelf(tmp_path).remove(name) == 1
    assert hits(tmp_path) == []


def test_what_others_are_putting_is_not_removed(tmp_path: Path) -> None:
    kill_half_way(tmp_path, "file/other/1/job.json")
    assert shelf(tmp_path).remove(NAME) == 0
    assert len(files(tmp_path)) == 1


def test_what_was_left_half_way_is_swept_when_it_is_stale(tmp_path: Path) -> None:
    shelf(tmp_path).put("file/whole.json", b"whole", "application/json")
    kill_half_way(tmp_path, NAME)
    now = datetime.now(UTC)
    assert shelf(tmp_path).sweep(now - timedelta(hours=1)) == 0
    assert shelf(tmp_path).sweep(now + timedelta(hours=1)) == 1
    assert files(tmp_path) == [tmp_path / "file/whole.json"]


def test_an_empty_shelf_has_nothing_to_be_swept(tmp_path: Path) -> None:
    assert shelf(tmp_path / "nowhere").sweep(datetime.now(UTC)) == 0
