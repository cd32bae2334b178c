"""The edit decision list: read back column by column, as CMX 3600 has them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from moderation.decision import Remedy
from moderation.errors import ConfigurationError
from moderation.evidence import Box, Evidence, Word
from moderation.reports.edit_list import EVENTS, edit_list
from moderation.scan import Scan
from moderation.testing.decisions import confirmed, make_decision
from moderation.testing.scans import make_evidence, make_scan
from moderation.timeline import Span

EVENT = re.compile(
    r"(\d{3})  (\S+) +(V|AA|AA/V) +C +" + " ".join([r"(\d\d:\d\d:\d\d:\d\d)"] * 4), re.ASCII
)


BOX = Box(0.2, 0.3, 0.1, 0.1)


def scan_of(*evidence: Evidence, **video: Any) -> Scan:
    scan = make_scan(*evidence)
    return replace(scan, video=replace(scan.video, **{"fps": 25.0, **video}))


def spoken(start_s: float, end_s: float) -> Evidence:
    words = (Word("damn", Span.from_seconds(start_s, end_s), 0.9),)
    return make_evidence("Language/Profanity", start_s=start_s, end_s=end_s, words=words)


def events(text: str) -> list[tuple[str, ...]]:
    """Of a list in which every line is an event, a comment or one of the two headings."""
    lines = text.splitlines()
    assert lines[0].startswith("TITLE: ")
    assert lines[1] == "FCM: NON-DROP FRAME"
    rest = [line for line in lines[2:] if not line.startswith("* ")]
    found = [EVENT.fullmatch(line) for line in rest]
    assert all(found), rest
    assert [each[1] for each in found if each] == [f"{n:03}" for n in range(1, len(rest) + 1)]
    return [each.groups()[1:] for each in found if each]


def test_without_remedies_the_whole_video_is_one_event() -> None:
    (whole,) = events(edit_list(scan_of(make_evidence()), ()))
    assert whole == ("AX", "AA/V", "00:00:00:00", "00:01:00:00", "00:00:00:00", "00:01:00:00")


def test_what_is_cut_is_in_no_event_and_the_rest_moves_up() -> None:
    seen = make_evidence(start_s=10, end_s=12, box=BOX)
    before, after = events(edit_list(scan_of(seen), [make_decision(confirmed(seen, Remedy.CUT))]))
    assert before[2:] == ("00:00:00:00", "00:00:09:13", "00:00:00:00", "00:00:09:13")
    assert after[2:] == ("00:00:12:13", "00:01:00:00", "00:00:09:13", "00:00:57:00")


def test_cuts_that_touch_are_one() -> None:
    one, two = (make_evidence(start_s=at, box=BOX) for at in (10, 11))
    said = make_decision(confirmed(one, Remedy.CUT), confirmed(two, Remedy.CUT))
    _, after = events(edit_list(scan_of(one, two), [said]))
    assert after[2] == "00:00:11:13"


def test_a_cut_around_what_has_no_place_takes_half_a_look_too() -> None:
    seen = make_evidence("Violence/Graphic violence", start_s=10, end_s=12)
    before, after = events(edit_list(scan_of(seen), [make_decision(confirmed(seen, Remedy.CUT))]))
    assert (before[3], after[2]) == ("00:00:09:13", "00:00:12:13")


def test_a_muted_part_has_pictures_only() -> None:
    word = spoken(10, 11)
    found = events(edit_list(scan_of(word), [make_decision(confirmed(word, Remedy.MUTE))]))
    assert [each[1] for each in found] == ["AA/V", "V", "AA/V"]
    assert found[1][2:4] == ("00:00:09:23", "00:00:11:03")


def test_muted_sound_without_pictures_is_silence() -> None:
    word = spoken(10, 11)
    said = make_decision(confirmed(word, Remedy.MUTE))
    found = events(edit_list(scan_of(word, has_video=False, fps=0.0), [said]))
    assert [each[:2] for each in found] == [("AX", "AA"), ("BL", "AA"), ("AX", "AA")]


def test_a_blur_is_a_comment_with_its_times_and_its_box() -> None:
    seen = make_evidence(start_s=10, box=BOX)
    text = edit_list(scan_of(seen), [make_decision(confirmed(seen, Remedy.BLUR))])
    times = "00:00:09:13 00:00:10:13"
    assert f"* BLUR {times} 0.1850 0.2850 0.1300 0.1300 Violence/Weapons/Knife" in text
    assert len(events(text)) == 1


def test_an_age_restriction_is_a_comment() -> None:
    seen = make_evidence(start_s=10)
    text = edit_list(scan_of(seen), [make_decision(confirmed(seen, Remedy.AGE_RESTRICT))])
    assert "* AGE_RESTRICT 00:00:10:00 00:00:10:00 Violence/Weapons/Knife" in text


@pytest.mark.parametrize(
    ("fps", "end"),
    [
        (30000 / 1001, "00:00:59:29"),  # 1799 frames
        (24000 / 1001, "00:00:59:23"),  # 1439 frames
        (60.0, "00:01:00:00"),
        (120.0, "00:01:00:00"),
        (0.0, "00:01:00:00"),
        (float("nan"), "00:01:00:00"),
        (float("inf"), "00:01:00:00"),
        (0.001, "00:01:00:00"),
    ],
)
def test_timecodes_count_the_frames_of_the_video(fps: float, end: str) -> None:
    (whole,) = events(edit_list(scan_of(fps=fps), ()))
    assert whole[3] == end


def test_a_video_that_is_cut_whole_has_no_event() -> None:
    seen = make_evidence(start_s=0, end_s=60)
    assert events(edit_list(scan_of(seen), [make_decision(confirmed(seen, Remedy.CUT))])) == []


def test_more_events_than_three_digits_number_are_refused() -> None:
    seen = [make_evidence(start_s=3 * each + 2) for each in range(EVENTS + 1)]
    said = make_decision(*(confirmed(each, Remedy.CUT) for each in seen))
    scan = scan_of(*seen, duration_us=3 * (EVENTS + 2) * 1_000_000)
    scan = replace(scan, coverage=(replace(scan.coverage[0], planned=3 * (EVENTS + 2)),))
    with pytest.raises(ConfigurationError, match="999 events"):
        edit_list(scan, [said])


@pytest.mark.parametrize(
    "text", ["a\n001  AX", "a\r\nFCM: DROP FRAME", "a\x85b", "\ud800", "\u2028x"]
)
def test_a_name_or_a_label_is_part_of_one_line(text: str) -> None:
    seen = make_evidence(text, start_s=10)
    scan = scan_of(seen, uri=text)
    assert len(events(edit_list(scan, [make_decision(confirmed(seen, Remedy.BLUR))]))) == 1
    edit_list(scan, ()).encode("utf-8")
