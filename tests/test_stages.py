"""What a worker does with the parts of a job, without a broker: the way of a job, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from moderation.config import Settings
from moderation.detector import Degraded, Detector, Frames
from moderation.errors import DeviceLost
from moderation.evidence import Evidence
from moderation.job import Job, JobState, Kind, PartState, Submission
from moderation.job_settings import JobSettings
from moderation.lanes import CONTROL
from moderation.media import AudioChunk, FrameBatch, reader
from moderation.media.process import DecoderProcess
from moderation.policy import Policy
from moderation.publish_settings import PublishSettings
from moderation.registry import Registry
from moderation.source import Source
from moderation.stages import Stages
from moderation.store import Jobs, Store
from moderation.testing.clips import BLACK, WHITE, Clip, silence, tone
from moderation.testing.detectors import Brightness, Echo, Loudness, as_plugin
from moderation.verdict import Action, CoverageStatus

POLICY = Policy.parse(
    """
schema = "moderation.policy/v1"
name = "test"
version = "1"

[coverage]
brightness = 1.0

[[rules]]
id = "lure"
label = "Scam/Lure"
action = "review"
""",
    "test.toml",
)


class Moody(Detector[FrameBatch]):
    """Fails in the middle of the video, and nowhere else."""

    name = "brightness"
    wants = Frames(per_second=1, batch=1)
    labels = {"bright": "Context/Person"}

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for batch in batches:
            if 2 < batch[0].at.seconds < 4:
                raise RuntimeError("it is in a mood")
            yield from ()


class Ears(Loudness):
    """Says of every chunk for itself that it is loud."""

    def detect(self, batches: Iterable[AudioChunk]) -> Iterator[Evidence | Degraded]:
        for chunk in batches:
            yield from super().detect([chunk])


class Lost(Brightness):
    """Its device is gone."""

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        raise DeviceLost("the device is lost", hint="see what the driver reports")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'moderation.db'}") as opened:
        yield opened


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """8 s that are looked at in four sections: light, dark and two words with pauses between."""
    clip = Clip(64, 48, fps=5).show(3, WHITE).show(2, BLACK).show(3, WHITE)
    clip.hear(tone(1.5), at=0.2).hear(silence(1), at=5).hear(tone(1), at=6.5)
    return clip.write(tmp_path / "long.mp4")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The process ids of decoders that were started."""
    pids: list[int] = []

    class Counted(DecoderProcess):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            pids.append(self.pid)

    monkeypatch.setattr(reader, "DecoderProcess", Counted)
    return pids


def stages(
    store: Store,
    folder: Path,
    *classes: type[Detector[Any]],
    section_s: float = 2,
    time_limit_s: float = 600,
    attempts: int = 3,
    results: str = "",
    **lanes: Any,
) -> Stages:
    registry = Registry()
    registry.register(as_plugin(*(classes or (Brightness, Loudness, Echo))), "mine")
    jobs = JobSettings(section_s=section_s, retry_s=0, time_limit_s=time_limit_s, attempts=attempts)
    settings = Settings(
        home=folder / "home",
        jobs=jobs,
        lanes=lanes or {"cpu": ("*",)},
        publish=PublishSettings(results=results),
    )
    return Stages(settings, registry, store)


def submitted(store: Store, path: Path) -> Job:
    with Source.open(path) as source:
        jobs = Jobs(store)
        given = Submission(uri=str(path), pin=source.pin, policy=jobs.keep(POLICY))
        return jobs.submit([given])[0]


def all_done(worker: Stages) -> None:
    """Work until there is nothing left."""
    while any(turn(worker, lane) for lane in (CONTROL, "cpu")):
        continue


def turn(worker: Stages, lane: str) -> list[str]:
    return list(worker.work(lane, "one"))


def evidence(store: Store) -> list[Evidence]:
    (scan,) = store.scans()
    return list(scan.evidence)


# A short video


def test_a_short_video_is_opened_once(store: Store, tmp_path: Path, started: list[int]) -> None:
    job = submitted(store, Clip(64, 48, fps=5).show(2, WHITE).write(tmp_path / "short.mp4"))
    worker = stages(store, tmp_path)
    assert turn(worker, "cpu") == [], "it serves the lane, as its first message said"
    assert turn(worker, CONTROL) == [CONTROL]
    done = Jobs(store).get(job.id)
    assert (done.state, done.action) == (JobState.DONE, Action.APPROVE)
    assert [part.kind for part in done.parts] == [
        Kind.INGEST,
        Kind.SCAN,
        Kind.DECIDE,
    ]
    assert {part.state for part in done.parts} == {PartState.DONE}
    assert len(started) == 1


def test_the_verdict_is_published_from_the_same_file(
    store: Store, tmp_path: Path, started: list[int]
) -> None:
    path = Clip(64, 48, fps=5).show(2, WHITE).write(tmp_path / "short.mp4")
    job = submitted(store, path)
    worker = stages(store, tmp_path, results=str(tmp_path / "results"))
    turn(worker, "cpu")
    assert turn(worker, CONTROL) == [CONTROL]
    kinds = {part.kind: part.state for part in Jobs(store).get(job.id).parts}
    assert kinds[Kind.PUBLISH] is PartState.DONE
    (document,) = (tmp_path / "results").rglob(f"{job.id}.json")
    assert str(path) in document.read_text()
    assert len(started) == 1


def test_a_lane_of_others_is_told_at_once(store: Store, tmp_path: Path, long: Path) -> None:
    submitted(store, long)
    worker = stages(store, tmp_path, section_s=0, gpu=("brightness",), cpu=("*",))
    assert turn(worker, "cpu") == []
    told = worker.work(CONTROL, "one")
    assert next(told) == "gpu", "before it looks itself"
    assert list(told) == [CONTROL]
    assert turn(worker, "gpu") == ["gpu"], "the last one ends the job"
    assert [scan.verdict.action for scan in store.scans()] == [Action.REVIEW]


def test_fault_007_who_is_late_tries_again_and_then_says_what_was_seen(
    store: Store, tmp_path: Path, long: Path
) -> None:
    job = submitted(store, long)
    worker = stages(store, tmp_path, section_s=0, time_limit_s=1e-6, attempts=2)
    all_done(worker)
    done = Jobs(store).get(job.id)
    (part,) = (each for each in done.parts if each.kind is Kind.SCAN)
    assert [each.outcome for each in Jobs(store).attempts(part.id)] == ["failed", "done"]
    assert (done.state, done.action) == (JobState.DONE, Action.INCOMPLETE)


# A long one


def test_a_long_video_is_shared(store: Store, tmp_path: Path, long: Path) -> None:
    job = submitted(store, long)
    worker = stages(store, tmp_path)
    assert sorted(turn(worker, CONTROL)) == [CONTROL, "cpu", "cpu", "cpu", "cpu"]
    assert [turn(worker, "cpu") for _ in range(3)] == [["cpu"]] * 3, "each part is one turn"
    assert turn(worker, "cpu")[-1] == "cpu"
    all_done(worker)
    parts = Jobs(store).get(job.id).parts
    assert [part.number for part in parts if part.kind is Kind.SCAN] == [0, 1, 2, 3]


def test_what_is_found_does_not_depend_on_the_sections(
    store: Store, tmp_path: Path, long: Path
) -> None:
    submitted(store, long)
    seeing = (Brightness, Ears, Echo)
    all_done(stages(store, tmp_path, *seeing))
    (shared,) = store.scans()
    with Store.open(f"sqlite:///{tmp_path / 'other.db'}") as other:
        submitted(other, long)
        all_done(stages(other, tmp_path, *seeing, section_s=0))
        (whole,) = other.scans()
    assert shared.verdict.action is whole.verdict.action
    assert [each.label for each in shared.verdict.segments] == [
        each.label for each in whole.verdict.segments
    ]
    for ours, theirs in zip(shared.verdict.segments, whole.verdict.segments, strict=True):
        assert ours.span.start.seconds == pytest.approx(theirs.span.start.seconds, abs=1)
        assert ours.span.end.seconds == pytest.approx(theirs.span.end.seconds, abs=1)
    covered = {each.detector: each.status for each in shared.coverage}
    assert covered == {each.detector: each.status for each in whole.coverage}


def test_what_fails_in_one_section_leaves_the_others(
    store: Store, tmp_path: Path, long: Path
) -> None:
    submitted(store, long)
    all_done(stages(store, tmp_path, Moody))
    (scan,) = store.scans()
    (coverage,) = scan.coverage
    assert coverage.status is CoverageStatus.FAILED
    assert coverage.reason.startswith("0:00:02")
    assert "it is in a mood" in coverage.reason
    assert 0.5 < coverage.share < 1
    assert scan.verdict.action is Action.INCOMPLETE


# Workers that differ, and second thoughts


def test_everyone_looks_as_planned(store: Store, tmp_path: Path, long: Path) -> None:
    submitted(store, long)
    turn(stages(store, tmp_path, section_s=0), CONTROL)
    other = stages(store, tmp_path, section_s=0, gpu=("brightness",), cpu=("loudness", "*"))
    assert turn(other, "gpu") == []
    all_done(other)
    (scan,) = store.scans()
    assert {each.status for each in scan.coverage} == {CoverageStatus.COMPLETE}
    assert sum(each.label == "Context/Speech" for each in scan.evidence) == 1


def test_what_different_detectors_saw_together_is_not_reused(
    store: Store, tmp_path: Path, long: Path
) -> None:
    submitted(store, long)
    turn(stages(store, tmp_path, section_s=0), CONTROL)
    older = stages(store, tmp_path, Brightness, Loudness, section_s=0)
    all_done(older)
    (scan,) = store.scans()
    assert "other detectors" in scan.cut_short


def test_known_bytes_are_looked_at_again_when_a_person_asks(
    store: Store, tmp_path: Path, long: Path
) -> None:
    worker = stages(store, tmp_path, section_s=0)
    submitted(store, long)
    all_done(worker)
    again = long.with_name("again.mp4")
    again.write_bytes(long.read_bytes())
    job = submitted(store, again)
    all_done(worker)
    assert Kind.SCAN not in {part.kind for part in Jobs(store).get(job.id).parts}
    known = Jobs(store).get(job.id).scan_id
    Jobs(store).retry(job.id, ["brightness"])
    all_done(worker)
    done = Jobs(store).get(job.id)
    assert Kind.SCAN in {part.kind for part in done.parts}
    assert done.state is JobState.DONE
    assert done.scan_id != known


# What goes wrong


def test_a_device_that_is_lost_gives_the_part_back(
    store: Store, tmp_path: Path, long: Path
) -> None:
    job = submitted(store, long)
    worker = stages(store, tmp_path, Lost, section_s=0)
    turn(worker, CONTROL)
    turn(worker, "cpu")
    (part,) = (each for each in Jobs(store).get(job.id).parts if each.kind is Kind.SCAN)
    assert (part.state, part.attempt) == (PartState.QUEUED, 1)
    assert "the device is lost" in part.error


def test_a_file_that_was_replaced_fails_its_job(store: Store, tmp_path: Path, long: Path) -> None:
    job = submitted(store, long)
    Clip(64, 48, fps=5).show(1, BLACK).write(long)
    all_done(stages(store, tmp_path))
    done = Jobs(store).get(job.id)
    assert done.state is JobState.FAILED
    assert "source_changed" in done.error


def test_a_part_that_fails_for_good_does_not_hold_up_the_verdict(
    store: Store, tmp_path: Path, long: Path
) -> None:
    submitted(store, long)
    worker = stages(store, tmp_path, Lost, section_s=0)
    worker.leases = type(worker.leases)(store, attempts=1)
    turn(worker, CONTROL)
    assert turn(worker, "cpu") == ["cpu"]
    (scan,) = store.scans()
    assert scan.verdict.action is Action.INCOMPLETE
    assert scan.coverage[0].status is CoverageStatus.FAILED
