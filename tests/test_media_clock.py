"""A clock: what is right stays to the microsecond, and only what cannot be is mended."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.media.clock import Clock, TimeScale

MILLISECONDS = Fraction(1, 1000)
STEP_US = 40_000


def clock(time_base: Fraction = MILLISECONDS, start: Fraction = Fraction(0)) -> Clock:
    return Clock(TimeScale(time_base, start), STEP_US)


def told(stamps: Iterable[int | None]) -> list[int]:
    ticking = clock()
    return [ticking.tick(stamp).us for stamp in stamps]


def test_good_timestamps_are_kept() -> None:
    assert told([0, 40, 80, 1000, 601_000]) == [0, 40_000, 80_000, 1_000_000, 601_000_000]


@pytest.mark.parametrize("frame", [1, 2, 1_000_003])
def test_ntsc_times_are_the_nearest_microsecond(frame: int) -> None:
    ticking = clock(Fraction(1, 30_000))
    exact = Fraction(1001 * frame, 30_000) * 1_000_000
    assert abs(ticking.tick(1001 * frame).us - exact) <= Fraction(1, 2)


def test_time_counts_from_the_start_of_the_file() -> None:
    ticking = clock(Fraction(1, 90_000), start=Fraction(126_000, 90_000))
    assert [ticking.tick(126_000).us, ticking.tick(129_600).us] == [0, 40_000]


def test_frames_without_timestamps_follow_at_the_frame_rate() -> None:
    assert told([None, None, None, 500]) == [0, 40_000, 80_000, 500_000]


def test_repeated_timestamps_are_spread_at_the_frame_rate() -> None:
    assert told([7, 7, 7, 7]) == [7_000, 47_000, 87_000, 127_000]


def test_one_repeated_timestamp_does_not_shift_the_rest() -> None:
    assert told([0, 40, 40, 80, 120, 160, 200])[-2:] == [160_000, 200_000]


def test_a_frame_set_back_does_not_shift_the_rest() -> None:
    assert told([0, 40, 80, 60, 120, 160, 200])[-2:] == [160_000, 200_000]


def test_a_count_that_begins_anew_goes_on_where_the_first_ended() -> None:
    assert told([9_000, 9_040, 0, 40, 80]) == [9_000_000, 9_040_000, 9_080_000, 9_120_000,
                                               9_160_000]  # fmt: skip


def test_what_is_cut_away_before_the_start_lies_at_the_start() -> None:
    ticking = clock()
    seen = [(ticking.tick(stamp).us, ticking.elapsed_us) for stamp in (-80, -40, 0, 40)]
    assert seen == [(0, -80_000), (1, -40_000), (2, 0), (40_000, 40_000)]


@given(st.lists(st.none() | st.integers(-(1 << 62), 1 << 62), max_size=50))
def test_no_timestamps_make_time_stand_still_or_negative(stamps: list[int | None]) -> None:
    times = told(stamps)
    assert all(later > earlier for earlier, later in pairwise(times))
    assert all(time >= 0 for time in times)
