"""Lanes: every detector runs in one of them, and nobody runs twice."""

from __future__ import annotations

import pytest

from moderation.errors import ConfigurationError
from moderation.lanes import CONTROL, assign, check
from moderation.testing.detectors import Brightness, Echo, Loudness

DETECTORS = (Brightness(), Loudness(), Echo())


def test_who_is_named_nowhere_runs_where_the_star_is() -> None:
    found = assign({"gpu": ["brightness"], "cpu": ["*"]}, DETECTORS)
    assert (found["gpu"], found["cpu"]) == (["brightness"], ["loudness"])


def test_who_reads_text_runs_where_videos_are_judged() -> None:
    assert assign({"cpu": ["*"]}, DETECTORS)[CONTROL] == ["echo"]


def test_a_lane_without_detectors_has_no_parts() -> None:
    assert "gpu" not in assign({"gpu": ["not installed"], "cpu": ["*"]}, DETECTORS)


@pytest.mark.parametrize(
    ("lanes", "fault"),
    [
        ({"gpu": ["objects"]}, r'no lane with "\*"'),
        ({"gpu": ["objects"], "cpu": ["objects", "*"]}, "names objects more than once"),
        ({"gpu": ["*"], "cpu": ["*"]}, r"names \* more than once"),
        ({"control": ["*"]}, "control, which is taken"),
    ],
)
def test_lanes_that_leave_it_open_are_refused(lanes: dict[str, list[str]], fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        check(lanes)
