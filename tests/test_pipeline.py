"""The whole way of a video, with detectors that need no weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from moderation.config import Settings
from moderation.detector import Detector
from moderation.errors import ConfigurationError, MediaFault, StoreError
from moderation.panel import Panel
from moderation.person import local_person
from moderation.pipeline import Pipeline
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.review import ReviewQueue
from moderation.store import Store
from moderation.testing.clips import BLACK, WHITE, Clip, tone
from moderation.testing.detectors import Brightness, Echo, Loudness, as_plugin
from moderation.verdict import Action, CoverageStatus, Severity

POLICY = """
schema = "moderation.policy/v1"
name = "test"
version = "1"

[coverage]
{coverage}

[[rules]]
id = "lure"
label = "Scam/Lure"
min_score = {score}
action = "review"
severity = "high"
"""


def policy(score: float = 0.5, coverage: str = "brightness = 0.95") -> Policy:
    return Policy.parse(POLICY.format(score=score, coverage=coverage), "test.toml")


class Counting(Brightness):
    """Counts the videos that it was shown."""

    shown = 0

    def detect(self, batches: Any) -> Any:
        type(self).shown += 1
        return super().detect(batches)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'moderation.db'}") as opened:
        yield opened


@pytest.fixture
def loud(tmp_path: Path) -> Path:
    """2 s of white with a tone: `Loudness` hears "loud", `Echo` calls it a lure."""
    return Clip(64, 48, fps=5).show(2, WHITE).hear(tone(2)).write(tmp_path / "loud.mp4")


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    return Clip(64, 48, fps=5).show(2, BLACK).write(tmp_path / "quiet.mp4")


def pipeline(
    store: Store, tmp_path: Path, *classes: type[Detector[Any]], judge: Policy | None = None
) -> Pipeline:
    registry = Registry()
    registry.register(as_plugin(*(classes or (Brightness, Loudness, Echo))), "mine")
    settings = Settings(home=tmp_path / "home")
    return Pipeline(settings, Panel(registry, settings), judge or policy(), store)


def test_a_video_becomes_a_verdict_with_reasons(store: Store, tmp_path: Path, loud: Path) -> None:
    scan = pipeline(store, tmp_path).scan(str(loud))
    assert (scan.verdict.action, scan.verdict.severity) == (Action.REVIEW, Severity.HIGH)
    ids = {each.id for each in scan.evidence}
    assert {*scan.verdict.reasons[0].evidence_ids} <= ids


def test_what_needs_a_person_lands_in_the_queue(store: Store, tmp_path: Path, loud: Path) -> None:
    scan = pipeline(store, tmp_path).scan(str(loud))
    assert [item.scan_id for item in ReviewQueue(store).list(local_person())] == [scan.id]


def test_what_breaks_no_rule_is_approved(store: Store, tmp_path: Path, quiet: Path) -> None:
    assert pipeline(store, tmp_path).scan(str(quiet)).verdict.action is Action.APPROVE
    assert not ReviewQueue(store).list(local_person())


def test_a_detector_that_the_policy_requires_and_nobody_brings_is_missing(
    store: Store, tmp_path: Path, quiet: Path
) -> None:
    scan = pipeline(store, tmp_path, judge=policy(coverage="objects = 0.95")).scan(str(quiet))
    absent = next(each for each in scan.coverage if each.detector == "objects")
    assert (absent.status, scan.verdict.action) == (CoverageStatus.UNAVAILABLE, Action.INCOMPLETE)


def test_the_same_bytes_are_not_looked_at_twice(store: Store, tmp_path: Path, loud: Path) -> None:
    Counting.shown = 0
    first = pipeline(store, tmp_path, Counting).scan(str(loud))
    copy = loud.with_name("copy.mp4")
    copy.write_bytes(loud.read_bytes())
    second = pipeline(store, tmp_path, Counting).scan(str(copy))
    assert Counting.shown == 1
    assert second == replace(first, video=replace(first.video, uri=str(copy)))


def test_force_looks_again(store: Store, tmp_path: Path, loud: Path) -> None:
    Counting.shown = 0
    for _ in range(2):
        pipeline(store, tmp_path, Counting).scan(str(loud), force=True)
    assert Counting.shown == 2


def test_another_policy_judges_the_stored_evidence(
    store: Store, tmp_path: Path, loud: Path
) -> None:
    Counting.shown = 0
    classes = (Counting, Loudness, Echo)
    strict = pipeline(store, tmp_path, *classes).scan(str(loud))
    mild = pipeline(store, tmp_path, *classes, judge=policy(score=0.99)).scan(str(loud))
    assert Counting.shown == 1
    assert (strict.verdict.action, mild.verdict.action) == (Action.REVIEW, Action.APPROVE)
    assert strict.evidence == mild.evidence


def test_another_policy_names_what_it_alone_requires(
    store: Store, tmp_path: Path, quiet: Path
) -> None:
    pipeline(store, tmp_path, Brightness).scan(str(quiet))
    asking = policy(coverage="brightness = 0.95\nspeech = 0.95")
    scan = pipeline(store, tmp_path, Brightness, judge=asking).scan(str(quiet))
    assert scan.verdict.action is Action.INCOMPLETE
    assert {each.detector for each in scan.coverage} == {"brightness", "speech"}


def test_other_detectors_look_again(store: Store, tmp_path: Path, loud: Path) -> None:
    assert not pipeline(store, tmp_path, Brightness).scan(str(loud)).verdict.reasons
    assert pipeline(store, tmp_path).scan(str(loud)).verdict.reasons


def test_a_failed_detector_gets_another_chance(store: Store, tmp_path: Path, loud: Path) -> None:
    class Moody(Brightness):
        name = "moody"
        fails = True

        def detect(self, batches: Any) -> Any:
            if self.fails:
                raise RuntimeError("not today")
            return super().detect(batches)

    asking = policy(coverage="moody = 0.95")
    pipeline(store, tmp_path, Moody, judge=asking).scan(str(loud))
    Moody.fails = False
    scan = pipeline(store, tmp_path, Moody, judge=asking).scan(str(loud))
    assert scan.coverage[0].status is CoverageStatus.COMPLETE


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, MediaFault.NOT_FOUND),
        (b"", MediaFault.EMPTY),
        (b"this is text, and not a video\n" * 100, MediaFault.NOT_MEDIA),
    ],
)
def test_a_file_that_cannot_be_scanned_is_never_approved(
    store: Store, tmp_path: Path, content: bytes | None, fault: MediaFault
) -> None:
    path = tmp_path / "upload.mp4"
    if content is not None:
        path.write_bytes(content)
    scan = pipeline(store, tmp_path, judge=policy(coverage="")).scan(str(path))
    assert scan.failure
    assert (scan.failure.fault, scan.verdict.action) == (fault, Action.INCOMPLETE)
    kept = [] if fault is MediaFault.NOT_FOUND else [scan.id]
    assert [each.id for each in store.scans()] == kept


def test_a_verdict_is_derived_again_from_what_is_stored(
    store: Store, tmp_path: Path, loud: Path
) -> None:
    from moderation.fusion import fuse

    scan = pipeline(store, tmp_path).scan(str(loud))
    kept = next(iter(store.scans()))
    assert fuse(kept.evidence, kept.coverage, policy()) == scan.verdict == kept.verdict


def test_the_frames_behind_a_finding_are_kept(store: Store, tmp_path: Path, loud: Path) -> None:
    running = pipeline(store, tmp_path)
    scan = running.scan(str(loud))
    found = next(each for each in scan.verdict.segments if each.label == "Scam/Lure")
    picture = running.pictures.get(scan, found.best)
    assert picture is not None
    assert picture.startswith(b"\xff\xd8")


def test_a_stored_scan_decodes_nothing_not_even_for_pictures(
    store: Store, tmp_path: Path, loud: Path
) -> None:
    running = pipeline(store, tmp_path)
    scan = running.scan(str(loud))
    shutil.rmtree(running.settings.pictures)
    mild = pipeline(store, tmp_path, judge=policy(score=0.99))
    assert (running.scan(str(loud)), mild.scan(str(loud)).evidence) == (scan, scan.evidence)
    assert not running.settings.pictures.exists()


def test_loading_is_timed_apart_from_scanning(store: Store, tmp_path: Path, loud: Path) -> None:
    timing = pipeline(store, tmp_path).scan(str(loud)).timing
    assert timing.scan_s > 0
    assert set(timing.detectors) == {"brightness", "loudness", "echo"}


def test_pictures_that_cannot_be_kept_cost_no_verdict(
    store: Store, tmp_path: Path, loud: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "pictures").write_text("in the way")
    with pytest.raises(StoreError, match="pictures cannot be kept"):
        pipeline(store, tmp_path).scan(str(loud))
    assert [each.verdict.action for each in store.scans()] == [Action.REVIEW]


def test_one_video_on_which_we_break_costs_only_itself(
    store: Store, tmp_path: Path, loud: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug of ours")

    monkeypatch.setattr("moderation.media.MediaReader.probe", broken)
    scan = pipeline(store, tmp_path).scan(str(loud))
    assert scan.failure
    assert "KeyError" in scan.failure.message
    assert scan.verdict.action is Action.INCOMPLETE


def test_a_file_that_is_too_large_is_refused_unread(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "huge.mp4"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    scan = pipeline(store, tmp_path).scan(str(path))
    assert scan.failure
    assert (scan.failure.fault, scan.video.sha256) == (MediaFault.TOO_LARGE, "")


def test_a_policy_that_asks_for_what_the_floor_drops_is_refused(
    store: Store, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"from 0\.1, and evidence below 0\.2"):
        pipeline(store, tmp_path, judge=policy(score=0.1))


def test_what_no_detector_looked_at_is_never_approved(
    store: Store, tmp_path: Path, quiet: Path
) -> None:
    listening = pipeline(store, tmp_path, Loudness, judge=policy(coverage=""))
    verdict = listening.scan(str(quiet)).verdict
    assert verdict.action is Action.INCOMPLETE
    assert verdict.missing == ("no detector looked at any of it",)
