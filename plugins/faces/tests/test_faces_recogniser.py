"""Embeddings of faces, and what their similarity is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from moderation_faces.detector import Faces
from moderation_faces.face import Face
from moderation_faces.recogniser import KINDS, SIDE, Recogniser
from numpy.typing import NDArray

from moderation import Box, Frame, FrameBatch, Instant
from moderation.errors import ConfigurationError, DetectorUnavailable
from moderation.models import Model, ModelStore

Picture = NDArray[np.uint8]
ALIGNED = ((38.3, 51.7), (73.5, 51.5), (56.0, 71.7), (41.5, 92.4), (70.7, 92.2))
"""Where eyes, nose and mouth lie in a picture that is aligned already."""


def model(path: Path) -> Model:
    return Model(name=path.name, path=path, digest="0" * 64)


def face(landmarks: Sequence[tuple[float, float]] = ALIGNED) -> Face:
    return Face(Box(0, 0, 1, 1), 0.9, np.array(landmarks, np.float32), (SIDE, SIDE))


def noise(seed: int) -> Picture:
    coarse = np.random.default_rng(seed).integers(0, 256, (14, 14, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8)).astype(np.uint8)


def cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    return float(left @ right)


def test_sface_is_fed_rgb_from_0_to_255(sface: Path, projection: NDArray[np.float32]) -> None:
    image = noise(1)
    means = image.reshape(14, 8, 14, 8, 3).mean(axis=(1, 3)).transpose(2, 0, 1).ravel()
    expected = means.astype(np.float32) @ projection + 1000 * projection[0]
    embedding = Recogniser(model(sface)).embed(image, face())
    assert cosine(embedding, expected / np.linalg.norm(expected)) > 0.99


def test_an_embedding_has_length_one(sface: Path) -> None:
    embedding = Recogniser(model(sface)).embed(noise(2), face())
    assert embedding.shape == (128,)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


def test_a_turned_face_is_aligned_before_it_is_embedded(sface: Path) -> None:
    recogniser, image = Recogniser(model(sface)), noise(3)
    turned = np.ascontiguousarray(np.rot90(image, 2))
    there = [(SIDE - 1 - x, SIDE - 1 - y) for x, y in ALIGNED]
    similarity = cosine(recogniser.embed(image, face()), recogniser.embed(turned, face(there)))
    assert similarity > 0.99


def test_different_pictures_are_less_similar(sface: Path) -> None:
    recogniser = Recogniser(model(sface))
    assert cosine(recogniser.embed(noise(4), face()), recogniser.embed(noise(5), face())) < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_the_score_is_a_half_at_the_operating_point_and_rises(
    kind: str, sface: Path, tmp_path: Path
) -> None:
    weights = tmp_path / f"{kind}.onnx"
    weights.write_bytes(sface.read_bytes())
    recogniser = Recogniser(model(weights))
    assert recogniser.score(KINDS[kind].operating_point) == pytest.approx(0.5)
    scores = [recogniser.score(similarity) for similarity in np.linspace(-1, 1, 41)]
    assert scores == sorted(scores)
    assert 0 <= scores[0] < 0.01
    assert 0.99 < scores[-1] <= 1


def test_weights_of_an_unknown_kind_are_refused(sface: Path, tmp_path: Path) -> None:
    weights = tmp_path / "resnet.onnx"
    weights.write_bytes(sface.read_bytes())
    with pytest.raises(ConfigurationError, match="how to feed the face recogniser resnet"):
        Recogniser(model(weights))


def test_a_file_that_is_no_network_makes_the_detector_unavailable(tmp_path: Path) -> None:
    weights = tmp_path / "sface.onnx"
    weights.write_bytes(b"not an ONNX file")
    with pytest.raises(DetectorUnavailable, match="does not run as a face recogniser"):
        Recogniser(model(weights))


def test_a_network_of_another_kind_makes_the_detector_unavailable(
    weights: ModelStore, tmp_path: Path
) -> None:
    path = tmp_path / "sface.onnx"
    path.write_bytes(weights.resolve("yunet", Faces.manifest).path.read_bytes())
    with pytest.raises(DetectorUnavailable):
        Recogniser(model(path))


@pytest.mark.parametrize("name", ["obama_2.jpg", "obama_partial.jpg", "obama_small_240p.jpg"])
def test_mobilefacenet_scores_pictures_of_one_person_as_one(
    name: str, weights: ModelStore, portrait: Callable[[str], Picture]
) -> None:
    assert same(weights, portrait("watchlist/obama_1.jpg"), portrait(f"watchlist/{name}")) > 0.9


@pytest.mark.parametrize("name", ["biden_1.jpg", "other_eileen_collins.png"])
def test_mobilefacenet_scores_strangers_as_strangers(
    name: str, weights: ModelStore, portrait: Callable[[str], Picture]
) -> None:
    assert same(weights, portrait("watchlist/obama_1.jpg"), portrait(f"watchlist/{name}")) < 0.1


def same(weights: ModelStore, left: Picture, right: Picture) -> float:
    """The score of the one face in each of two pictures."""
    detector = Faces({"recogniser": "mobilefacenet"}, weights)
    finder, recogniser = detector.finder(), detector.recogniser()

    def embed(image: Picture) -> NDArray[np.float32]:
        [[found]] = finder.find(FrameBatch([Frame(image, Instant(0), 0)]))
        return recogniser.embed(image, found)

    return recogniser.score(cosine(embed(left), embed(right)))


def test_opencv_logs_as_before(sface: Path) -> None:
    before = cv2.utils.logging.getLogLevel()
    Recogniser(model(sface))
    assert cv2.utils.logging.getLogLevel() == before
