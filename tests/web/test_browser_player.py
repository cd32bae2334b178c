"""The player of the page: veiled, kept to what was flagged, and moved by keys and clicks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pytest
from playwright.sync_api import expect

from moderation.testing.clips import number_in
from moderation.web import Installation
from tests.web.browser import Desk, OpenDesk, WaitingClips, keep_picture
from tests.web.clip import FPS, SECONDS, clip, video_of
from tests.web.conftest import ReviewedScan

VEIL: Final = "blur("
GREY: Final = "grayscale(1)"

_PIXELS: Final = """() => {
    const video = document.getElementById("video");
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    return [...context.getImageData(0, canvas.height / 2, canvas.width, 1).data];
}"""

_RECORD: Final = """() => {
    const video = document.getElementById("video");
    window.places = [];
    const note = () => {
        if (!video.paused) window.places.push(video.currentTime);
        requestAnimationFrame(note);
    };
    note();
}"""


@pytest.fixture
def desk(open_desk: OpenDesk, waiting_clips: WaitingClips) -> Desk:
    """With an item whose knife is seen from 2 to 3 s, and whose gun from 14 to 15 s."""
    waiting_clips()
    desk = open_desk()
    desk.claim()
    return desk


def shown_number(desk: Desk) -> int:
    """Which frame is on the screen, under the veil."""
    row = np.array(desk.page.evaluate(_PIXELS), np.uint8).reshape(1, -1, 4)
    return number_in(row[:, :, :3])


def test_a_video_opens_veiled_grey_muted_and_still(desk: Desk) -> None:
    assert VEIL in desk.filter
    assert GREY in desk.filter
    assert (desk.video("muted"), desk.video("paused"), desk.video("autoplay")) == (
        True,
        True,
        False,
    )


def test_no_other_window_may_show_it_without_the_veil(desk: Desk) -> None:
    assert desk.video("disablePictureInPicture") is True
    assert desk.video("disableRemotePlayback") is True
    assert desk.video("controls") is False


def test_the_veil_is_lifted_only_while_b_is_held(desk: Desk) -> None:
    desk.press("k")
    desk.until("!paused")
    assert VEIL in desk.filter
    desk.page.keyboard.down("b")
    assert desk.filter == GREY
    desk.page.keyboard.up("b")
    assert VEIL in desk.filter


@pytest.mark.parametrize(
    "leave",
    [
        "window.dispatchEvent(new Event('blur'))",
        "document.dispatchEvent(new Event('visibilitychange'))",
        "document.querySelector('textarea[name=note]').focus()",
    ],
    ids=["another window", "another tab", "a text field"],
)
def test_the_veil_falls_when_whoever_holds_b_turns_away(desk: Desk, leave: str) -> None:
    desk.page.keyboard.down("b")
    assert VEIL not in desk.filter
    desk.page.evaluate(leave)
    assert VEIL in desk.filter


def test_the_unveil_button_lifts_while_it_is_pressed(desk: Desk) -> None:
    button = desk.page.get_by_role("button", name="Unveil")
    button.hover()
    desk.page.mouse.down()
    assert VEIL not in desk.filter
    desk.page.mouse.up()
    assert VEIL in desk.filter


def test_who_cannot_hold_a_key_presses_the_unveil_button_twice(desk: Desk) -> None:
    button = desk.page.get_by_role("button", name="Unveil")
    button.press("Enter")
    assert VEIL not in desk.filter
    expect(button).to_have_attribute("aria-pressed", "true")
    button.press("Enter")
    assert VEIL in desk.filter


def test_g_and_m_turn_grey_and_sound_over(desk: Desk) -> None:
    desk.press("g", "m")
    assert (GREY in desk.filter, desk.video("muted")) == (False, False)
    desk.press("g", "m")
    assert (GREY in desk.filter, desk.video("muted")) == (True, True)


def test_a_click_on_a_moment_shows_its_frame(desk: Desk) -> None:
    desk.page.locator("#moments .moment").nth(1).click()
    desk.until("!seeking")
    assert shown_number(desk) == 14 * FPS


def test_after_a_click_on_a_moment_space_plays(desk: Desk) -> None:
    desk.page.locator("#moments .moment").nth(1).click()
    desk.press("Space")
    desk.until("!paused && currentTime > 14")


def test_brackets_go_through_the_moments(desk: Desk) -> None:
    desk.press("]")
    assert desk.seconds == pytest.approx(2, abs=0.01)
    desk.press("]")
    assert desk.seconds == pytest.approx(14, abs=0.01)
    desk.press("]")
    desk.expect_status("no flagged moment after")
    desk.press("[")
    assert desk.seconds == pytest.approx(2, abs=0.01)


def assert_boxed(desk: Desk) -> None:
    """In the middle of the picture, and half as wide, as the knife is."""
    box = desk.page.locator("#boxes .family-violence")
    video, drawn = desk.page.locator("#video").bounding_box(), box.bounding_box()
    assert video is not None
    assert drawn is not None
    middle, expected = drawn["x"] + drawn["width"] / 2, video["x"] + video["width"] / 2
    assert middle == pytest.approx(expected, abs=2)
    assert drawn["width"] == pytest.approx(video["height"] * 320 / 180 / 2, abs=4)


def test_a_moment_shows_where_it_was_seen(desk: Desk) -> None:
    desk.press("]")
    assert_boxed(desk)
    desk.press("]")
    expect(desk.page.locator("#boxes .family-violence")).to_have_count(0)


def test_a_click_on_the_timeline_seeks_and_the_playhead_follows(desk: Desk) -> None:
    seek = desk.page.locator("#seek")
    place = seek.bounding_box()
    assert place is not None
    seek.click(position={"x": place["width"] / 4, "y": place["height"] / 2})
    assert desk.seconds == pytest.approx(SECONDS / 4, abs=0.1)
    head = desk.page.locator("#playhead").bounding_box()
    assert head is not None
    assert head["x"] - place["x"] == pytest.approx(place["width"] / 4, abs=3)


def test_a_click_on_a_time_seeks(desk: Desk) -> None:
    desk.page.locator("[data-seek-us='14000000']").first.click()
    assert desk.seconds == pytest.approx(14, abs=0.01)
    expect(desk.page.locator("#time")).to_contain_text("0:14.001")


def test_comma_and_dot_step_single_frames(desk: Desk) -> None:
    desk.press("]", ".", ".")
    assert desk.seconds == pytest.approx(2 + 2 / FPS, abs=0.01)
    desk.press(",")
    assert desk.seconds == pytest.approx(2 + 1 / FPS, abs=0.01)


def test_j_goes_back_and_l_forward_within_what_was_flagged(desk: Desk) -> None:
    desk.press("]", "l")
    assert desk.seconds == pytest.approx(11, abs=0.01)  # 7 s is not flagged: the next window
    desk.press("j")
    assert desk.seconds == pytest.approx(1, abs=0.02)  # nor is 6 s: 5 s before the window's end


def test_playing_stays_within_what_was_flagged(desk: Desk) -> None:
    desk.page.evaluate(_RECORD)
    desk.page.evaluate("document.getElementById('video').currentTime = 5")
    desk.press("Space")
    desk.until("currentTime >= 12")
    desk.page.evaluate("document.getElementById('video').currentTime = 17")
    desk.until("paused")
    desk.expect_status("W plays the whole video")
    places: list[float] = desk.page.evaluate("window.places")
    frame_s = 0.3  # the screen of a loaded machine is drawn that seldom
    assert [at for at in places if 6 + frame_s < at < 11 or at > 18 + frame_s] == []
    assert any(at < 6 for at in places)


def test_w_plays_the_whole_video(desk: Desk) -> None:
    desk.press("w")
    desk.expect_status("whole video")
    desk.page.evaluate("document.getElementById('video').currentTime = 5.5")
    desk.press("k")
    desk.until("currentTime > 6.5 && currentTime < 10")


def test_fresh_links_take_over_where_the_video_is(desk: Desk) -> None:
    desk.page.clock.install()
    desk.reload()
    desk.press("]", "]")
    before = desk.video("src")
    with desk.page.expect_response("**/links"):
        desk.page.clock.fast_forward(290_000)
    desk.until(f"src !== {before!r}")
    desk.wait_for_picture()
    assert desk.seconds == pytest.approx(14, abs=0.01)
    assert VEIL in desk.filter


def test_a_copy_plays_of_what_the_browser_cannot(
    open_desk: OpenDesk, reviewed_scan: ReviewedScan, tmp_path: Path
) -> None:
    file = clip(tmp_path / "clip.mp4", codec="mpeg4")
    reviewed_scan(video=video_of(file))
    desk = open_desk()
    desk.claim()  # which waits for the picture
    desk.expect_status("smaller copy of the video plays")
    assert VEIL in desk.filter


def test_stills_stand_for_a_video_that_is_gone(
    open_desk: OpenDesk, waiting_clips: WaitingClips, installation: Installation
) -> None:
    [item] = waiting_clips()
    keep_picture(installation, item, 2_000_000)
    Path(item.uri).unlink()
    desk = open_desk()
    desk.page.goto("/work")
    desk.page.get_by_role("button", name="Claim next").click()
    desk.expect_status("cannot be fetched (")
    desk.expect_status("decide by the stills")
    expect(desk.page.locator('#player button[data-act="play"]')).to_be_disabled()
    desk.until("poster.includes('/media/')")
    assert VEIL in desk.filter
    desk.page.keyboard.down("b")
    assert VEIL not in desk.filter
    desk.page.keyboard.up("b")
    desk.press("]")
    assert_boxed(desk)
