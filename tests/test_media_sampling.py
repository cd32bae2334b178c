"""Sampling: the promise that `Frames` makes."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.media.picture import Picture
from moderation.media.sampling import Sampler
from moderation.timeline import MICROSECONDS


def sampled(times_us: list[int], per_second: float) -> list[int]:
    sampler = Sampler(per_second)
    pictures = [cast("Picture", SimpleNamespace(elapsed_us=at)) for at in times_us]
    chosen = [each for picture in pictures for each in sampler.offer(picture)]
    return [each.elapsed_us for each in (*chosen, *sampler.finish())]


def frames_at(rate: Fraction, seconds: int) -> list[int]:
    return [round(number / rate * MICROSECONDS) for number in range(int(seconds * rate))]


def test_a_rate_that_divides_the_frame_rate_is_met_exactly() -> None:
    seconds = [at // MICROSECONDS for at in sampled(frames_at(Fraction(25), 5), 1)]
    assert seconds == [0, 1, 2, 3, 4, 4]


def test_a_rate_above_the_frame_rate_takes_every_frame() -> None:
    times = frames_at(Fraction(30_000, 1001), 3)
    assert sampled(times, 60) == times


def test_a_frame_that_stands_for_ten_minutes_is_seen() -> None:
    times = [0, 500_000, 601_000_000, 601_040_000]
    assert sampled(times, 1) == times


def test_the_frame_before_a_gap_is_the_last_that_was_shown() -> None:
    assert sampled([0, 400_000, 800_000, 5_000_000], 1) == [0, 800_000, 5_000_000]


def test_a_single_frame_is_taken_once() -> None:
    assert sampled([123], 1) == [123]


@pytest.mark.parametrize("per_second", [0.1, 1, 5, 29.97])
@given(gaps=st.lists(st.integers(1, 3 * MICROSECONDS), min_size=1, max_size=60))
def test_the_promise_holds_for_any_frame_times(per_second: float, gaps: list[int]) -> None:
    times = [sum(gaps[:count]) for count in range(1, len(gaps) + 1)]
    chosen = sampled(times, per_second)
    interval = round(MICROSECONDS / per_second)
    assert (chosen[0], chosen[-1]) == (times[0], times[-1])
    assert chosen == sorted(set(chosen))
    for earlier, later in pairwise(chosen):
        between = [at for at in times if earlier < at < later]
        assert later - earlier <= interval or not between
