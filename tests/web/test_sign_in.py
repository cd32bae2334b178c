"""Signing in: a token once, then a session that ends when it should."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from moderation.config import Settings
from moderation.person import Role
from moderation.store.models import TokenRow, WebSessionRow
from moderation.web import Installation
from moderation.web.sign_in_codes import GOOD_FOR_S, SignInCodes
from moderation.web_settings import WebSettings
from tests.web.browsing import Browser
from tests.web.conftest import ADMIN

Tokens = Callable[..., str]

PUBLIC = "https://review.example.org"


@pytest.fixture
def browser(installation: Installation) -> Browser:
    return Browser(installation)


def at_https(settings: Settings) -> Settings:
    return settings.model_copy(update={"web": WebSettings(public_url=PUBLIC)})


def few_attempts(settings: Settings) -> Settings:
    """Two: the next is allowed after 30 seconds, which no test takes."""
    return settings.model_copy(update={"web": WebSettings(sign_ins_per_minute=2)})


# In


def test_who_is_not_signed_in_is_sent_to_do_so_and_back(browser: Browser, token: Tokens) -> None:
    sent = browser.get("/board/me")
    assert sent.status_code == 303
    assert sent.headers["location"] == "/sign-in?next=/board/me"
    assert 'value="/board/me"' in browser.get(sent.headers["location"]).text
    done = browser.sign_in(token(Role.REVIEWER), next="/board/me")
    assert (done.status_code, done.headers["location"]) == (303, "/board/me")


def test_a_token_opens_a_session_whose_cookie_no_script_and_no_other_site_gets(
    browser: Browser, token: Tokens
) -> None:
    done = browser.sign_in(token(Role.REVIEWER, "rita"))
    cookie = done.headers["set-cookie"]
    assert cookie.startswith("moderation=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert browser.who() == "rita"


def test_by_https_the_cookie_is_for_this_very_host_alone(
    web_settings: Settings, token: Tokens
) -> None:
    with Installation.open(at_https(web_settings)) as installation:
        browser = Browser(installation, PUBLIC)
        cookie = browser.sign_in(token(Role.REVIEWER, "rita")).headers["set-cookie"]
        assert cookie.startswith("__Host-moderation=")
        assert "Secure" in cookie.split("; ")
        assert "Domain" not in cookie
        assert browser.who() == "rita"


def test_what_is_kept_opens_nothing(
    browser: Browser, installation: Installation, token: Tokens
) -> None:
    browser.sign_in(token(Role.REVIEWER))
    secret = browser.client.cookies["moderation"]
    with installation.store.reading() as session:
        row = session.scalars(select(WebSessionRow)).one()
    assert secret not in {row.digest, row.token_digest}
    assert len(secret) >= 43, "256 bits"
    browser.client.cookies = {"moderation": row.digest}
    assert not browser.who()


def test_fault_128_what_was_wrong_with_a_token_is_not_told(
    browser: Browser, installation: Installation, token: Tokens
) -> None:
    people = installation.people
    expired, revoked, disabled = token(), token(), token(Role.REVIEWER, "gone")
    with installation.store.writing() as session:
        row = session.scalars(select(TokenRow).where(TokenRow.person == "service-1")).one()
        row.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    people.revoke(revoked, by=ADMIN)
    people.disable("gone", by=ADMIN)
    wrong = [
        expired,
        revoked,
        disabled,
        "mod_unknown",
        "",
        "x" * 10_000,
        "\ud800".encode("utf-8", "replace").decode(),
    ]
    answers = [browser.sign_in(each) for each in wrong]
    assert {each.status_code for each in answers} == {401}
    assert len({each.text for each in answers}) == 1
    assert not browser.client.cookies


def test_nobody_is_sent_to_another_site_after_it(browser: Browser, token: Tokens) -> None:
    good = token(Role.REVIEWER)
    for next in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/work\nX: y",
        "/%0a",
    ):
        assert browser.sign_in(good, next=next).headers["location"] == "/work"


def test_attempts_are_limited_for_each_address_and_others_go_on(
    web_settings: Settings, token: Tokens
) -> None:
    good = token(Role.REVIEWER)
    with Installation.open(few_attempts(web_settings)) as installation:
        guessing = Browser(installation, peer="198.51.100.7")
        assert [guessing.sign_in("mod_wrong").status_code for _ in range(2)] == [401, 401]
        refused = guessing.sign_in(good)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert not guessing.who()
        assert Browser(guessing).sign_in(good).status_code == 303


def test_the_addresses_of_one_network_are_one_sender(web_settings: Settings) -> None:
    with Installation.open(few_attempts(web_settings)) as installation:
        first = Browser(installation)
        peers = ("2001:db8::1", "2001:db8::2:1", "2001:db8::3", "2001:db8:0:1::1")
        statuses = [Browser(first, peer=each).sign_in("x").status_code for each in peers]
    assert statuses == [401, 401, 429, 401]


# The session


def test_whoever_put_a_session_into_a_browser_does_not_share_the_next(
    browser: Browser, token: Tokens
) -> None:
    planted = Browser(browser)
    planted.sign_in(token(Role.REVIEWER, "mallory"))
    secret = planted.client.cookies["moderation"]
    browser.client.cookies.set("moderation", secret, domain="127.0.0.1", path="/")
    browser.sign_in(token(Role.REVIEWER, "rita"))
    assert browser.client.cookies["moderation"] != secret
    assert browser.who() == "rita"
    assert not planted.who(), "it ended with the sign-in that took its place"


def test_signing_out_ends_it_on_the_server_too(
    browser: Browser, installation: Installation, token: Tokens
) -> None:
    browser.sign_in(token(Role.REVIEWER))
    secret = browser.client.cookies["moderation"]
    done = browser.post("/sign-out", {"csrf": browser.csrf()})
    assert done.headers["location"] == "/sign-in"
    assert "moderation" not in browser.client.cookies
    browser.client.cookies = {"moderation": secret}
    assert not browser.who()
    with installation.store.reading() as session:
        assert not session.scalars(select(WebSessionRow)).all()


def test_it_ends_after_its_hours(
    browser: Browser, installation: Installation, token: Tokens
) -> None:
    browser.sign_in(token(Role.REVIEWER))
    past = datetime.now(UTC) - timedelta(seconds=1)
    with installation.store.writing() as session:
        row = session.scalars(select(WebSessionRow)).one()
        hours = (row.expires_at - row.created_at).total_seconds() / 3600
        session.execute(update(WebSessionRow).values(expires_at=past))
    assert hours == installation.settings.web.session_h
    assert not browser.who()


def test_it_ends_with_the_token_that_opened_it(
    browser: Browser, installation: Installation, token: Tokens
) -> None:
    opened_with = token(Role.REVIEWER, "rita")
    browser.sign_in(opened_with)
    installation.people.issue("rita", by=ADMIN)
    installation.people.revoke(opened_with, by=ADMIN)
    assert not browser.who()


def test_it_ends_for_good_when_somebody_is_disabled(
    browser: Browser, installation: Installation, token: Tokens
) -> None:
    browser.sign_in(token(Role.REVIEWER, "rita"))
    installation.people.disable("rita", by=ADMIN)
    assert not browser.who()
    installation.people.enable("rita", by=ADMIN)
    assert not browser.who()


def test_another_role_holds_from_the_next_request_on(
    browser: Browser, installation: Installation, token: Tokens
) -> None:
    browser.sign_in(token(Role.LEAD, "lea"))
    assert browser.get("/board").status_code == 200
    installation.people.change_role("lea", Role.REVIEWER, by=ADMIN)
    assert browser.get("/board").status_code == 403


# The code of the server's link


def test_a_code_opens_one_session_and_then_nothing(
    browser: Browser, installation: Installation, token: Tokens
) -> None:
    token(Role.ADMIN, "owner")
    code = installation.codes.issue("owner")
    browser.sign_in(code)
    assert browser.who() == "owner"
    assert Browser(browser).sign_in(code).status_code == 401
    as_token = browser.client.get("/api/v1/me", headers={"Authorization": f"Bearer {code}"})
    assert as_token.status_code == 401


def test_a_session_by_code_ends_when_its_person_is_disabled(
    browser: Browser, installation: Installation, token: Tokens
) -> None:
    token(Role.ADMIN, "owner")
    browser.sign_in(installation.codes.issue("owner"))
    installation.people.disable("owner", by=ADMIN)
    installation.people.enable("owner", by=ADMIN)
    assert not browser.who()


def test_a_code_is_good_for_ten_minutes() -> None:
    now = [0.0]
    codes = SignInCodes(clock=lambda: now[0])
    early, late = codes.issue("owner"), codes.issue("owner")
    now[0] = GOOD_FOR_S - 1
    assert codes.redeem(early) == "owner"
    now[0] = GOOD_FOR_S
    assert codes.redeem(late) is None
