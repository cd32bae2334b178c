"""Lines over time: one line one span, counters many lines, nothing kept that has ended."""

from __future__ import annotations

import numpy as np
import pytest
from moderation_text.lines import Line, Lines, same_line
from moderation_text.reading import Reading, Region

from moderation import Box, Instant, Span

GAP_US = 2_000_000


def reading(text: str, score: float = 0.95, top: float = 0.8) -> Reading:
    corners = np.zeros((4, 2), np.float32)
    region = Region(corners, Box(0.1, top, 0.5, 0.05), 0.05, 0.5, 0, 0.8)
    return Reading(text, score, region)


def at(seconds: float) -> Instant:
    return Instant.from_seconds(seconds)


def followed(*frames: list[Reading] | None) -> list[Line]:
    """All lines of frames that are a second apart; None for a picture that did not change."""
    lines, ended = Lines(GAP_US), list[Line]()
    for second, readings in enumerate(frames):
        seen = lines.hold(at(second)) if readings is None else lines.see(readings, at(second))
        ended.extend(seen)
    return [*ended, *lines.close()]


def test_two_lines_that_read_alike_may_end_together() -> None:
    """Their readings may be equal but for the places, which are arrays."""
    twice = [reading("SALE", 1.0, top=0.1), reading("SALE", 1.0, top=0.8)]
    assert len(followed(twice, [], [], [], [])) == 2


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Breaking news", "Breaking news"),
        ("Breaking news", "BREAKING NEWS."),
        ("Breaking news", "Breakinq news"),
        ("call 0800 555", "call O800 555"),
        ("加微信号赚钱很快", "加微信号賺钱很快"),
    ],
)
def test_mistakes_of_the_recogniser_are_the_same_line(a: str, b: str) -> None:
    assert same_line(a, b)
    assert same_line(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Frame = 1199", "Frame = 1200"),
        ("level 9 reached", "level 10 reached"),
        ("call 0800 555 12", "call 0800 555 123"),
        ("join us on telegra", "join us on telegram now"),
        ("aking news from London", "Breaking news from London"),
        ("cat", "car"),
        ("part a", "part b"),
        ("see you soon", "buy it today"),
    ],
)
def test_counters_growing_and_moving_text_are_other_lines(a: str, b: str) -> None:
    assert not same_line(a, b)
    assert not same_line(b, a)


def test_a_line_in_many_frames_is_one_with_its_span() -> None:
    (line,) = followed([reading("hello")], [reading("hello")], [reading("hello")])
    assert (line.span, line.count) == (Span(at(0), at(2)), 3)


def test_a_line_knows_its_way_up_to_its_end() -> None:
    rolling = [[reading("the end of it", top=0.8 - second / 10)] for second in range(3)]
    (line,) = followed(*rolling, None, None)
    assert line.trail.path == [
        [0, 0.1, 0.8, 0.5, 0.05],
        [1_000_000, 0.1, 0.7, 0.5, 0.05],
        [2_000_000, 0.1, 0.6, 0.5, 0.05],
        [4_000_000, 0.1, 0.6, 0.5, 0.05],
    ]


def test_a_picture_that_did_not_change_keeps_its_lines() -> None:
    (line,) = followed([reading("hello")], None, None, None, None)
    assert (line.span, line.count) == (Span(at(0), at(4)), 5)


def test_the_best_reading_wins_with_its_time_and_place() -> None:
    worse, better = reading("helIo world", 0.7), reading("hello world", 0.99, top=0.81)
    (line,) = followed([worse], [better], [worse])
    assert (line.best.text, line.at) == ("hello world", at(1))
    assert line.best.region.box.top == 0.81
    assert line.span == Span(at(0), at(2))


def test_a_character_that_was_cut_off_is_not_lost_for_a_better_score() -> None:
    (line,) = followed([reading("join telegra", 0.97)], [reading("join telegram", 0.95)])
    assert line.best.text == "join telegram"


def test_a_line_that_is_missed_for_a_moment_is_the_same() -> None:
    (line,) = followed([reading("hello")], [], [reading("hello")])
    assert (line.span, line.count) == (Span(at(0), at(2)), 2)


def test_a_line_that_comes_back_later_is_another() -> None:
    first, second = followed([reading("hello")], [], [], [], [reading("hello")])
    assert (first.span, second.span) == (Span.at(at(0)), Span.at(at(4)))


def test_lines_are_handed_out_when_they_end() -> None:
    lines = Lines(GAP_US)
    list(lines.see([reading("hello")], at(0)))
    assert list(lines.see([], at(2))) == []
    assert [line.best.text for line in lines.see([], at(3))] == ["hello"]
    assert list(lines.close()) == []


def test_a_scrolling_line_is_one() -> None:
    tops = (0.9, 0.6, 0.3, 0.0)
    (line,) = followed(*([reading("directed by somebody", top=top)] for top in tops))
    assert line.count == 4


def test_the_same_word_in_two_places_is_two_lines() -> None:
    twice = [reading("sale", top=0.1), reading("sale", top=0.8)]
    upper, lower = followed(twice, twice[::-1])
    assert {upper.count, lower.count} == {2}
    assert {upper.place.top, lower.place.top} == {0.1, 0.8}


def test_a_counter_is_a_line_for_each_number() -> None:
    lines = followed(*([reading(f"frame {number}")] for number in range(8, 12)))
    assert [line.best.text for line in lines] == ["frame 8", "frame 9", "frame 10", "frame 11"]
