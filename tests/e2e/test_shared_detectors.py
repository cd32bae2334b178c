"""Real media beside the checkout, against what its `expected_*.json` say is in them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import wave
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from moderation.config import Settings
from moderation.evidence import Evidence
from moderation.media.frames import SAMPLE_RATE
from moderation.panel import Panel
from moderation.person import local_person
from moderation.pipeline import Pipeline
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.review import ReviewQueue
from moderation.scan import Scan
from moderation.store import Store
from moderation.testing.clips import BLACK, Clip, solid, written
from moderation.timeline import Span
from moderation.verdict import Action, Coverage, CoverageStatus, Severity

COMMAND = str(Path(sys.executable).parent / "moderation")

EVERY_WORD = """
schema = "moderation.policy/v1"
name = "every-word"
version = "1"
extends = "default"
[coverage]
speech = 0.95
"""


Pixels = NDArray[np.uint8]
Alone = Callable[..., Pipeline]


@pytest.fixture(scope="module")
def pipeline(
    shared_data: Path, watch_list: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """All real detectors, loaded once, with a watch list of two people."""
    faces = {"recogniser": "mobilefacenet", "watch_list": str(watch_list)}
    settings = real(shared_data, tmp_path_factory.mktemp("home"), faces=faces)
    with Store.open(settings.database_url) as store:
        yield Pipeline(
            settings, Panel(Registry.installed(), settings), Policy.read("default"), store
        )


@pytest.fixture(scope="module")
def watch_list(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Obama and Biden, one picture each, enrolled as an operator does."""
    folder = tmp_path_factory.mktemp("watchlist")
    for person in ("obama", "biden"):
        (folder / "people" / person).mkdir(parents=True)
        picture = shared_data / "faces" / "watchlist" / f"{person}_1.jpg"
        shutil.copy(picture, folder / "people" / person)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MODERATION_HOME": str(folder),
        "MODERATION_MODELS": str(shared_data / "models"),
        "MODERATION_DETECTORS__FACES__RECOGNISER": "mobilefacenet",
    }
    arguments = ["faces", "enroll", "people", "--list", "list.npz"]
    subprocess.run([COMMAND, *arguments], cwd=folder, env=environment, check=True, timeout=120)
    return folder / "list.npz"


@pytest.fixture
def alone(shared_data: Path, tmp_path: Path) -> Iterator[Alone]:
    """A pipeline of one plugin, with options of its detector."""
    with ExitStack() as opened:

        def make(plugin: str, **options: Any) -> Pipeline:
            settings = real(shared_data, tmp_path, **{plugin: options})
            store = opened.enter_context(Store.open(settings.database_url))
            panel = Panel(Registry.installed([plugin]), settings)
            return Pipeline(settings, panel, Policy.read("default"), store)

        yield make


def real(shared_data: Path, home: Path, **detectors: Mapping[str, Any]) -> Settings:
    return Settings(
        home=home,
        models=(shared_data / "models",),
        offline=True,
        threads=1,
        device="cpu",
        detectors=detectors,
    )


def expectations(shared_data: Path, name: str) -> dict[str, Any]:
    return json.loads((shared_data / name).read_text())  # type: ignore[no-any-return]


# Objects and people


@pytest.mark.parametrize(
    "name",
    [
        "classroom.gif",
        "head-pose-face-detection-female-and-male.gif",
        "person-bicycle-car-detection.gif",
        "talking_face_with_audio.mp4",
    ],
)
def test_the_objects_in_a_clip_are_found(pipeline: Pipeline, shared_data: Path, name: str) -> None:
    path = f"video/people_objects/{name}"
    truth = expectations(shared_data, "images/expected_objects.json")
    there = truth["detections_yolo11n_from_int8_conf0.25"][path]["max_per_frame"]
    scan = pipeline.scan(str(shared_data / path))
    found = most_at_once([each for each in scan.evidence if each.detector == "objects"])
    labels = Registry.installed(["objects"]).get("objects").labels
    wanted = {labels[name]: count for name, count in there.items() if name in labels}
    assert wanted
    assert {label: min(count, found[label]) for label, count in wanted.items()} == wanted
    assert (scan.verdict.action, scan.verdict.reasons) == (Action.APPROVE, ())


@pytest.mark.parametrize(
    "name",
    [
        "classroom.gif",
        "head-pose-face-detection-female-and-male.gif",
        "talking_face_with_audio.mp4",
    ],
)
def test_every_face_in_a_clip_is_followed_once(alone: Alone, shared_data: Path, name: str) -> None:
    path = f"video/people_objects/{name}"
    truth = expectations(shared_data, "faces/expected_faces.json")
    tracks = alone("faces").scan(str(shared_data / path)).evidence
    assert len(tracks) == truth["video_max_faces_per_frame"][path]
    assert {each.label for each in tracks} == {"Context/Face"}
    assert len({each.span for each in tracks}) == 1


def most_at_once(evidence: Sequence[Evidence]) -> Counter[str]:
    """Label -> how many there are in the frame that has most of them."""
    frames = Counter((each.label, each.best) for each in evidence)
    most = Counter[str]()
    for (label, _), count in frames.items():
        most[label] = max(most[label], count)
    return most


@pytest.mark.parametrize(
    ("name", "alarm"),
    [
        ("chair-20-sd-bar.mp4", "Violence/Weapons/Knife"),
        ("chair-22-with-large-logo-bar.mp4", "Violence/Weapons/Sharp object"),
    ],
)
def test_false_alarms_of_four_looks_a_second_are_no_reason(
    alone: Alone, shared_data: Path, name: str, alarm: str
) -> None:
    objects = alone("objects", per_second=4)
    scan = objects.scan(str(shared_data / "video" / "near_duplicates" / name))
    assert alarm in {each.label for each in scan.evidence}
    assert scan.verdict.reasons == ()


def test_a_doorknob_is_approved(pipeline: Pipeline, shared_data: Path) -> None:
    path = shared_data / "video" / "near_duplicates" / "doorknob-hd-no-bar.mp4"
    verdict = pipeline.scan(str(path)).verdict
    assert (verdict.action, verdict.reasons, verdict.missing) == (Action.APPROVE, (), ())


def test_a_threat_beside_a_real_knife_is_the_worst(
    pipeline: Pipeline, shared_data: Path, tmp_path: Path
) -> None:
    knife = fitted(shared_data / "images" / "knife" / "000000419312.jpg")
    threat = written(solid(30, 60, 90), "I will kill you tonight", height=0.12)
    clip = Clip(640, 480, fps=5).show(3, knife).show(2, threat)
    verdict = pipeline.scan(str(clip.write(tmp_path / "clip.mp4"))).verdict
    assert verdict.severity is Severity.CRITICAL
    assert {each.rule for each in verdict.reasons} == {"threat", "weapon", "threat-with-weapon"}
    [both] = [each for each in verdict.reasons if each.rule == "threat-with-weapon"]
    assert both.span == Span.from_seconds(0, 4.8)


# Text on the screen


def test_a_counter_is_read_at_the_times_that_it_shows(
    pipeline: Pipeline, shared_data: Path
) -> None:
    scan = pipeline.scan(str(shared_data / "video" / "onscreen_text" / "counter.mp4"))
    read = {(each.text, each.span) for each in lines(scan)}
    shown = [(0.0, 1), (1.0, 11), (2.0, 21), (2.9, 30)]
    assert read == {
        (text, Span.from_seconds(at, at))
        for at, number in shown
        for text in (f"PTS = {at}s", f"Frame = {number}")
    }


def test_a_timecode_is_read_at_its_time(pipeline: Pipeline, shared_data: Path) -> None:
    scan = pipeline.scan(str(shared_data / "video" / "onscreen_text" / "smpte-2997.mp4"))
    codes = {each.text or "": each.span for each in lines(scan)}
    read = {code: span for code, span in codes.items() if re.fullmatch(r"[\d:]+;00", code)}
    assert read == {f"00:00:{n:02};00": Span.from_seconds(n, n) for n in range(11)}


def lines(scan: Scan) -> list[Evidence]:
    return [each for each in scan.evidence if each.label == "Context/Screen text"]


# People on a watch list


def test_people_on_the_watch_list_are_found_and_nobody_else(
    pipeline: Pipeline, shared_data: Path, tmp_path: Path
) -> None:
    clip = Clip(640, 480, fps=5)
    for name in (
        "other_eileen_collins.png",
        "obama_2.jpg",
        "other_grace_hopper.bmp",
        "biden_2.jpg",
    ):
        clip.show(2, fitted(shared_data / "faces" / "watchlist" / name))
    scan = pipeline.scan(str(clip.write(tmp_path / "clip.mp4")))
    found = [each for each in scan.evidence if each.label == "Identity/Watch list"]
    appearances = {"obama": Span.from_seconds(2, 3), "biden": Span.from_seconds(6, 7.8)}
    assert len(found) == 2
    assert {each.subject: each.span for each in found} == appearances
    assert {each.rule: each.action for each in scan.verdict.reasons} == {
        "watch-list": Action.REVIEW
    }
    assert {each.span for each in scan.verdict.reasons} == set(appearances.values())
    waiting = {each.scan_id: each for each in ReviewQueue(pipeline.store).list(local_person())}
    assert waiting[scan.id].action is Action.REVIEW


def fitted(path: Path) -> Pixels:
    """A picture made smaller to 640 x 480, with black beside it."""
    with Image.open(path) as picture:
        return np.asarray(ImageOps.pad(picture.convert("RGB"), (640, 480)))


# Speech


def test_english_is_transcribed_with_its_times(
    pipeline: Pipeline, shared_data: Path, tmp_path: Path
) -> None:
    truth = expectations(shared_data, "audio/expected_speech.json")["files"]["audio/jfk.wav"]
    clip = Clip(64, 48, fps=2).show(12, BLACK).hear(recorded(shared_data / "audio/jfk.wav"), at=1)
    scan = pipeline.scan(str(clip.write(tmp_path / "clip.mp4")))
    words = [word for each in scan.evidence for word in each.words]
    assert word_error([word.text for word in words], truth["truth"].split()) <= 0.5
    assert words == sorted(words, key=lambda word: word.span)
    assert words[0].span.start.seconds == pytest.approx(1.3, abs=0.3)
    assert words[-1].span.end.seconds == pytest.approx(11.5, abs=0.5)
    assert heard(scan).status is CoverageStatus.DEGRADED
    assert "PocketSphinx" in heard(scan).reason


def test_mandarin_is_heard_and_not_made_into_english(pipeline: Pipeline, shared_data: Path) -> None:
    path = str(shared_data / "audio" / "aishell-BAC009S0724W0121.wav")
    scan = pipeline.scan(path)
    [said] = scan.evidence
    assert (said.label, said.text, said.words) == ("Context/Speech", None, ())
    assert said.span.duration_us > 3_000_000
    assert "of speech have no text" in heard(scan).reason
    every_word = Policy.parse(EVERY_WORD, "every-word.toml")
    strict = Pipeline(pipeline.settings, pipeline.panel, every_word, pipeline.store)
    assert strict.scan(path).verdict.action is Action.INCOMPLETE


def recorded(path: Path) -> NDArray[np.float32]:
    """16 kHz mono, 16 bits."""
    with wave.open(str(path)) as file:
        assert file.getframerate() == SAMPLE_RATE
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.astype(np.float32) / np.float32(32768)


def heard(scan: Scan) -> Coverage:
    return next(each for each in scan.coverage if each.detector == "speech")


def word_error(heard: Sequence[str], said: Sequence[str]) -> float:
    """Substitutions, deletions and insertions for each word that was said."""
    row = list(range(len(said) + 1))
    for i, one in enumerate(heard, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(said, 1):
            change = before + (one != other)
            before, row[j] = row[j], min(change, row[j] + 1, row[j - 1] + 1)
    return row[-1] / len(said)
