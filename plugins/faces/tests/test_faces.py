"""The detector: one piece of evidence per person in sight, one per person recognised."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moderation_faces.detector import MAX_FACES, Faces
from moderation_faces.enrollment import enroll
from moderation_faces.watchlist import WatchList
from numpy.typing import NDArray
from PIL import Image

from moderation import Degraded, Detector, Device, Evidence, Frame, FrameBatch, Instant, Span
from moderation.covers import covers
from moderation.errors import DetectorUnavailable, ModelMissing
from moderation.models import ModelStore
from moderation.testing.contract import DetectorContract
from moderation.testing.feed import frame_batches, look

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 640, 360


class Stage:
    """Faces cut out of portraits, and frames in which they stand side by side."""

    def __init__(self, portrait: Callable[[str], Picture]) -> None:
        cuts = {
            "obama": ("obama_3.jpg", (400, 150, 1050, 950)),
            "biden": ("biden_2.jpg", (250, 100, 950, 950)),
            "collins": ("other_eileen_collins.png", (140, 20, 300, 220)),
        }
        self._faces = {
            who: Image.fromarray(portrait(f"watchlist/{name}")).crop(box).resize((150, 190))
            for who, (name, box) in cuts.items()
        }

    def frame(self, **left: int) -> Picture:
        """Who stands how far from the left edge, in pixels."""
        canvas = Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90))
        for who, x in left.items():
            canvas.paste(self._faces[who], (x, 80))
        return np.asarray(canvas)


@pytest.fixture(scope="session")
def stage(portrait: Callable[[str], Picture]) -> Stage:
    return Stage(portrait)


@pytest.fixture(scope="session")
def watch_list(
    weights: ModelStore, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Obama and Biden, one picture each, by MobileFaceNet."""
    detector = Faces({"recogniser": "mobilefacenet"}, weights)
    finder, recogniser = detector.finder(), detector.recogniser()
    pictures = [
        (person, shared_data / "faces" / "watchlist" / f"{person}_1.jpg")
        for person in ("obama", "biden")
    ]
    empty = WatchList(recogniser.model.name, recogniser.model.digest)
    people, _ = enroll(empty, pictures, finder, recogniser)
    path = tmp_path_factory.mktemp("lists") / "watchlist.npz"
    people.write(path)
    return path


@pytest.fixture
def see(weights: ModelStore, watch_list: Path) -> Callable[..., list[Evidence]]:
    """What the detector sees in a feed, with the watch list if asked to."""

    def seen(frames: Sequence[Picture], watching: bool = False, **options: Any) -> list[Evidence]:
        if watching:
            options |= {"watch_list": watch_list, "recogniser": "mobilefacenet"}
        detector = Faces(options, weights)
        detector.load(Device("cpu", threads=1))
        return look(detector, frame_batches(frames, batch=2))[0]

    return seen


Seer = Callable[..., list[Evidence]]


def of(label: str, evidence: Sequence[Evidence]) -> list[Evidence]:
    return [each for each in evidence if each.label == label]


def seconds(start: float, end: float) -> Span:
    return Span.from_seconds(start, end)


class TestFaces(DetectorContract):
    expected = frozenset({"Context/Face"})

    @pytest.fixture(autouse=True)
    def _on_stage(self, stage: Stage) -> None:
        self._stage = stage

    @pytest.fixture
    def models(self, weights: ModelStore) -> ModelStore:
        return weights

    def make(self, models: ModelStore) -> Detector[Any]:
        return Faces({}, models)

    def golden(self) -> Sequence[FrameBatch]:
        return list(frame_batches([self._stage.frame(obama=x) for x in (20, 60, 100)], batch=2))


class TestFacesOnAWatchList(TestFaces):
    expected = frozenset({"Context/Face", "Identity/Watch list"})

    @pytest.fixture(autouse=True)
    def _listed(self, watch_list: Path) -> None:
        self._watch_list = watch_list

    def make(self, models: ModelStore) -> Detector[Any]:
        return Faces({"watch_list": self._watch_list, "recogniser": "mobilefacenet"}, models)

    def test_evidence_is_signed_and_can_be_stored(self, detector: Detector[Any]) -> None:
        """A face is signed with YuNet, whose face it is with the recogniser."""
        signed = {each.label: each.producer.model for each in look(detector, self.golden())[0]}
        assert signed == {"Context/Face": "yunet", "Identity/Watch list": "mobilefacenet"}
        for each in look(detector, self.golden())[0]:
            assert len(each.producer.digest) == 64
            assert json.loads(json.dumps(dict(each.detail), allow_nan=False))


def test_a_person_in_sight_is_one_piece_of_evidence(see: Seer, stage: Stage) -> None:
    [face] = see([stage.frame(obama=40 * second) for second in range(6)])
    assert (face.label, face.subject) == ("Context/Face", "face 1")
    assert face.span == seconds(0, 5)
    assert face.detail["samples"] == 6
    assert face.score > 0.8


def test_the_box_is_where_the_face_is_in_the_best_frame(see: Seer, stage: Stage) -> None:
    [face] = see([stage.frame(obama=40 * second) for second in range(6)])
    left = 40 * face.best.seconds
    assert face.box is not None
    assert left / WIDTH < face.box.left < face.box.right < (left + 150) / WIDTH
    assert all(face.box.left < x < face.box.right for x, _ in face.detail["landmarks"].values())


@pytest.mark.parametrize("watching", [False, True])
def test_the_way_of_a_face_is_told_so_that_a_blur_can_follow_it(
    see: Seer, stage: Stage, watching: bool
) -> None:
    evidence = see([stage.frame(obama=40 * second) for second in range(6)], watching)
    assert len(evidence) == 1 + watching
    for each in evidence:
        parts, note = covers([each], 1_000_000)
        assert not note
        assert {part.box is None for part in parts} == {False}
        for at_us, left, _, width, _ in each.detail["path"]:
            start = 40 * at_us / 1e6
            assert start / WIDTH < left < left + width < (start + 150) / WIDTH


def test_two_people_are_two_pieces_of_evidence(see: Seer, stage: Stage) -> None:
    faces = see([stage.frame(obama=20, collins=400)] * 3)
    assert sorted(str(face.subject) for face in faces) == ["face 1", "face 2"]
    assert all(face.span == seconds(0, 2) for face in faces)


def test_who_is_away_for_longer_than_the_gap_comes_back_as_another_face(
    see: Seer, stage: Stage
) -> None:
    frames = [stage.frame(obama=20), *[stage.frame()] * 4, stage.frame(obama=20)]
    assert [face.span for face in see(frames)] == [seconds(0, 0), seconds(5, 5)]
    assert [face.span for face in see(frames, max_gap=10)] == [seconds(0, 5)]


def test_nobody_is_recognised_without_a_watch_list(see: Seer, stage: Stage) -> None:
    assert of("Identity/Watch list", see([stage.frame(obama=20)])) == []


def test_a_person_on_the_watch_list_is_named_with_the_similarity(see: Seer, stage: Stage) -> None:
    frames = [stage.frame(obama=20), stage.frame(obama=60), stage.frame()]
    [match] = of("Identity/Watch list", see(frames, watching=True))
    assert match.subject == "obama"
    assert match.span == seconds(0, 1)
    assert match.score > 0.9
    assert match.detail["samples"] == 2
    assert 0.6 < match.detail["similarity_mean"] <= match.detail["similarity"] <= 1
    assert match.detail["track"] == "face 1"


def test_only_those_on_the_list_are_named(see: Seer, stage: Stage) -> None:
    evidence = see([stage.frame(obama=20, biden=220, collins=420)] * 2, watching=True)
    named = of("Identity/Watch list", evidence)
    assert sorted(str(match.subject) for match in named) == ["biden", "obama"]
    assert len(of("Context/Face", evidence)) == 3


def test_a_cut_to_another_person_ends_the_recognition(see: Seer, stage: Stage) -> None:
    frames = [stage.frame(obama=20)] * 2 + [stage.frame(biden=20)] * 2
    named = of("Identity/Watch list", see(frames, watching=True))
    assert [(each.subject, each.span) for each in named] == [
        ("obama", seconds(0, 1)),
        ("biden", seconds(2, 3)),
    ]


def test_matches_below_the_threshold_are_dropped(see: Seer, stage: Stage) -> None:
    evidence = see([stage.frame(obama=20)], watching=True, match_threshold=0.999)
    assert of("Identity/Watch list", evidence) == []


def test_a_face_too_small_to_recognise_is_still_a_face(see: Seer, stage: Stage) -> None:
    far = Image.fromarray(stage.frame(obama=20)).resize((WIDTH // 4, HEIGHT // 4))
    canvas = Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90))
    canvas.paste(far, (300, 200))
    assert [each.label for each in see([np.asarray(canvas)], watching=True)] == ["Context/Face"]


def test_a_crowd_is_said_to_be_seen_in_part(weights: ModelStore, stage: Stage) -> None:
    head = Image.fromarray(stage.frame(obama=0)).crop((0, 60, 150, 280)).resize((48, 70))
    crowd = Image.new("RGB", (48 * 13, 70 * 9), (90, 90, 90))
    for index in range(13 * 9):
        crowd.paste(head, (index % 13 * 48, index // 13 * 70))
    detector = Faces({}, weights)
    detector.load(Device("cpu", threads=1))
    faces, degraded = look(detector, frame_batches([np.asarray(crowd)] * 2))
    assert len(faces) == MAX_FACES
    assert degraded == [Degraded("of more than 100 faces only the largest were followed")]


def test_each_video_stream_has_tracks_of_its_own(weights: ModelStore, stage: Stage) -> None:
    detector = Faces({}, weights)
    detector.load(Device("cpu", threads=1))
    image = stage.frame(obama=20)
    feed = [FrameBatch([Frame(image, Instant(0), 0, stream)]) for stream in (0, 1)]
    assert sorted(str(each.subject) for each in look(detector, feed)[0]) == ["face 1", "face 2"]


def test_without_yunet_the_hint_says_who_reports_faces_meanwhile() -> None:
    with pytest.raises(ModelMissing, match=r"models pull yunet.*nudity"):
        Faces().load(Device("cpu"))


def test_a_watch_list_without_its_recogniser_names_the_command(
    shared_data: Path, watch_list: Path
) -> None:
    store = ModelStore((shared_data / "models",))
    with pytest.raises(ModelMissing, match="models pull sface"):
        Faces({"watch_list": watch_list}, store).load(Device("cpu"))


def test_a_watch_list_that_is_not_there_makes_the_detector_unavailable(
    weights: ModelStore, tmp_path: Path
) -> None:
    options = {"watch_list": tmp_path / "none.npz", "recogniser": "mobilefacenet"}
    with pytest.raises(DetectorUnavailable, match="moderation faces enroll"):
        Faces(options, weights).load(Device("cpu"))


def test_a_watch_list_of_another_recogniser_makes_the_detector_unavailable(
    weights: ModelStore, watch_list: Path, sface: Path
) -> None:
    with pytest.raises(DetectorUnavailable, match="enroll again"):
        Faces({"watch_list": watch_list, "recogniser": str(sface)}, weights).load(Device("cpu"))


def test_sface_recognises_by_the_same_way(
    weights: ModelStore, sface: Path, stage: Stage, tmp_path: Path
) -> None:
    Image.fromarray(stage.frame(obama=20)).save(tmp_path / "obama.png")
    detector = Faces({"recogniser": str(sface), "watch_list": tmp_path / "list.npz"}, weights)
    finder, recogniser = detector.finder(), detector.recogniser()
    empty = WatchList(recogniser.model.name, recogniser.model.digest)
    people, _ = enroll(empty, [("p-1", tmp_path / "obama.png")], finder, recogniser)
    people.write(tmp_path / "list.npz")
    detector.load(Device("cpu", threads=1))
    seen, _ = look(detector, frame_batches([stage.frame(obama=20)]))
    [match] = of("Identity/Watch list", seen)
    assert (match.subject, match.producer.model) == ("p-1", "tiny_sface.onnx")
    assert match.detail["similarity"] == pytest.approx(1, abs=1e-3)


def test_another_watch_list_makes_another_fingerprint(watch_list: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    WatchList("sface", "d" * 64).write(other)
    lists: list[dict[str, Path]] = [{}, {"watch_list": watch_list}, {"watch_list": other}]
    assert len({Faces(options).fingerprint() for options in lists}) == 3
