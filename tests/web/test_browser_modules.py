"""What the page's scripts reckon with, by itself: windows, leaps, exposure, clocks."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from tests.web.browser import Desk, OpenDesk


class Reckon(Protocol):
    """Evaluates an expression over `m`, a module of the page."""

    def __call__(self, module: str, expression: str) -> Any: ...


@pytest.fixture
def reckon(open_desk: OpenDesk) -> Reckon:
    desk: Desk = open_desk(None)
    desk.page.goto("/sign-in")  # any page of ours: the policy lets it load our own modules

    def reckoned(module: str, expression: str) -> Any:
        return desk.page.evaluate(f"import('/static/{module}.js').then((m) => {expression})")

    return reckoned


def test_playing_goes_on_in_the_next_window_and_ends_after_the_last(reckon: Reckon) -> None:
    places = "[0, 10, 15, 20, 40, 49, 50].map((us) => w.forward(us))"
    found = reckon("windows", f"(w => {places})(new m.Windows([[10, 20], [40, 50]]))")
    assert found == [10, 10, 15, 40, 40, 49, None]


def test_a_jump_back_out_of_a_window_lands_before_the_end_of_the_one_before(
    reckon: Reckon,
) -> None:
    places = "[w.back(45, 5), w.back(35, 5), w.back(39, 30), w.back(5, 5)]"
    found = reckon("windows", f"(w => {places})(new m.Windows([[10, 20], [40, 50]]))")
    assert found == [45, 15, 10, 10]


def test_a_video_without_windows_has_nothing_to_keep_to(reckon: Reckon) -> None:
    assert reckon("windows", "new m.Windows([]).empty") is True
    assert reckon("windows", "new m.Windows([[0, 1]]).empty") is False


def test_leaps_grow_while_they_follow_each_other(reckon: Reckon) -> None:
    presses = "[0, 100, 200, 300, 400, 500].map((at) => l.next(1, at))"
    assert reckon("leap", f"(l => {presses})(new m.Leap())") == [5, 10, 20, 40, 60, 60]


def test_a_leap_the_other_way_or_later_is_small_again(reckon: Reckon) -> None:
    presses = "[l.next(1, 0), l.next(1, 1), l.next(-1, 2), l.next(-1, 3), l.next(-1, 5000)]"
    assert reckon("leap", f"(l => {presses})(new m.Leap())") == [5, 10, -5, -10, -5]


def test_only_what_is_watched_is_exposure(reckon: Reckon) -> None:
    states = """
        e.note(0, {playing: false, unveiled: false});
        e.note(10, {playing: true, unveiled: false});
        e.note(14, {playing: true, unveiled: true});
        e.note(15, {playing: false, unveiled: true});
        e.note(17, {playing: false, unveiled: false});
        return e.take(99)"""
    found = reckon("exposure", f"(e => {{{states}}})(new m.Exposure())")
    assert found == {"seconds": 7, "unveiled_seconds": 3}


def test_exposure_that_did_not_arrive_goes_with_the_next(reckon: Reckon) -> None:
    states = """
        e.note(0, {playing: true, unveiled: true});
        e.putBack(e.take(2));
        return [e.take(3), e.take(3)]"""
    found = reckon("exposure", f"(e => {{{states}}})(new m.Exposure())")
    assert [each["seconds"] for each in found] == [3, 0]
    assert [each["unveiled_seconds"] for each in found] == [3, 0]


@pytest.mark.parametrize(
    ("us", "shown"),
    [
        (0, "0:00.000"),
        (62_345_678, "1:02.345"),
        (3_600_000_000, "1:00:00.000"),
        (59_999_999, "0:59.999"),
    ],
)
def test_times_are_written_as_people_read_them(reckon: Reckon, us: int, shown: str) -> None:
    assert reckon("clock", f"m.clock({us})") == shown


def test_a_box_is_shown_about_when_it_is_seen_best(reckon: Reckon) -> None:
    moments = "[{best_us: 1e6, box: [0.1, 0.2, 0.3, 0.4]}, {best_us: 1e6, box: null}]"
    assert reckon("boxes", f"m.seenAt({moments}, 1.4e6).length") == 1
    assert reckon("boxes", f"m.seenAt({moments}, 1.6e6).length") == 0
