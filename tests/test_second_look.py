"""Where a detector looks at more than it samples, and where it need not look at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from moderation.config import MediaLimits, Settings
from moderation.detector import Degraded, Detector, Frames
from moderation.evidence import Evidence
from moderation.examination import Examination, examine, join
from moderation.media import FrameBatch, MediaReader
from moderation.second_look import both, windows_around
from moderation.section import sections
from moderation.source import Source
from moderation.stitch import stitch
from moderation.testing.clips import BLACK, WHITE, Clip, silence, tone
from moderation.testing.detectors import Brightness, Loudness
from moderation.testing.scans import make_evidence
from moderation.timeline import Instant
from moderation.verdict import Coverage, CoverageStatus

SECOND = 1_000_000


class Knives(Brightness):
    """Calls every bright frame a knife; counts the frames that it was given."""

    name = "knives"
    labels = {"bright": "Violence/Weapons/Knife"}

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.looked: list[int] = []

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        for batch in batches:
            self.looked += [frame.at.us for frame in batch]
            yield from super().detect([batch])


class Following(Knives):
    name = "following"
    wants = Frames(per_second=1, unchanged="tell")


def examination(
    path: Path,
    *detectors: Detector[Any],
    matters: Callable[[Evidence], bool] = lambda _: True,
    settled: Callable[[Sequence[Evidence]], bool] = lambda _: False,
    **limits: Any,
) -> Examination:
    settings = Settings(media=MediaLimits(**limits))
    with Source.open(path) as source, MediaReader(source, settings.media) as media:
        video = media.probe()
        seen = examine(media, video, detectors, settings, matters=matters, settled=settled)
        return join([seen], video, detectors, settings)


def times(seen: Examination) -> list[float]:
    return [each.span.start.us / SECOND for each in seen.evidence]


@pytest.fixture(scope="module", params=[".mp4", ".ts"])
def flash(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 s, white from 4.6 s to 5.6 s; a container that can be jumped in, and one that cannot."""
    clip = Clip(64, 48, fps=10).show(4.6, BLACK).show(1, WHITE).show(4.4, BLACK)
    return clip.write(tmp_path_factory.mktemp("clips") / f"flash{request.param}")


# What looks alike


def test_what_is_seen_holds_for_frames_that_look_alike(tmp_path: Path) -> None:
    path = Clip(64, 48, fps=5).show(3, WHITE).show(3, BLACK).write(tmp_path / "clip.mp4")
    knives = Knives()
    seen = examination(path, knives, closer=1)
    assert (times(seen), knives.looked) == ([0, 1, 2], [0, 3 * SECOND])
    assert [each.best for each in seen.evidence] == [each.span.start for each in seen.evidence]


def test_inherited_evidence_says_from_where(tmp_path: Path) -> None:
    path = Clip(64, 48, fps=5).show(3, WHITE).write(tmp_path / "clip.mp4")
    details = [each.detail for each in examination(path, Knives(), closer=1).evidence]
    assert [each.get("inherited_from_us") for each in details] == [None, 0, 0, 0]


def test_coverage_tells_what_was_inherited(tmp_path: Path) -> None:
    path = Clip(64, 48, fps=5).show(3, WHITE).write(tmp_path / "clip.mp4")
    (coverage,) = examination(path, Knives(), closer=1).coverage
    assert coverage.status is CoverageStatus.COMPLETE
    assert (coverage.planned, coverage.examined, coverage.inherited) == (4, 4, 3)


def test_inheriting_changes_nothing_that_is_found(tmp_path: Path) -> None:
    path = Clip(64, 48, fps=5).show(3, WHITE).show(2, BLACK).show(2, WHITE)
    clip = path.write(tmp_path / "clip.mp4")
    passing = examination(clip, Knives(), closer=1)
    looking = examination(clip, Knives(), closer=1, unchanged_below=0)
    assert times(passing) == times(looking)


# A second look


def test_the_true_span_of_a_find_is_found(flash: Path) -> None:
    found = times(examination(flash, Knives()))
    assert found[0] == pytest.approx(4.6, abs=0.26)
    assert found[-1] == pytest.approx(5.5, abs=0.26)
    assert len(found) >= 4


def test_a_second_look_is_at_the_surroundings_only(flash: Path) -> None:
    knives = Knives()
    examination(flash, knives, unchanged_below=0)
    again = knives.looked[11:]
    assert again
    assert min(again) >= 4 * SECOND
    assert max(again) <= 6 * SECOND
    assert max(b - a for a, b in pairwise(again)) <= SECOND / 4 + 100_000


def test_a_second_look_reaches_over_the_border_of_a_section(flash: Path) -> None:
    """Whatever is found in one piece is found however a video was cut."""
    settings = Settings(media=MediaLimits())
    with Source.open(flash) as source, MediaReader(source, settings.media) as media:
        video, parts = media.probe(), sections([Instant(5 * SECOND)])
        looks = [
            examine(media, video, [Knives()], settings, matters=lambda _: True, section=each)
            for each in parts
        ]
        whole = join([stitch(list(zip(parts, looks, strict=True)), video)], video, [], settings)
    assert set(times(whole)) >= set(times(examination(flash, Knives())))


def test_what_does_not_matter_gets_no_second_look(flash: Path) -> None:
    assert times(examination(flash, Knives(), matters=lambda _: False)) == [5]


def test_a_second_look_can_be_switched_off(flash: Path) -> None:
    assert times(examination(flash, Knives(), closer=1)) == [5]


def test_who_follows_things_gets_no_second_look(flash: Path) -> None:
    """The video would begin anew for it in the middle."""
    following = Following()
    examination(flash, following, unchanged_below=0)
    assert len(following.looked) == 11


def test_coverage_counts_both_looks(flash: Path) -> None:
    (once,) = examination(flash, Knives(), closer=1).coverage
    (twice,) = examination(flash, Knives()).coverage
    assert twice.status is CoverageStatus.COMPLETE
    assert twice.planned == twice.examined > once.planned


def test_windows_reach_from_one_sample_to_the_next() -> None:
    (window,) = windows_around([make_evidence("Scam/Lure", start_s=5)], 1, 60)
    assert [each.us for each in window] == [4 * SECOND, 6 * SECOND]


def test_windows_that_touch_are_one() -> None:
    hits = [make_evidence("Scam/Lure", start_s=at) for at in (5, 7, 20)]
    spans = [(start.us, end.us) for start, end in windows_around(hits, 1, 60)]
    assert spans == [(4 * SECOND, 8 * SECOND), (19 * SECOND, 21 * SECOND)]


def test_the_surest_finds_come_first() -> None:
    hits = [make_evidence("Scam/Lure", score=at / 100, start_s=at) for at in (10, 50, 90)]
    spans = [start.us for start, _ in windows_around(hits, 1, 4)]
    assert spans == [49 * SECOND, 89 * SECOND]


def test_two_looks_are_no_better_than_the_worse() -> None:
    first = Coverage(detector="a", status=CoverageStatus.COMPLETE, planned=5, examined=5)
    second = Coverage(detector="a", status=CoverageStatus.FAILED, planned=4, reason="it broke")
    together = both(first, second)
    assert (together.status, together.planned, together.examined, together.reason) == (
        CoverageStatus.FAILED,
        9,
        5,
        "it broke",
    )


# Enough seen


def test_a_look_ends_when_nothing_can_change_the_verdict(tmp_path: Path) -> None:
    long = Clip(64, 48, fps=5).show(2, BLACK)
    for _ in range(60):
        long = long.show(1, WHITE).show(1, BLACK)
    path = long.hear(tone(120)).write(tmp_path / "long.mp4")
    knives = Knives()
    seen = examination(path, knives, Loudness(), settled=lambda found: len(found) >= 2)
    assert 2 <= len(knives.looked) < 61
    assert seen.cut_short == "the verdict was settled before the end"
    statuses = {each.detector: (each.status, each.reason) for each in seen.coverage}
    assert statuses["knives"] == (CoverageStatus.PARTIAL, seen.cut_short)
    assert statuses["loudness"][0] is not CoverageStatus.COMPLETE


def test_a_look_that_is_not_settled_is_whole(tmp_path: Path) -> None:
    path = Clip(64, 48, fps=5).show(4, WHITE).hear(silence(4)).write(tmp_path / "clip.mp4")
    seen = examination(path, Knives(), settled=lambda _: False)
    assert seen.cut_short == ""
    assert seen.coverage[0].status is CoverageStatus.COMPLETE
