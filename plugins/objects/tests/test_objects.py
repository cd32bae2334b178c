"""What `objects` sees, with real weights on real pictures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moderation_objects import Objects
from numpy.typing import NDArray
from PIL import Image

from moderation.detector import Device
from moderation.errors import ConfigurationError, ModelMissing, TaxonomyError
from moderation.evidence import Evidence
from moderation.media.frames import FrameBatch
from moderation.models import ModelStore
from moderation.testing.contract import DetectorContract
from moderation.testing.feed import frame_batches, look

Picture = NDArray[np.uint8]


def photo(name: str) -> Picture:
    """One of the two photos that the ultralytics wheel carries."""
    spec = find_spec("ultralytics")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return read(Path(spec.submodule_search_locations[0]) / "assets" / name)


def read(path: Path) -> Picture:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.fixture(scope="session")
def real_weights(shared_data: Path) -> ModelStore:
    return ModelStore((shared_data / "models",))


def loaded(store: ModelStore, **options: Any) -> Objects:
    detector = Objects(options, store)
    detector.load(Device("cpu", threads=1))
    return detector


def seen_in(detector: Objects, *pictures: Picture, batch: int = 16) -> list[Evidence]:
    evidence, degraded = look(detector, frame_batches(pictures, batch=batch))
    assert degraded == []
    return evidence


def labels(evidence: Sequence[Evidence]) -> Counter[str]:
    return Counter(each.label for each in evidence)


class TestObjects(DetectorContract):
    expected = frozenset({"Context/Person", "Context/Vehicle/Bus"})

    @pytest.fixture
    def models(self, real_weights: ModelStore) -> ModelStore:
        return real_weights

    def make(self, models: ModelStore) -> Objects:
        return Objects(None, models)

    def golden(self) -> Sequence[FrameBatch]:
        return list(frame_batches([photo("bus.jpg")] * 2, batch=1))


class TestExportedObjects(TestObjects):
    def make(self, models: ModelStore) -> Objects:
        return Objects({"model": "yolov8n-int8-onnx"}, models)

    def test_missing_weights_are_said_with_the_next_step(self) -> None:
        with pytest.raises(ModelMissing, match="known are: yolo11n"):
            self.make(ModelStore()).load(Device("cpu"))


def test_people_and_a_bus_are_counted(real_weights: ModelStore) -> None:
    found = seen_in(loaded(real_weights, threshold=0.25), photo("bus.jpg"))
    assert labels(found) == {"Context/Person": 4, "Context/Vehicle/Bus": 1}


def test_a_knife_on_a_table_is_a_weapon_like_thing(
    real_weights: ModelStore, shared_data: Path
) -> None:
    table = read(shared_data / "images" / "knife" / "000000419312.jpg")
    assert labels(seen_in(loaded(real_weights), table))["Violence/Weapons/Knife"] >= 1


def test_what_has_no_label_is_not_reported(real_weights: ModelStore) -> None:
    found = seen_in(loaded(real_weights), photo("zidane.jpg"))
    assert set(labels(found)) == {"Context/Person"}  # and not the tie


def test_counts_come_near_the_reference(real_weights: ModelStore, shared_data: Path) -> None:
    """Ultralytics' own run over the same files stands in expected_objects.json."""
    reference = json.loads((shared_data / "images" / "expected_objects.json").read_text())
    detector = loaded(real_weights, threshold=0.25)
    expected: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for name, counts in reference["detections_yolo11n_from_int8_conf0.25"].items():
        if name.startswith("images/"):
            found += labels(seen_in(detector, read(shared_data / name)))
            for kind, count in counts.items():
                if kind in Objects.labels:
                    expected[Objects.labels[kind]] += count
    assert found.total() == pytest.approx(expected.total(), rel=0.15)
    assert (expected - found).total() <= 0.15 * expected.total()


@pytest.mark.parametrize("name", ["bus.jpg", "zidane.jpg"])
def test_boxes_are_those_of_ultralytics_own_prediction(
    real_weights: ModelStore, shared_data: Path, name: str
) -> None:
    detector = loaded(real_weights)
    ours = seen_in(detector, photo(name))
    for label, score, corners in theirs(shared_data / "models/yolo11n_from_int8.pt", photo(name)):
        same = [each for each in ours if each.label == label]
        nearest = max(same, key=lambda each: overlap(each, corners))
        assert overlap(nearest, corners) > 0.9
        assert nearest.score == pytest.approx(score, abs=0.1)


def theirs(weights: Path, picture: Picture) -> list[tuple[str, float, list[float]]]:
    """Label, score and corners of what ultralytics is sure of (0.5)."""
    import moderation_objects.upstream  # noqa: F401  # before ultralytics
    from ultralytics import YOLO  # type: ignore[attr-defined]

    result: Any
    (result,) = YOLO(weights).predict(picture[..., ::-1], conf=0.5, device="cpu", verbose=False)
    rows = zip(
        result.boxes.cls.tolist(),
        result.boxes.conf.tolist(),
        result.boxes.xyxyn.tolist(),
        strict=True,
    )
    return [(Objects.labels[result.names[int(kind)]], score, box) for kind, score, box in rows]


def overlap(evidence: Evidence, corners: Sequence[float]) -> float:
    assert evidence.box is not None
    return evidence.box.iou(type(evidence.box).from_corners(*corners))


def test_a_batch_shows_what_single_frames_show(real_weights: ModelStore) -> None:
    detector = loaded(real_weights)
    pictures = [photo("bus.jpg"), photo("bus.jpg")[:, ::-1], np.zeros_like(photo("bus.jpg"))]
    together, alone = seen_in(detector, *pictures), seen_in(detector, *pictures, batch=1)
    assert [(each.label, each.span) for each in together] == [
        (each.label, each.span) for each in alone
    ]
    for one, other in zip(together, alone, strict=True):
        assert one.score == pytest.approx(other.score, abs=0.01)


def test_a_batch_is_longer_than_an_export_takes(real_weights: ModelStore) -> None:
    detector = loaded(real_weights, model="yolov8n-int8-onnx")
    once = labels(seen_in(detector, photo("bus.jpg")))
    assert once["Context/Vehicle/Bus"] == 1
    assert labels(seen_in(detector, photo("bus.jpg"), photo("bus.jpg"))) == once + once


def test_the_threshold_is_an_option(real_weights: ModelStore) -> None:
    found = seen_in(loaded(real_weights, threshold=0.8), photo("bus.jpg"))
    assert found
    assert all(each.score >= 0.8 for each in found)


def test_sampling_follows_the_options() -> None:
    assert Objects({"per_second": 2, "batch": 4}).wants.per_second == 2
    assert Objects({"per_second": 2, "batch": 4}).wants.batch == 4


def test_a_class_of_ones_own_gets_its_label(real_weights: ModelStore) -> None:
    detector = loaded(real_weights, labels={"tie": "Violence/Weapons/Other"})
    found = labels(seen_in(detector, photo("zidane.jpg")))
    assert found["Violence/Weapons/Other"] >= 1
    assert "tie" not in Objects.labels


def test_a_label_that_is_not_in_the_taxonomy_is_refused() -> None:
    with pytest.raises(TaxonomyError, match="Firearm"):
        Objects({"labels": {"gun": "Violence/Weapons/Fierarm"}})


def test_a_class_that_the_model_does_not_have_is_refused(real_weights: ModelStore) -> None:
    with pytest.raises(ConfigurationError, match="yolo11n has no class gun"):
        loaded(real_weights, labels={"gun": "Violence/Weapons/Firearm"})
