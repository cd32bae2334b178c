"""Time: exact, parsed and printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.timeline import Instant, Span, parse_duration

microseconds = st.integers(min_value=0, max_value=10**12)


@pytest.mark.parametrize(
    ("text", "us"),
    [("0", 0), ("12.5", 12_500_000), ("1:02.5", 62_500_000), ("2:00:00.000001", 7_200_000_001)],
)
def test_a_time_is_read_to_the_microsecond(text: str, us: int) -> None:
    assert Instant.parse(text) == Instant(us)


@pytest.mark.parametrize("text", ["", "-1", "1:2:3:4", "abc", "1,5"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        Instant.parse(text)


@given(microseconds)
def test_a_printed_time_reads_back_to_the_millisecond(us: int) -> None:
    assert abs(Instant.parse(str(Instant(us))) - Instant(us)) < 1000


def test_a_time_before_the_first_frame_prints_its_sign() -> None:
    assert str(Instant(-1_500_000)) == "-0:00:01.500"


def test_a_span_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="cannot end before"):
        Span(Instant(2), Instant(1))


def test_the_hull_holds_all_spans() -> None:
    spans = [Span.from_seconds(3, 4), Span.from_seconds(1, 2)]
    assert Span.hull(spans) == Span.from_seconds(1, 4)


@given(microseconds, microseconds)
def test_the_gap_between_two_instants_is_their_distance(first: int, second: int) -> None:
    one, other = Span.at(Instant(first)), Span.at(Instant(second))
    assert one.gap_us(other) == other.gap_us(one) == abs(first - second)


def test_overlapping_spans_have_no_gap() -> None:
    assert Span.from_seconds(0, 5).gap_us(Span.from_seconds(4, 9)) == 0


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("10s", 10_000_000),
        ("500ms", 500_000),
        ("1.5m", 90_000_000),
        ("2h", 7_200_000_000),
        ("3", 3_000_000),
    ],
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, us: int) -> None:
    assert parse_duration(text) == us


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 day", "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)
