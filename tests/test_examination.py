"""An examination: one decode for all, and nobody pays for another's failure."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moderation.config import MediaLimits, Settings
from moderation.detector import Audio, Degraded, Detector, Frames
from moderation.errors import Cancelled, DeadlineExceeded
from moderation.evidence import Evidence
from moderation.examination import Examination, examine, join
from moderation.look import Step, Watch
from moderation.media import FrameBatch, MediaReader
from moderation.source import Source
from moderation.testing.clips import BLACK, WHITE, Clip, silence, tone
from moderation.testing.detectors import Brightness, Echo, Loudness
from moderation.timeline import Instant, Span
from moderation.verdict import Coverage, CoverageStatus


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s: black, then white from 2 s on; a tone from 1 s to 3 s."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    film = Clip(64, 48, fps=5).show(2, BLACK).show(2, WHITE)
    return film.hear(tone(2), at=1).hear(silence(4)).write(path)


def examination(
    path: Path, *detectors: Detector[Any], watch: Watch = lambda _: None, **settings: Any
) -> Examination:
    settings.setdefault("media", MediaLimits(unchanged_below=0))
    chosen = Settings(**settings)
    with Source.open(path) as source, MediaReader(source, chosen.media) as media:
        video = media.probe()
        return join([examine(media, video, detectors, chosen, watch)], video, detectors, chosen)


def covered(seen: Examination, name: str) -> Coverage:
    return next(each for each in seen.coverage if each.detector == name)


class Failing(Brightness):
    """Sees one frame, then raises whatever it was given."""

    name = "failing"
    error: BaseException = RuntimeError("a bug")

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        yield self.evidence("bright", 0.9, next(iter(batches))[0].span)
        raise self.error


class Exiting(Failing):
    name = "exiting"
    error = SystemExit(0)


class Hanging(Brightness):
    """Never answers until the test lets it go."""

    name = "hanging"
    release = threading.Event()

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        next(iter(batches))
        self.release.wait()
        yield from ()


class Lost(Brightness):
    """Reports times that the video does not have."""

    name = "lost"

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        list(batches)
        yield self.evidence("bright", 0.9, Span.from_seconds(100, 101))
        yield self.evidence("bright", 0.9, Span.from_seconds(1, 2))


class HalfBlind(Brightness):
    name = "half_blind"

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        yield Degraded("only one eye")
        yield from super().detect(batches)


class Scribbler(Brightness):
    """Tries to write into the frames it was lent."""

    name = "scribbler"

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for batch in batches:
            np.copyto(batch[0].image, 0)
        yield from ()


def test_frames_and_sound_come_from_one_decode(clip: Path) -> None:
    seen = examination(clip, Brightness(), Loudness())
    labels = {each.label for each in seen.evidence}
    assert labels == {"Context/Person", "Context/Speech"}
    assert {each.status for each in seen.coverage} == {CoverageStatus.COMPLETE}


def test_evidence_has_the_time_at_which_it_was_seen(clip: Path) -> None:
    seen = examination(clip, Brightness())
    first = min(each.span.start for each in seen.evidence)
    assert first == Instant.from_seconds(2)


def test_coverage_counts_what_was_examined(clip: Path) -> None:
    seen = examination(clip, Brightness(), Loudness())
    frames, sound = covered(seen, "brightness"), covered(seen, "loudness")
    assert (frames.unit, frames.planned, frames.examined) == ("samples", 5, 5)
    assert sound.unit == "seconds"
    assert sound.examined == sound.planned == pytest.approx(4, abs=0.2)


def test_text_is_read_after_frames_and_sound(clip: Path) -> None:
    seen = examination(clip, Loudness(), Echo())
    assert [each.text for each in seen.evidence if each.label == "Scam/Lure"] == ["loud"]
    assert covered(seen, "echo").unit == "texts"


def test_a_detector_that_raises_costs_its_own_coverage(clip: Path) -> None:
    seen = examination(clip, Failing(), Brightness())
    assert covered(seen, "failing").status is CoverageStatus.FAILED
    assert covered(seen, "failing").reason == "RuntimeError: a bug"
    assert covered(seen, "brightness").status is CoverageStatus.COMPLETE


def test_what_a_failing_detector_saw_before_is_kept(clip: Path) -> None:
    assert [each.detector for each in examination(clip, Failing()).evidence] == ["failing"]


def test_fault_075_a_detector_that_exits_has_failed(clip: Path) -> None:
    assert covered(examination(clip, Exiting()), "exiting").status is CoverageStatus.FAILED


def test_fault_074_a_detector_that_hangs_is_left_behind(clip: Path) -> None:
    try:
        seen = examination(clip, Hanging(), Brightness(), detector_stall=0.3)
    finally:
        Hanging.release.set()
    assert covered(seen, "hanging").status is CoverageStatus.FAILED
    assert "did not answer for 0.3 s" in covered(seen, "hanging").reason
    assert covered(seen, "brightness").status is CoverageStatus.COMPLETE


def test_fault_073_evidence_outside_the_video_is_refused_and_counted(clip: Path) -> None:
    seen = examination(clip, Lost())
    assert [each.span.start.seconds for each in seen.evidence] == [1.0]
    assert covered(seen, "lost").status is CoverageStatus.PARTIAL
    assert "1 pieces of evidence were not kept" in covered(seen, "lost").reason


def test_fault_073_evidence_beyond_the_limit_is_refused_and_counted(clip: Path) -> None:
    seen = examination(clip, Brightness({"threshold": 0}), max_evidence=2, evidence_floor=0)
    assert len(seen.evidence) == 2
    assert "3 pieces of evidence were not kept" in covered(seen, "brightness").reason


@pytest.mark.parametrize("value", [math.nan, {1, 2}, b"bytes"])
def test_fault_073_a_detail_that_cannot_be_stored_is_refused(clip: Path, value: object) -> None:
    class Chatty(Brightness):
        name = "chatty"

        def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
            list(batches)
            yield self.evidence("bright", 0.9, Span.from_seconds(1, 2), value=value)

    seen = examination(clip, Chatty(), Brightness())
    assert covered(seen, "chatty").status is CoverageStatus.PARTIAL
    assert covered(seen, "brightness").status is CoverageStatus.COMPLETE


def test_fault_077_frames_cannot_be_written_to(clip: Path) -> None:
    assert "read-only" in covered(examination(clip, Scribbler()), "scribbler").reason


def test_evidence_below_the_floor_is_dropped(clip: Path) -> None:
    seen = examination(clip, Brightness({"threshold": 0}), evidence_floor=0.2)
    assert {each.span.start.seconds for each in seen.evidence} == {2, 3, 3.8}


def test_words_are_kept_however_unsure(clip: Path) -> None:
    """They were said: what became of them is for a text detector and a policy to judge."""

    class Mumbler(Brightness):
        name = "mumbler"
        labels = {"speech": "Context/Speech", "text": "Violence/Threat"}

        def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
            list(batches)
            for what in self.labels:
                yield self.evidence(what, 0.1, Span.from_seconds(1, 2), text="and over")

    seen = examination(clip, Mumbler(), evidence_floor=0.2)
    assert [each.label for each in seen.evidence] == ["Context/Speech"]


def test_a_detector_may_say_that_it_is_not_at_its_best(clip: Path) -> None:
    coverage = covered(examination(clip, HalfBlind()), "half_blind")
    assert (coverage.status, coverage.reason) == (CoverageStatus.DEGRADED, "only one eye")


def test_a_partial_look_with_lesser_means_says_both(tmp_path: Path) -> None:
    """A policy may forgive what is missing, and not what was poorly seen."""
    whole = Clip(320, 240, fps=10).show(10, lambda t: np.full((240, 320, 3), t * 25, np.uint8))
    path = whole.write(tmp_path / "cut.mp4", options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    coverage = covered(examination(path, HalfBlind()), "half_blind")
    assert coverage.status is CoverageStatus.DEGRADED
    assert coverage.share < 0.8


def test_a_video_without_sound_has_nothing_to_hear(tmp_path: Path) -> None:
    path = Clip(64, 48, fps=5).show(1, BLACK).write(tmp_path / "silent.mp4")
    coverage = covered(examination(path, Loudness(), Brightness()), "loudness")
    assert (coverage.status, coverage.share) == (CoverageStatus.NOT_APPLICABLE, 1.0)


def test_a_truncated_file_says_how_much_was_missed(tmp_path: Path) -> None:
    whole = Clip(320, 240, fps=10).show(10, lambda t: np.full((240, 320, 3), t * 25, np.uint8))
    path = whole.write(tmp_path / "cut.mp4", options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    coverage = covered(examination(path, Brightness()), "brightness")
    assert coverage.status is CoverageStatus.PARTIAL
    assert 0.2 < coverage.share < 0.8
    assert coverage.reason


def test_progress_tells_where_each_detector_is(clip: Path) -> None:
    steps: list[Step] = []
    examination(clip, Brightness(), Loudness(), watch=steps.append)
    assert {each.detector for each in steps} == {"decode", "brightness", "loudness"}
    assert all(each.at <= each.end for each in steps)


def test_time_is_told_per_detector(clip: Path) -> None:
    assert set(examination(clip, Brightness(), Loudness()).seconds) == {"brightness", "loudness"}


def test_an_interruption_stops_everybody(clip: Path) -> None:
    def interrupt(step: Step) -> None:
        if step.detector == "decode":
            raise Cancelled

    with pytest.raises(Cancelled):
        examination(clip, Brightness(), watch=interrupt)
    assert not [each for each in threading.enumerate() if each.name == "look-brightness"]


def test_fault_007_who_is_late_keeps_what_was_seen(tmp_path: Path) -> None:
    """As if the file ended there; what came after is said to be missing."""
    late = threading.Event()

    def watch(step: Step) -> None:
        if step.detector == "brightness" and step.at.seconds >= 3:
            late.set()
        if late.is_set():
            raise DeadlineExceeded("time is up")

    path = Clip(64, 48, fps=5).show(60, WHITE).write(tmp_path / "long.mp4")
    seen = examination(path, Brightness(), watch=watch)
    (coverage,) = seen.coverage
    assert [each.span.start.seconds for each in seen.evidence][:3] == [0, 1, 2]
    assert (coverage.status, coverage.reason) == (CoverageStatus.PARTIAL, "time is up")
    assert coverage.examined < 60 <= coverage.planned
    assert seen.cut_short == "time is up", "it is not reused"


def test_sampling_follows_the_detectors_own_wish(clip: Path) -> None:
    class Eager(Brightness):
        name = "eager"
        wants = Frames(per_second=5)

    assert covered(examination(clip, Eager()), "eager").planned == 20


def test_two_examinations_agree(clip: Path) -> None:
    first, second = (examination(clip, Brightness(), Loudness(), Echo()) for _ in range(2))
    assert first.evidence == second.evidence
    assert first.coverage == second.coverage


def test_audio_chunks_follow_the_detectors_own_wish(clip: Path) -> None:
    lengths: list[float] = []

    class Patient(Loudness):
        name = "patient"
        wants = Audio(seconds=1.5)

        def detect(self, batches: Iterable[Any]) -> Iterator[Evidence | Degraded]:
            lengths.extend(chunk.span.duration_us / 1e6 for chunk in batches)
            yield from ()

    examination(clip, Patient())
    assert lengths[0] == pytest.approx(1.5)


class Threat(Brightness):
    """Sees a knife in every frame, and ten people."""

    name = "threat"
    labels = {"person": "Context/Person", "knife": "Violence/Weapons/Knife"}

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for batch in batches:
            for frame in batch:
                for number in range(10):
                    yield self.evidence("person", 0.9, frame.span, number=number)
                yield self.evidence("knife", 0.9, frame.span)


def test_a_crowd_takes_no_room_from_a_violation(clip: Path) -> None:
    seen = examination(clip, Threat(), max_evidence=10)
    assert sum(each.label.endswith("Knife") for each in seen.evidence) == 5
    assert covered(seen, "threat").status is CoverageStatus.PARTIAL


def test_a_violation_that_could_not_be_kept_is_a_failure(clip: Path) -> None:
    seen = examination(clip, Threat(), max_evidence=2)
    assert covered(seen, "threat").status is CoverageStatus.FAILED


def test_a_detector_that_stops_early_has_failed(clip: Path) -> None:
    class Bored(Brightness):
        name = "bored"

        def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
            next(iter(batches))
            yield from ()

    coverage = covered(examination(clip, Bored()), "bored")
    assert coverage.status is CoverageStatus.FAILED
    assert coverage.reason.startswith("stopped looking before the end")


def test_a_detector_that_hangs_before_its_first_batch_is_left_behind(clip: Path) -> None:
    class Late(Hanging):
        name = "late"
        release = threading.Event()

        def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
            self.release.wait()
            yield from super().detect(batches)

    try:
        seen = examination(clip, Late(), Brightness(), detector_stall=0.3)
    finally:
        Late.release.set()
    assert "did not answer for 0.3 s" in covered(seen, "late").reason


def test_who_was_left_behind_changes_nothing_any_more(clip: Path) -> None:
    """It wakes up while the second stage reads, and has something to say."""
    woken = threading.Event()

    class Sleeper(Brightness):
        name = "sleeper"
        labels = {"text": "Context/Screen text"}
        release = threading.Event()

        def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
            list(batches)
            self.release.wait()
            try:
                yield self.evidence("text", 0.9, Span.from_seconds(1, 2), text="for sale")
            finally:
                woken.set()

    class Waker(Echo):
        name = "waker"

        def detect(self, batches: Iterable[Any]) -> Iterator[Evidence | Degraded]:
            Sleeper.release.set()
            woken.wait(5)
            yield from super().detect(batches)

    seen = examination(clip, Sleeper(), Waker(), detector_stall=0.3)
    assert covered(seen, "sleeper").status is CoverageStatus.FAILED
    assert not seen.evidence


def test_a_detector_that_hangs_is_not_given_the_next_video(clip: Path) -> None:
    class Stuck(Hanging):
        name = "stuck"
        release = threading.Event()

    detector = Stuck()
    try:
        examination(clip, detector, detector_stall=0.3)
        seen = examination(clip, detector, detector_stall=0.3)
    finally:
        Stuck.release.set()
    assert "still hangs in an earlier video" in covered(seen, "stuck").reason
