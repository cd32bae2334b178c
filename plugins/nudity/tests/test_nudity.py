"""What `nudity` sees, with NudeNet's own weights; the pictures show clothed people."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from moderation_nudity import Nudity
from numpy.typing import NDArray
from PIL import Image

from moderation.detector import Device
from moderation.errors import DetectorUnavailable, ModelError
from moderation.evidence import Box, Evidence
from moderation.media.frames import FrameBatch
from moderation.models import ModelStore
from moderation.testing.contract import DetectorContract
from moderation.testing.feed import frame_batches, look

Picture = NDArray[np.uint8]
CPU = Device("cpu", threads=1)


def read(path: Path) -> Picture:
    return np.asarray(Image.open(path).convert("RGB"))


def photo(name: str) -> Picture:
    """One of the two photos that the ultralytics wheel carries."""
    spec = find_spec("ultralytics")
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip("a light installation has no photos")
    return read(Path(spec.submodule_search_locations[0]) / "assets" / name)


def loaded(**options: Any) -> Nudity:
    detector = Nudity(options)
    detector.load(CPU)
    return detector


def seen_in(detector: Nudity, *pictures: Picture, batch: int = 8) -> list[Evidence]:
    return look(detector, frame_batches(pictures, batch=batch))[0]


def labels(evidence: Iterable[Evidence]) -> Counter[str]:
    return Counter(each.label for each in evidence)


class TestNudity(DetectorContract):
    expected = frozenset({"Context/Face", "Nudity/Covered/Feet"})

    def make(self, models: ModelStore) -> Nudity:
        return Nudity(None, models)

    def golden(self) -> Sequence[FrameBatch]:
        return list(frame_batches([photo("bus.jpg")] * 2, batch=1))


def test_every_class_of_the_weights_has_a_label() -> None:
    names = loaded()._session.names
    assert set(names.values()) == set(Nudity.labels)


def test_640_pixels_show_a_face_that_320_miss() -> None:
    faces = {
        size: [
            each.score
            for each in seen_in(loaded(size=size, threshold=0), photo("zidane.jpg"))
            if each.label == "Context/Face"
        ]
        for size in (320, 640)
    }
    assert max(faces[640]) > 0.7
    assert max(faces[320]) < 0.4


def test_the_box_lies_where_the_face_is(shared_data: Path) -> None:
    picture = read(shared_data / "faces" / "watchlist" / "other_eileen_collins.png")
    (face,) = [each for each in seen_in(loaded(), picture) if each.label == "Context/Face"]
    assert face.box is not None
    assert face.box.iou(Box(0.33, 0.10, 0.23, 0.32)) > 0.5
    assert face.score > 0.7


def test_a_face_of_either_class_is_counted_once(shared_data: Path) -> None:
    """320 pixels leave this one between FACE_MALE and FACE_FEMALE."""
    picture = read(shared_data / "faces" / "watchlist" / "biden_1.jpg")
    assert labels(seen_in(loaded(size=320), picture))["Context/Face"] == 1


def test_a_group_is_seen_one_by_one(shared_data: Path) -> None:
    """29 people sit for the picture; NudeNet's own code at 640 pixels finds 14."""
    picture = read(shared_data / "faces" / "groups" / "solvay_conference.jpg")
    assert labels(seen_in(loaded(), picture))["Context/Face"] >= 22


def test_clothed_people_show_nothing_intimate(shared_data: Path) -> None:
    detector = loaded(threshold=0.3)
    for path in sorted((shared_data / "faces" / "watchlist").iterdir()):
        exposed = [
            each
            for each in seen_in(detector, read(path))
            if each.label.startswith("Nudity/Exposed/")
        ]
        assert exposed == [], path.name


@pytest.mark.parametrize("size", [320, 640])
def test_agrees_with_nudenets_own_detector(shared_data: Path, size: int) -> None:
    """Of what it is sure of (0.5): the same label, in the same place, with about the same score."""
    nudenet = pytest.importorskip("nudenet")
    theirs, ours = nudenet.NudeDetector(inference_resolution=size), loaded(size=size)
    names = ("obama_1.jpg", "obama_small_240p.jpg", "other_grace_hopper.bmp")
    for path in [shared_data / "faces" / "watchlist" / name for name in names]:
        picture = read(path)
        seen = seen_in(ours, picture)
        for found in theirs.detect(np.ascontiguousarray(picture[..., ::-1])):
            if found["score"] > 0.5:
                same = nearest(seen, Nudity.labels[found["class"]], corners(found, picture))
                assert same.score == pytest.approx(found["score"], abs=0.2)


def corners(found: dict[str, Any], picture: Picture) -> Box:
    x, y, width, height = found["box"]
    down, across, _ = picture.shape
    return Box.from_corners(x / across, y / down, (x + width) / across, (y + height) / down)


def nearest(seen: Iterable[Evidence], label: str, where: Box) -> Evidence:
    overlapping = [each for each in seen if each.box is not None and each.box.iou(where) > 0.6]
    (same,) = [each for each in overlapping if each.label == label]
    return same


def test_a_batch_shows_what_single_frames_show() -> None:
    detector = loaded()
    pictures = [photo("bus.jpg"), photo("bus.jpg")[:, ::-1], np.zeros_like(photo("bus.jpg"))]
    assert seen_in(detector, *pictures) == seen_in(detector, *pictures, batch=1)


def test_the_last_batch_of_a_gpu_is_filled_up_and_cut_again() -> None:
    """What a GPU is fed, on the CPU: chunks of four for six pictures."""
    detector = loaded()
    alone = seen_in(detector, *[photo("bus.jpg")] * 6)
    detector._session._chunk = 4
    together = seen_in(detector, *[photo("bus.jpg")] * 6)
    assert [each.label for each in together] == [each.label for each in alone]
    assert [each.span for each in together] == [each.span for each in alone]


def test_the_threshold_is_an_option() -> None:
    found = seen_in(loaded(threshold=0.5), photo("bus.jpg"))
    assert found
    assert all(each.score >= 0.5 for each in found)


def test_sampling_follows_the_options() -> None:
    assert Nudity({"per_second": 2, "batch": 4}).wants.per_second == 2
    assert Nudity({"per_second": 2, "batch": 4}).wants.batch == 4


def test_the_device_in_use_is_the_real_one() -> None:
    assert loaded().device_in_use == "cpu"


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps", "gpu", "cuda:x"])
def test_a_device_that_is_not_there_is_said(name: str) -> None:
    available = onnxruntime.get_available_providers()
    if {"CUDAExecutionProvider", "CoreMLExecutionProvider"} & {*available}:
        pytest.skip("this machine has an accelerator")
    with pytest.raises(DetectorUnavailable):
        Nudity().load(Device(name))


def test_bytes_that_are_no_network_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "noise.onnx"
    file.write_bytes(b"no network at all")
    with pytest.raises(ModelError, match="cannot be opened"):
        Nudity({"model": str(file)}).load(CPU)


def test_a_network_of_other_classes_is_refused(shared_data: Path) -> None:
    store = ModelStore((shared_data / "models",))
    with pytest.raises(ModelError, match="classes that are not NudeNet's"):
        Nudity({"model": "yolov8n-int8-onnx"}, store).load(CPU)
    with pytest.raises(ModelError, match="does not say which classes"):
        Nudity({"model": "yolox-nano"}, store).load(CPU)


def test_registering_imports_no_engine() -> None:
    code = (
        "import sys, moderation_nudity; print(*{'onnxruntime', 'nudenet', 'cv2'} & {*sys.modules})"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == ""
