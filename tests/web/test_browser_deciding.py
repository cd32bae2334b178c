"""Deciding by keyboard: what is sent, taken back, kept in touch, and never sent by accident."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from moderation.config import Settings
from moderation.decision import Decision, Judgement, Outcome, Remedy
from moderation.errors import MediaFault
from moderation.person import Person, Role
from moderation.scan import Failure, Video
from moderation.verdict import Action
from moderation.web import Installation
from tests.services.server import until
from tests.web.browser import Desk, OpenDesk, WaitingClips
from tests.web.conftest import ReviewedScan

UNDO_S: Final = 60

LEA: Final = Person(name="lea", role=Role.LEAD, created_at=datetime.now(UTC))


@pytest.fixture
def web_settings(web_settings: Settings) -> Settings:
    """A loaded machine takes longer than ten seconds from one page to the key for undo."""
    review = web_settings.review.model_copy(update={"undo_s": UNDO_S})
    return web_settings.model_copy(update={"review": review})


@pytest.fixture
def desk(open_desk: OpenDesk, waiting_clips: WaitingClips) -> Desk:
    """With the first of two items; the knife of each is seen from 2 to 3 s."""
    waiting_clips(2)
    desk = open_desk()
    desk.claim()
    return desk


def decisions(installation: Installation, item: str) -> tuple[Decision, ...]:
    return tuple(installation.queue.show(item, LEA).decisions)


def test_an_item_is_decided_by_keys_and_the_next_one_opens(
    desk: Desk, installation: Installation
) -> None:
    item = desk.item
    desk.press("]", "6")
    desk.expect_status("Confirmed, blur: segment 1")
    desk.press("]", "9", "3", "Enter")
    desk.arrive(f"**undo={item}*")
    assert desk.item != item
    [decision] = decisions(installation, item)
    assert decision.outcome is Outcome.PARTIAL
    assert [(each.judgement, each.remedy) for each in decision.segments] == [
        (Judgement.CONFIRM, Remedy.BLUR),
        (Judgement.REJECT, Remedy.NONE),
    ]


def test_u_takes_the_last_decision_back(desk: Desk, installation: Installation) -> None:
    item = desk.item
    desk.press("2", "Enter")
    desk.arrive(f"**undo={item}*")
    assert len(decisions(installation, item)) == 1
    desk.press("u")
    desk.arrive(f"**/items/{item}")
    expect(desk.page.locator("form#decision")).to_be_visible()
    assert decisions(installation, item) == ()


def test_the_offer_to_undo_ends(desk: Desk) -> None:
    desk.page.clock.install()
    desk.press("2", "Enter")
    desk.arrive("**undo=*")
    bar = desk.page.locator("#undo-bar")
    expect(bar).to_be_visible()
    desk.page.clock.run_for(UNDO_S * 1000)
    expect(bar).to_be_hidden()
    desk.press("u")
    desk.expect_status("nothing to take back")


@pytest.mark.parametrize(("key", "outcome"), [("s", Outcome.SKIP), ("e", Outcome.ESCALATE)])
def test_s_and_e_send_the_item_on_at_once(
    desk: Desk, installation: Installation, key: str, outcome: Outcome
) -> None:
    item = desk.item
    desk.press(key)
    desk.arrive(f"**undo={item}*")
    assert [each.outcome for each in decisions(installation, item)] == [outcome]


def test_enter_sends_nothing_before_an_outcome_is_chosen(
    desk: Desk, installation: Installation
) -> None:
    item = desk.item
    desk.press("Enter")
    desk.expect_status("Choose an outcome first")
    assert (desk.item, decisions(installation, item)) == (item, ())


def test_an_item_that_nobody_could_read_is_decided_by_keys_too(
    open_desk: OpenDesk, reviewed_scan: ReviewedScan, installation: Installation
) -> None:
    failure = Failure(fault=MediaFault.UNREADABLE, message="it cannot be read")
    video = Video(uri="broken.mp4")
    item = reviewed_scan(action=Action.INCOMPLETE, failure=failure, video=video)
    desk = open_desk()
    desk.page.get_by_role("button", name="Claim next").click()
    desk.arrive("**/items/*")
    desk.press("k", "]", "b", "Enter")
    desk.expect_status("Choose an outcome first")
    desk.press("2", "Enter")
    desk.arrive("**undo=*")
    assert [each.outcome for each in decisions(installation, item.id)] == [Outcome.OVERTURN]


def test_letters_in_a_text_field_are_text(desk: Desk, installation: Installation) -> None:
    item, note = desk.item, desk.page.locator("textarea[name=note]")
    desk.press("n")
    expect(note).to_be_focused()
    desk.page.keyboard.type("b s e 1 w g\nk")
    assert note.input_value() == "b s e 1 w g\nk"
    desk.press("Escape")
    expect(note).not_to_be_focused()
    expect(desk.page.locator("[name=outcome]:checked")).to_have_count(0)
    assert ("blur(" in desk.filter, "grayscale" in desk.filter) == (True, True)
    assert (desk.item, desk.video("paused")) == (item, True)
    assert decisions(installation, item) == ()


@pytest.mark.parametrize("modifier", ["Control", "Alt", "Meta"])
def test_keys_with_modifiers_are_the_browsers(desk: Desk, modifier: str) -> None:
    desk.press(f"{modifier}+g", f"{modifier}+m", f"{modifier}+1", f"{modifier}+b")
    assert ("grayscale" in desk.filter, "blur(" in desk.filter) == (True, True)
    assert desk.video("muted") is True
    expect(desk.page.locator("[name=outcome]:checked")).to_have_count(0)


def test_a_question_mark_shows_the_keys_and_they_rest_meanwhile(desk: Desk) -> None:
    desk.press("?")
    help = desk.page.locator("dialog#help")
    expect(help).to_be_visible()
    desk.photograph("help")
    desk.press("1", "g")
    desk.press("Escape")
    expect(help).to_be_hidden()
    expect(desk.page.locator("[name=outcome]:checked")).to_have_count(0)
    assert "grayscale" in desk.filter


def test_every_button_shows_its_key(desk: Desk) -> None:
    buttons = desk.page.locator("button[data-act]")
    assert buttons.count() > 10
    assert buttons.count() == desk.page.locator("button[data-act]:has(kbd)").count()


def test_a_person_works_from_signing_in_to_deciding_without_a_mouse(
    open_desk: OpenDesk,
    waiting_clips: WaitingClips,
    token: Callable[..., str],
    installation: Installation,
) -> None:
    [item] = waiting_clips()
    desk = open_desk(None)
    desk.page.goto("/sign-in")
    expect(desk.page.get_by_label("Token")).to_be_focused()
    desk.page.keyboard.type(token(Role.REVIEWER))
    desk.press("Enter")
    expect(desk.page.get_by_role("button", name="Claim next")).to_be_focused()
    desk.press("Enter")
    desk.arrive("**/items/*")
    tab_to(desk.page, "[name=outcome]")
    desk.press("Space")
    tab_to(desk.page, "[data-act=submit]")
    desk.press("Enter")
    desk.arrive("**/work?undo=*")
    assert [each.outcome for each in decisions(installation, item.id)] == [Outcome.UPHOLD]


def tab_to(page: Page, selector: str) -> None:
    """Go on by Tab until it is reached; what is focused on the way must be seen."""
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def test_two_browsers_never_get_one_item(open_desk: OpenDesk, waiting_clips: WaitingClips) -> None:
    items = waiting_clips(6)
    desks = [open_desk(), open_desk()]
    for desk in desks:
        desk.page.goto("/work")
    for desk in desks:
        desk.page.get_by_role("button", name="Claim next").click(no_wait_after=True)
    got: list[str] = []
    for _ in range(3):
        for desk in desks:
            desk.arrive("**/items/*")
            got.append(desk.item)
        for desk in desks:
            desk.press("2", "Enter")
        for desk, before in zip(desks, got[-2:], strict=True):
            desk.arrive(f"**undo={before}*")
    assert sorted(got) == sorted(each.id for each in items)


def test_what_was_watched_is_told_before_the_item_is_decided(
    desk: Desk, installation: Installation
) -> None:
    desk.press("k")
    desk.page.keyboard.down("b")
    desk.until("currentTime > 0.5")
    desk.page.keyboard.up("b")
    with desk.page.expect_response("**/activity") as told:
        desk.press("2", "Enter")
    beat = told.value.request.post_data_json
    assert told.value.ok
    assert beat is not None
    assert (beat["seconds"] >= 0.4, 0 < beat["unveiled_seconds"] <= beat["seconds"]) == (True, True)
    desk.arrive("**undo=*")
    [reviewer] = installation.people.list()
    total = installation.exposure.today(reviewer).total
    # What passes until the next page is there is told while this one goes away.
    assert total.seconds >= beat["seconds"] - 0.1
    assert total.unveiled_s == pytest.approx(beat["unveiled_seconds"], abs=0.1)


def test_what_a_lead_watches_without_having_the_item_counts_too(
    open_desk: OpenDesk, waiting_clips: WaitingClips, installation: Installation
) -> None:
    [item] = waiting_clips()
    desk = open_desk(Role.LEAD)
    desk.page.goto(f"/items/{item.id}")
    desk.wait_for_picture()
    desk.press("k")
    desk.until("currentTime > 0.5")
    desk.page.goto("/work")
    [lead] = installation.people.list()
    until(lambda: installation.exposure.today(lead).total.seconds > 0.3, "the last beat")


def test_a_page_tells_every_ten_seconds_that_somebody_works(desk: Desk) -> None:
    desk.page.clock.install()
    desk.reload()
    desk.press("]")
    with desk.page.expect_response("**/activity") as told:
        desk.page.clock.fast_forward(10_000)
    assert told.value.json()["held_until"]


def test_a_page_whose_item_is_gone_says_who_has_it_and_sends_nothing(
    desk: Desk, installation: Installation
) -> None:
    item = desk.item
    desk.page.clock.install()
    desk.reload()
    installation.queue.free(item, LEA)
    installation.queue.claim(item, LEA)
    desk.press("]")
    with desk.page.expect_response("**/activity") as told:
        desk.page.clock.fast_forward(10_000)
    assert told.value.status == 409
    desk.expect_status("lea")
    expect(desk.page.locator("[data-act=submit]")).to_be_disabled()
    desk.press("2", "Enter")
    assert (desk.item, decisions(installation, item)) == (item, ())


def test_a_server_that_cannot_be_reached_is_told(desk: Desk) -> None:
    desk.page.clock.install()
    desk.reload()
    desk.press("]")
    desk.page.context.set_offline(True)
    desk.page.clock.fast_forward(10_000)
    desk.expect_status("cannot be reached")


def test_a_pause_is_proposed_when_it_is_time(desk: Desk) -> None:
    desk.page.route(
        "**/activity",
        lambda route: route.fulfill(
            json={
                "held_until": "2026-11-21T15:00:00Z",
                "today_s": 3000,
                "cap_s": 7200,
                "pause": True,
            }
        ),
    )
    desk.page.clock.install()
    desk.reload()
    desk.press("]", "k")
    desk.page.clock.fast_forward(10_000)
    nudge = desk.page.locator("dialog#nudge")
    expect(nudge).to_contain_text("50 of 120 minutes")
    desk.photograph("nudge")
    desk.until("paused")
    nudge.get_by_role("button").click()
    expect(nudge).to_be_hidden()


def test_the_count_of_what_waits_is_live(open_desk: OpenDesk, waiting_clips: WaitingClips) -> None:
    waiting_clips()
    desk = open_desk()
    main = desk.page.locator("main")
    expect(main).to_contain_text("1 item waiting")
    waiting_clips(2)
    expect(main).to_contain_text("3 items waiting")
    expect(desk.page.locator("header [data-waiting]")).to_have_text("3")


def test_a_page_says_that_its_item_has_changed(desk: Desk, installation: Installation) -> None:
    installation.queue.free(desk.item, LEA)
    expect(desk.page.locator("#changed")).to_be_visible()
    desk.expect_status("has changed")
