"""Pictures of what was found: kept whole, never at the price of the scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from moderation.errors import OutOfSpace, StoreError
from moderation.media import MediaReader
from moderation.pictures import MOST, Pictures
from moderation.scan import Scan
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


def keep(pictures: Pictures, scan: Scan, clip: Path) -> None:
    with Source.open(clip) as source, MediaReader(source) as media:
        pictures.keep(scan, media)


def test_the_frame_of_a_finding_is_kept(clip: Path, tmp_path: Path) -> None:
    pictures, scan = Pictures(tmp_path), scan_of("Violence/Weapons/Knife")
    keep(pictures, scan, clip)
    picture = pictures.get(scan, Instant(0))
    assert picture is not None
    assert picture.startswith(b"\xff\xd8")


def test_context_is_not_pictured(clip: Path, tmp_path: Path) -> None:
    pictures, scan = Pictures(tmp_path), scan_of("Context/Person")
    keep(pictures, scan, clip)
    assert pictures.get(scan, Instant(0)) is None


def test_a_video_has_a_limited_number_of_pictures(clip: Path, tmp_path: Path) -> None:
    labels = ["Violence/Weapons/Knife"] * (MOST + 10)
    pictures, scan = Pictures(tmp_path), scan_of(*labels, step_s=0.2)
    keep(pictures, scan, clip)
    assert len(list(tmp_path.rglob("*.jpg"))) == MOST


def test_an_instant_without_a_frame_has_no_picture(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path)
    assert pictures.get(scan_of("Violence/Weapons/Knife"), Instant(99)) is None


def test_a_file_that_no_longer_decodes_costs_the_picture_only(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no longer a video" * 100)
    scan = scan_of("Violence/Weapons/Knife")
    keep(Pictures(tmp_path / "pictures"), scan, broken)
    assert not (tmp_path / "pictures").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="pictures cannot be kept"):
        keep(Pictures(tmp_path / "file"), scan_of("Violence/Weapons/Knife"), clip)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_fault_067_a_full_disk_leaves_no_half_picture(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    def full(**_: object) -> object:
        part = open("/dev/full", "wb")  # noqa: SIM115  # `keep` closes it
        return tempfile._TemporaryFileWrapper(part, str(tmp_path / "part"), delete=False)

    monkeypatch.setattr("moderation.pictures.tempfile.NamedTemporaryFile", full)
    with pytest.raises(OutOfSpace, match="no space is left"):
        keep(Pictures(tmp_path / "pictures"), scan_of("Violence/Weapons/Knife"), clip)
    assert not list((tmp_path / "pictures").rglob("*.jpg"))
