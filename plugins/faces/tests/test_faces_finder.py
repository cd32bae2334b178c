"""Where YuNet sees faces."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from moderation_faces.detector import Faces
from moderation_faces.face import LANDMARKS, Face
from numpy.typing import NDArray
from PIL import Image

from moderation import Frame, FrameBatch, Instant
from moderation.models import ModelStore

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def find(weights: ModelStore) -> Callable[..., list[Face]]:
    """The faces that the detector's defaults, or other options, find in an RGB picture."""

    def find_in(image: Picture, **options: float) -> list[Face]:
        [faces] = Faces(options, weights).finder().find(FrameBatch([Frame(image, Instant(0), 0)]))
        return faces

    return find_in


@pytest.mark.parametrize(
    "name", ["2008_001009", "2008_002079", "2008_002506", "2008_007676", "solvay_conference"]
)
def test_every_annotated_face_of_a_group_is_found(
    name: str, find: Callable[..., list[Face]], shared_data: Path
) -> None:
    groups = shared_data / "faces" / "groups"
    expected = json.loads((groups.parent / "expected_faces.json").read_text())["groups"]
    [path] = groups.rglob(f"{name}.jpg")
    found = find(np.asarray(Image.open(path).convert("RGB")))
    assert len(found) == expected[path.name]["annotated"]


def test_landmarks_lie_in_the_face_and_as_the_person_has_them(
    find: Callable[..., list[Face]], portrait: Callable[[str], Picture]
) -> None:
    [face] = find(portrait("watchlist/obama_1.jpg"))
    assert tuple(face.points) == LANDMARKS
    for x, y in face.points.values():
        assert face.box.left < x < face.box.right
        assert face.box.top < y < face.box.bottom
    assert face.points["right_eye"][0] < face.points["left_eye"][0]


@pytest.mark.parametrize("fills", [0.5, 0.9, 1.2])
def test_a_close_up_is_one_face(
    fills: float, find: Callable[..., list[Face]], portrait: Callable[[str], Picture]
) -> None:
    """YuNet at the finer size alone sees parts of such a face, or nothing."""
    picture = portrait("watchlist/other_grace_hopper.bmp")
    [face] = find(picture)
    height = face.box.height * picture.shape[0]
    middle = (face.box.top + face.box.bottom) / 2 * picture.shape[0]
    top, bottom = middle - height / fills / 2, middle + height / fills / 2
    left = (face.box.left + face.box.right) / 2 * picture.shape[1] - (bottom - top) * 8 / 9
    box = (left, top, left + (bottom - top) * 16 / 9, bottom)
    close = Image.fromarray(picture).crop(tuple(map(round, box))).resize((1920, 1080))
    assert len(find(np.asarray(close))) == 1


def test_an_empty_picture_has_no_face(find: Callable[..., list[Face]]) -> None:
    assert find(np.full((360, 640, 3), 127, np.uint8)) == []


def test_faces_below_the_least_size_are_dropped(
    find: Callable[..., list[Face]], portrait: Callable[[str], Picture]
) -> None:
    picture = portrait("groups/dlib_voc2011/2008_002506.jpg")
    assert len(find(picture, min_size=0.05)) == 3
    assert find(picture, min_size=0.5) == []


def test_a_batch_gives_each_frame_its_own_faces(
    weights: ModelStore, portrait: Callable[[str], Picture]
) -> None:
    picture = portrait("watchlist/other_eileen_collins.png")
    images = (picture, np.zeros_like(picture), picture)
    batch = FrameBatch([Frame(image, Instant(i), i) for i, image in enumerate(images)])
    assert [len(faces) for faces in Faces({}, weights).finder().find(batch)] == [1, 0, 1]
