"""Golden clips through all real detectors: what a person would say of each, and exactly when."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from moderation.config import Settings
from moderation.evidence import Box, Evidence
from moderation.look import Step
from moderation.media.frames import SAMPLE_RATE
from moderation.panel import Panel
from moderation.person import local_person
from moderation.pipeline import Pipeline
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.review import ReviewQueue
from moderation.scan import Scan
from moderation.store import Store
from moderation.testing.clips import BLACK, Clip, moving, silence, solid, tone, written
from moderation.timeline import Span
from moderation.verdict import Action, CoverageStatus, Severity

DETECTORS = {"faces", "nudity", "objects", "screen_text", "speech", "terms"}
WATCHING = {"faces", "nudity", "objects", "screen_text"}

WALL = solid(30, 60, 90)
OFFER, THREAT, SIGN = "buy cocaine here", "I will kill you tonight", "Have a nice day"

STRICT = """
schema = "moderation.policy/v1"
name = "strict"
version = "1"
extends = "{base}"
[[rules]]
id = "no-writing"
label = "Context/Screen text"
action = "reject"
"""

Pixels = NDArray[np.uint8]
Look = Callable[..., Scan]


@pytest.fixture(scope="module")
def models(request: pytest.FixtureRequest) -> tuple[Path, ...]:
    """Weights beside the checkout, where there are any: without them nobody sees objects."""
    try:
        return (request.getfixturevalue("shared_data") / "models",)
    except pytest.skip.Exception:
        return ()


@pytest.fixture(scope="module")
def pipeline(
    models: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """All installed detectors, loaded once; the policy is what that installation would use."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, models=models, offline=True, threads=1, device="cpu")
    policy = Policy.read("default" if models else "light")
    with Store.open(settings.database_url) as store:
        yield Pipeline(settings, Panel(Registry.installed(), settings), policy, store)


@pytest.fixture
def scan(pipeline: Pipeline, tmp_path: Path) -> Look:
    """Write a clip and scan it."""

    def look(clip: Clip, name: str = "clip.mp4", **how: Any) -> Scan:
        return pipeline.scan(str(clip.write(tmp_path / name, **how)))

    return look


def sign(text: str) -> Pixels:
    picture = written(WALL, text, at=(0.05, 0.3), height=0.12)
    assert isinstance(picture, np.ndarray)
    return picture


def shown(text: str) -> Clip:
    """5 s of a wall; there is text on it from 2 s on, and no more at 4 s."""
    return Clip(640, 360, fps=5).show(2, WALL).show(2, sign(text)).show(1, WALL)


def place(picture: Pixels) -> Box:
    """Where something is drawn on the wall."""
    rows, columns = np.nonzero((picture != picture[0, 0]).any(axis=2))
    height, width = picture.shape[:2]
    left, right = columns.min() / width, (columns.max() + 1) / width
    return Box.from_corners(left, rows.min() / height, right, (rows.max() + 1) / height)


def photo(name: str) -> Pixels:
    """One of the photos that ultralytics carries."""
    path = carried("ultralytics", f"assets/{name}")
    return np.asarray(Image.open(path).convert("RGB"))


def speech() -> NDArray[np.float32]:
    """Somebody talks on the telephone, from 0.1 s to 3.5 s."""
    path = carried("pyannote", "audio/sample/sample.wav")
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    excerpt = samples[round(14.4 * SAMPLE_RATE) : 18 * SAMPLE_RATE]
    return excerpt.astype(np.float32) / np.float32(32768)


def carried(package: str, inner: str) -> Path:
    """A file of an installed package, found without importing it."""
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder) / inner).is_file():
            return path
    pytest.skip(f"{package}, which carries {inner}, is not installed")


def of(label: str, evidence: Sequence[Evidence]) -> list[Evidence]:
    return [each for each in evidence if each.label == label]


def seconds(start: float, end: float) -> Span:
    return Span.from_seconds(start, end)


# What is written


@pytest.mark.parametrize(
    ("text", "rule", "label", "severity"),
    [
        (OFFER, "illegal-goods", "Illegal goods/Drugs", Severity.HIGH),
        ("buy an AK-47 no papers", "illegal-goods", "Illegal goods/Weapons", Severity.HIGH),
        (THREAT, "threat", "Violence/Threat", Severity.HIGH),
        ("send 0.1 BTC, get 1 BTC back", "scam", "Scam/Lure", Severity.MEDIUM),
    ],
)
def test_a_text_that_breaks_the_policy_goes_to_a_person(
    scan: Look, pipeline: Pipeline, text: str, rule: str, label: str, severity: Severity
) -> None:
    seen = scan(shown(text))
    assert (seen.verdict.action, seen.verdict.severity) == (Action.REVIEW, severity)
    [reason] = seen.verdict.reasons
    assert (reason.rule, reason.label, reason.span) == (rule, label, seconds(2, 3))
    waiting = ReviewQueue(pipeline.store).list(local_person())
    [item] = [each for each in waiting if each.scan_id == seen.id]
    assert item.severity is severity


def test_a_text_is_found_where_and_when_it_is_shown(scan: Look) -> None:
    seen = scan(shown(OFFER))
    [line] = of("Context/Screen text", seen.evidence)
    [hit] = of("Illegal goods/Drugs", seen.evidence)
    assert (line.text, line.span) == (OFFER, seconds(2, 3))
    assert (hit.detail["source"], hit.span) == (line.id, line.span)
    assert line.box is not None
    assert line.box.iou(place(sign(OFFER))) > 0.6


@pytest.mark.parametrize("text", [SIGN, "the assassin of Scunthorpe", "what the fuck"])
def test_a_text_that_breaks_nothing_is_approved(scan: Look, pipeline: Pipeline, text: str) -> None:
    seen = scan(shown(text))
    assert [each.text for each in of("Context/Screen text", seen.evidence)] == [text]
    assert (seen.verdict.action, seen.verdict.reasons) == (Action.APPROVE, ())
    waiting = ReviewQueue(pipeline.store).list(local_person())
    assert seen.id not in {each.scan_id for each in waiting}


def test_two_offences_are_two_reasons_each_at_its_time(scan: Look) -> None:
    clip = Clip(640, 360, fps=5).show(2, sign(OFFER)).show(2, WALL).show(2, sign(THREAT))
    reasons = {each.rule: each for each in scan(clip).verdict.reasons}
    assert {rule: each.span for rule, each in reasons.items()} == {
        "illegal-goods": seconds(0, 1),
        "threat": seconds(4, 5.8),
    }
    used = [set(each.evidence_ids) for each in reasons.values()]
    assert used[0].isdisjoint(used[1])


# Files as phones and programs make them


def test_with_a_variable_frame_rate_times_are_those_of_the_frames(scan: Look) -> None:
    clip = Clip(640, 360, fps=10).show(2, WALL).show(2, sign(OFFER), fps=2).show(1, WALL)
    [reason] = scan(clip).verdict.reasons
    assert (reason.rule, reason.span) == ("illegal-goods", seconds(2, 3))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("late.mp4", {"start": 7.5}),
        ("late.ts", {"start": 7.5}),
        ("deep.mkv", {"pixels": "yuv444p10le"}),
    ],
)
def test_the_container_and_its_clock_change_nothing(
    scan: Look, name: str, how: dict[str, Any]
) -> None:
    clip = shown(OFFER)
    clip.width, clip.height = (641, 361) if name == "deep.mkv" else (640, 360)
    seen = scan(clip, name, **how)
    [line] = of("Context/Screen text", seen.evidence)
    assert (line.text, line.span) == (OFFER, seconds(2, 3))
    assert [each.rule for each in seen.verdict.reasons] == ["illegal-goods"]


def test_a_turned_video_is_seen_as_players_show_it(scan: Look) -> None:
    lying = np.rot90(sign(OFFER), k=-1)
    seen = scan(Clip(360, 640, fps=5).show(2, lying), rotation=90)
    [line] = of("Context/Screen text", seen.evidence)
    assert (seen.video.width, seen.video.height) == (640, 360)
    assert line.text == OFFER
    assert line.box is not None
    assert line.box.iou(place(sign(OFFER))) > 0.6


# What is nothing


@pytest.mark.parametrize(
    "clip",
    [
        Clip(320, 180, fps=5).show(3, BLACK),
        Clip(320, 180, fps=5).show(3, BLACK).hear(silence(3)),
        Clip(320, 180, fps=5).show(3, BLACK).hear(tone(3)),
        Clip(320, 180, fps=5).show(3, WALL),
    ],
    ids=["black", "silence", "a tone", "a wall"],
)
def test_where_there_is_nothing_nobody_sees_anything(scan: Look, clip: Clip) -> None:
    seen = scan(clip)
    assert seen.evidence == ()
    assert (seen.verdict.action, seen.verdict.missing) == (Action.APPROVE, ())


# What was looked at


def test_coverage_names_every_detector_and_all_that_it_looked_at(
    scan: Look, models: tuple[Path, ...]
) -> None:
    seen = scan(Clip(320, 180, fps=5).show(3, BLACK).hear(silence(3)))
    coverage = {each.detector: each for each in seen.coverage}
    looked = DETECTORS if models else DETECTORS - {"faces", "objects"}
    complete = {name for name, each in coverage.items() if each.status is CoverageStatus.COMPLETE}
    assert (set(coverage), complete) == (DETECTORS, looked)
    assert {coverage[name].examined for name in WATCHING & looked} == {4}
    assert coverage["speech"].examined == pytest.approx(3, abs=0.1)


def test_without_sound_nobody_could_have_listened(scan: Look) -> None:
    coverage = {each.detector: each for each in scan(shown(SIGN)).coverage}
    assert coverage["speech"].status is CoverageStatus.NOT_APPLICABLE
    assert "no sound" in coverage["speech"].reason


def test_sound_alone_is_a_file_without_a_picture(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((tone(2) * 32767).astype("<i2").tobytes())
    seen = pipeline.scan(str(path))
    blind = {each.detector for each in seen.coverage if "no picture" in each.reason}
    assert blind == WATCHING & {each.name for each in pipeline.panel.detectors}
    assert (seen.evidence, seen.verdict.action) == ((), Action.APPROVE)


# What is said


def test_speech_is_heard_when_somebody_speaks(scan: Look) -> None:
    seen = scan(Clip(320, 180, fps=5).show(6, BLACK).hear(speech(), at=1.5))
    assert {each.label for each in seen.evidence} == {"Context/Speech"}
    heard = Span.hull(each.span for each in seen.evidence)
    assert heard.start.seconds == pytest.approx(1.6, abs=0.5)
    assert heard.end.seconds == pytest.approx(5.0, abs=0.5)
    words = [word for each in seen.evidence for word in each.words]
    assert words == sorted(words, key=lambda word: word.span)
    assert all(heard.start <= word.span.start <= word.span.end <= heard.end for word in words)


def test_speech_without_whisper_is_degraded_and_says_so(scan: Look) -> None:
    seen = scan(Clip(320, 180, fps=5).show(6, BLACK).hear(speech(), at=1.5))
    [heard] = [each for each in seen.coverage if each.detector == "speech"]
    assert heard.status is CoverageStatus.DEGRADED
    assert "PocketSphinx" in heard.reason
    assert "moderation models pull" in heard.reason
    assert heard.share == 1


# Who and what is shown


@pytest.mark.usefixtures("shared_data")
def test_people_and_a_bus_are_seen_wherever_they_move(scan: Look) -> None:
    bus, start, end = photo("bus.jpg"), (0.0, 0.05), (0.5, 0.05)
    moves = moving(bus, WALL, seconds=4, start=start, end=end, height=0.9)
    seen = scan(Clip(640, 360, fps=5).show(4, moves))
    width = 0.9 * bus.shape[1] / bus.shape[0] * 9 / 16
    for label in ("Context/Person", "Context/Vehicle/Bus"):
        found = of(label, seen.evidence)
        assert {each.best.seconds for each in found} == {0, 1, 2, 3, 3.8}
        for each in found:
            left = 0.5 * each.best.seconds / 4
            assert each.box is not None
            assert left - 0.02 <= each.box.left <= each.box.right <= left + width + 0.02
    assert seen.verdict.reasons == ()


@pytest.mark.usefixtures("shared_data")
def test_faces_are_one_piece_of_evidence_per_person(scan: Look) -> None:
    seen = scan(Clip(640, 360, fps=5).show(2, WALL).show(3, photo("zidane.jpg")).show(1, WALL))
    tracks = [each for each in of("Context/Face", seen.evidence) if each.detector == "faces"]
    assert {each.subject for each in tracks} == {"face 1", "face 2"}
    assert {each.span for each in tracks} == {seconds(2, 4)}
    assert (seen.verdict.action, seen.verdict.reasons) == (Action.APPROVE, ())


@pytest.mark.usefixtures("shared_data")
def test_every_detector_has_its_part_in_one_video(scan: Look) -> None:
    clip = Clip(640, 360, fps=5).show(3, photo("zidane.jpg")).show(3, sign(OFFER))
    seen = scan(clip.hear(speech(), at=1))
    assert {each.detector for each in seen.evidence} == DETECTORS
    assert [each.rule for each in seen.verdict.reasons] == ["illegal-goods"]
    assert seen.verdict.reasons[0].span == seconds(3, 5.8)
    assert set(seen.timing.detectors) == DETECTORS


# What is known already


def test_the_same_bytes_are_not_looked_at_again(pipeline: Pipeline, tmp_path: Path) -> None:
    path = str(shown(SIGN).write(tmp_path / "clip.mp4"))
    steps: list[Step] = []
    first = pipeline.scan(path, force=True, watch=steps.append)
    assert {each.detector for each in steps} >= {"decode", "screen_text", "nudity"}
    steps.clear()
    assert pipeline.scan(path, watch=steps.append) == first
    assert steps == []


def test_another_policy_judges_what_was_seen_before(pipeline: Pipeline, tmp_path: Path) -> None:
    path = str(shown(SIGN).write(tmp_path / "clip.mp4"))
    first = pipeline.scan(path)
    strict = Policy.parse(STRICT.format(base=pipeline.policy.name), "strict.toml")
    steps: list[Step] = []
    other = Pipeline(pipeline.settings, pipeline.panel, strict, pipeline.store)
    again = other.scan(path, watch=steps.append)
    assert (steps, again.evidence) == ([], first.evidence)
    assert (first.verdict.action, again.verdict.action) == (Action.APPROVE, Action.REJECT)
    assert [each.rule for each in again.verdict.reasons] == ["no-writing"]


def test_two_looks_agree(pipeline: Pipeline, tmp_path: Path) -> None:
    path = str(shown(OFFER).write(tmp_path / "clip.mp4"))
    first, second = (pipeline.scan(path, force=True) for _ in range(2))
    assert (first.evidence, first.coverage) == (second.evidence, second.coverage)
    assert first.verdict == second.verdict
