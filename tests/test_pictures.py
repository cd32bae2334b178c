"""Pictures of what was found: kept whole, never at the price of the scan."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from moderation.config import Settings
from moderation.errors import OutOfSpace, StoreError
from moderation.media import MediaReader
from moderation.pictures import MOST, Pictures
from moderation.publish_settings import PublishSettings
from moderation.scan import Scan
from moderation.shelf import FolderShelf
from moderation.source import Source
from moderation.testing.clips import WHITE, Clip
from moderation.testing.scans import make_evidence, make_scan
from moderation.timeline import Instant


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Clip(64, 48, fps=5).show(12, WHITE).write(tmp_path_factory.mktemp("clips") / "clip.mp4")


def scan_of(*labels: str, step_s: float = 1.0) -> Scan:
    """A scan of a video with one piece of evidence after the other."""
    seen = [make_evidence(label, start_s=step_s * index) for index, label in enumerate(labels)]
    scan = make_scan(*seen)
    return replace(scan, video=replace(scan.video, has_video=True, container="mov"))


def in_folder(folder: Path) -> Pictures:
    return Pictures(FolderShelf(folder, "pictures"))


def keep(pictures: Pictures, scan: Scan, clip: Path) -> None:
    with Source.open(clip) as source, MediaReader(source) as media:
        pictures.keep(scan, media)


def test_the_frame_of_a_finding_is_kept(clip: Path, tmp_path: Path) -> None:
    pictures, scan = in_folder(tmp_path), scan_of("Violence/Weapons/Knife")
    keep(pictures, scan, clip)
    picture = pictures.get(scan, Instant(0))
    assert picture is not None
    assert picture.startswith(b"\xff\xd8")


def test_context_is_not_pictured(clip: Path, tmp_path: Path) -> None:
    pictures, scan = in_folder(tmp_path), scan_of("Context/Person")
    keep(pictures, scan, clip)
    assert pictures.get(scan, Instant(0)) is None


def test_a_video_has_a_limited_number_of_pictures(clip: Path, tmp_path: Path) -> None:
    labels = ["Violence/Weapons/Knife"] * (MOST + 10)
    pictures, scan = in_folder(tmp_path), scan_of(*labels, step_s=0.2)
    keep(pictures, scan, clip)
    assert len(list(tmp_path.rglob("*.jpg"))) == MOST


def test_an_instant_without_a_frame_has_no_picture(tmp_path: Path) -> None:
    pictures = in_folder(tmp_path)
    assert pictures.get(scan_of("Violence/Weapons/Knife"), Instant(99)) is None


def test_a_file_that_no_longer_decodes_costs_the_picture_only(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no longer a video" * 100)
    scan = scan_of("Violence/Weapons/Knife")
    keep(in_folder(tmp_path / "pictures"), scan, broken)
    assert not (tmp_path / "pictures").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="pictures cannot be kept"):
        keep(in_folder(tmp_path / "file"), scan_of("Violence/Weapons/Knife"), clip)


def test_fault_067_a_full_disk_leaves_no_half_picture(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("moderation.shelf.os.fsync", full)
    with pytest.raises(OutOfSpace, match="no space is left for pictures"):
        keep(in_folder(tmp_path / "pictures"), scan_of("Violence/Weapons/Knife"), clip)
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_a_picture_that_is_kept_is_not_made_again(clip: Path, tmp_path: Path) -> None:
    pictures, scan = in_folder(tmp_path), scan_of("Violence/Weapons/Knife")
    keep(pictures, scan, clip)
    with Source.open(clip) as source, MediaReader(source) as media:
        pictures.keep(scan, media)
        assert media.pid is None


def test_pictures_lie_in_home_or_where_the_settings_say(clip: Path, tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    publish = PublishSettings(pictures=str(elsewhere))
    for settings in (Settings(home=home), Settings(home=home, publish=publish)):
        keep(Pictures.of(settings), scan_of("Violence/Weapons/Knife"), clip)
    assert len(list((home / "pictures").rglob("*.jpg"))) == 1
    assert len(list(elsewhere.rglob("*.jpg"))) == 1


def test_a_picture_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    scan = scan_of("Violence/Weapons/Knife")
    (tmp_path / scan.video.sha256 / "0.jpg").mkdir(parents=True)
    assert in_folder(tmp_path).get(scan, Instant(0)) is None
