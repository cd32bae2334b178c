"""Signing in as a browser does it: by the link that the server printed, and out again."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from moderation.person import Role
from tests.web.browser import OpenDesk
from tests.web.server import WebServer


def test_the_servers_link_signs_in_and_its_code_stays_in_no_history(
    open_desk: OpenDesk, web_server: WebServer, token: Callable[..., str]
) -> None:
    token(Role.ADMIN, "owner")
    desk, asked = open_desk(None), list[str]()
    desk.page.on("request", lambda request: asked.append(request.url))
    code = web_server.installation.codes.issue("owner")
    desk.page.goto(f"/sign-in#code={code}")
    desk.page.wait_for_url("**/work")
    expect(desk.page.get_by_text("owner")).to_be_visible()
    assert [url for url in asked if code in url.partition("#")[0]] == []
    desk.page.go_back()
    assert code not in desk.page.url


def test_a_wrong_token_is_told_and_the_right_one_goes_on_to_where_one_was_going(
    open_desk: OpenDesk, token: Callable[..., str]
) -> None:
    desk = open_desk(None)
    desk.page.goto("/queue")
    desk.page.get_by_label("Token").fill("mod_wrong")
    desk.page.get_by_role("button", name="Sign in").click()
    expect(desk.page.get_by_role("alert")).to_contain_text("not good")
    desk.faults.clear()  # that the answer was 401 is told on the console
    desk.page.get_by_label("Token").fill(token(Role.REVIEWER))
    desk.page.get_by_role("button", name="Sign in").click()
    desk.page.wait_for_url("**/queue")
    desk.page.get_by_role("button", name="Sign out").click()
    desk.page.wait_for_url("**/sign-in")
    desk.page.goto("/queue")
    desk.page.wait_for_url("**/sign-in?next=/queue")
