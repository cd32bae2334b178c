"""The guard: what a request passes before a route sees it, and what every answer has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from moderation.config import Settings
from moderation.person import Role
from moderation.web import Installation
from moderation.web.headers import ALWAYS
from moderation.web.rate_limit import RateLimit
from moderation.web_settings import WebSettings
from tests.web.browsing import OURS, Browser

Tokens = Callable[..., str]

PUBLIC = "https://review.example.org"

NEW = {"name": "eve", "role": "admin"}
"""What a forged request would have an admin's browser do."""


@pytest.fixture
def admin(installation: Installation, token: Tokens) -> Browser:
    browser = Browser(installation)
    browser.sign_in(token(Role.ADMIN, "ada"))
    return browser


def opened(settings: Settings, **web: Any) -> Installation:
    return Installation.open(settings.model_copy(update={"web": WebSettings(**web)}))


def people(installation: Installation) -> set[str]:
    return {each.name for each in installation.people.list()}


# Cross-site requests


@pytest.mark.parametrize(
    "browser_says",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8300"},
        {"Sec-Fetch-Site": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://127.0.0.1:8300.evil.example"},
        {"Origin": ""},
        {"Referer": "http://127.0.0.1:8300/work"},
    ],
    ids=str,
)
def test_fault_127_what_another_site_sends_changes_nothing(
    admin: Browser, installation: Installation, browser_says: dict[str, str]
) -> None:
    csrf = admin.csrf()
    sent = admin.send("/api/v1/people", NEW, **browser_says, **{"X-CSRF-Token": csrf})
    form = admin.post("/sign-out", {"csrf": csrf}, **browser_says)
    assert (sent.status_code, form.status_code) == (403, 403)
    assert people(installation) == {"ada"}
    assert admin.who() == "ada"


@pytest.mark.parametrize(
    "browser_says",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://127.0.0.1:8300"},
    ],
    ids=str,
)
def test_what_our_own_page_sends_is_done(
    admin: Browser, installation: Installation, browser_says: dict[str, str]
) -> None:
    sent = admin.send("/api/v1/people", NEW, **browser_says, **{"X-CSRF-Token": admin.csrf()})
    assert sent.status_code == 201
    assert "eve" in people(installation)


def test_fault_127_without_the_token_of_this_very_session_nothing_is_done(
    admin: Browser, installation: Installation, token: Tokens
) -> None:
    other = Browser(admin)
    other.sign_in(token(Role.ADMIN, "bob"))
    for wrong in ("", other.csrf(), admin.csrf()[:-1]):
        headers = {**OURS, "X-CSRF-Token": wrong}
        assert admin.send("/api/v1/people", NEW, **headers).status_code == 403
        assert admin.post("/sign-out", {"csrf": wrong}).status_code == 403
    assert admin.post("/sign-out", {"csrf": "\u00e9"}).status_code == 403
    assert people(installation) == {"ada", "bob"}
    assert admin.who() == "ada"


def test_fault_127_another_site_signs_nobody_in(installation: Installation, token: Tokens) -> None:
    browser = Browser(installation)
    form = {"token": token(Role.REVIEWER, "mallory")}
    assert browser.post("/sign-in", form, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert not browser.who()


def test_fault_127_a_get_or_head_does_not_reach_what_changes_something(admin: Browser) -> None:
    for path in ("/sign-out", "/api/v1/people/ada/disable"):
        assert admin.get(path).status_code == 405
        assert admin.client.head(path).status_code == 405
    assert admin.who() == "ada"


def test_a_program_with_a_token_needs_no_page(installation: Installation, token: Tokens) -> None:
    browser = Browser(installation, Authorization=f"Bearer {token(Role.ADMIN, 'robot')}")
    evil = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert browser.send("/api/v1/people", NEW, **evil).status_code == 201


def test_a_token_that_is_not_good_is_not_made_up_for_by_a_session(admin: Browser) -> None:
    answer = admin.get("/api/v1/me", Authorization="Bearer mod_unknown")
    assert answer.status_code == 401


def test_a_form_about_200_segments_is_not_too_long_to_be_read(admin: Browser) -> None:
    segments = {f"segment-{i}-{j}": "1" for i in range(200) for j in range(7)}
    sent = admin.post("/items/aaaaaaaaaa/decide", {**segments, "csrf": admin.csrf()})
    assert sent.status_code == 404, "there is no such item, and nothing else was wrong"


# Proxies


@pytest.fixture
def behind_proxy(web_settings: Settings) -> Settings:
    web = WebSettings.model_validate(
        {"trusted_proxies": "10.1.0.0/16,2001:db8::/32", "user_header": "X-Forwarded-User"}
    )
    return web_settings.model_copy(update={"web": web})


def test_fault_129_nobody_is_believed_who_says_they_are_somebody(
    behind_proxy: Settings, web_settings: Settings, token: Tokens
) -> None:
    token(Role.ADMIN, "ada")
    said = {"X-Forwarded-User": "ada", "X-Forwarded-For": "10.1.2.3", "X-Real-IP": "10.1.2.3"}
    for settings in (web_settings, behind_proxy):
        with Installation.open(settings) as installation:
            first = Browser(installation)
            for peer in ("127.0.0.1", "192.0.2.9", "10.2.0.1", "testclient"):
                browser = Browser(first, peer=peer, **said)
                assert browser.client.get("/api/v1/me").status_code == 401, peer


def test_whom_a_trusted_proxy_names_is_believed_if_known_here(
    behind_proxy: Settings, token: Tokens
) -> None:
    token(Role.ADMIN, "ada")
    with Installation.open(behind_proxy) as installation:
        first = Browser(installation)
        for peer in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"):
            assert Browser(first, peer=peer, **{"X-Forwarded-User": "ada"}).who() == "ada"
        assert not Browser(first, peer="10.1.2.3", **{"X-Forwarded-User": "eve"}).who()
        assert not Browser(first, peer="10.1.2.3").who()


def test_fault_129_a_proxy_that_lets_a_strangers_header_through_is_not_believed(
    behind_proxy: Settings, token: Tokens
) -> None:
    token(Role.ADMIN, "ada")
    with Installation.open(behind_proxy) as installation:
        browser = Browser(installation, peer="10.1.2.3")
        twice = [("X-Forwarded-User", "ada"), ("X-Forwarded-User", "rita")]
        assert browser.client.get("/api/v1/me", headers=twice).status_code == 401


def test_fault_127_behind_a_proxy_another_sites_page_changes_nothing_either(
    behind_proxy: Settings, token: Tokens
) -> None:
    token(Role.ADMIN, "ada")
    with Installation.open(behind_proxy) as installation:
        browser = Browser(installation, peer="10.1.2.3", **{"X-Forwarded-User": "ada"})
        csrf = {"X-CSRF-Token": browser.csrf()}
        evil = {**csrf, "Sec-Fetch-Site": "cross-site"}
        assert browser.send("/api/v1/people", NEW, **evil).status_code == 403
        assert browser.send("/api/v1/people", NEW, **OURS).status_code == 403
        assert browser.send("/api/v1/people", NEW, **OURS, **csrf).status_code == 201


def test_behind_a_trusted_proxy_each_client_has_its_own_limit(behind_proxy: Settings) -> None:
    web = behind_proxy.web.model_copy(update={"sign_ins_per_minute": 1})
    with Installation.open(behind_proxy.model_copy(update={"web": web})) as installation:
        first = Browser(installation)
        statuses = [
            Browser(first, peer="10.1.2.3", **{"X-Forwarded-For": said})
            .sign_in("mod_wrong")
            .status_code
            # What the client wrote itself stands before what the proxies saw.
            for said in ("192.0.2.1", "192.0.2.2", "1.1.1.1, 192.0.2.2", "192.0.2.2, 10.1.0.9")
        ]
    assert statuses == [401, 401, 429, 429]


def test_fault_129_a_client_has_no_other_address_for_saying_so(web_settings: Settings) -> None:
    with opened(web_settings, sign_ins_per_minute=1) as installation:
        browser = Browser(installation)
        statuses = [
            Browser(browser, **{"X-Forwarded-For": said}).sign_in("mod_wrong").status_code
            for said in ("192.0.2.1", "192.0.2.2")
        ]
    assert statuses == [401, 429]


# For whom a request is meant


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8300", 200),
        ("localhost:8300", 200),
        ("[::1]:8300", 200),
        ("evil.example:8300", 421),
        ("evil.example", 421),
        ("127.0.0.1:8301", 421),
        ("127.0.0.1", 421),
        ("localhost:8300@evil.example", 421),
        ("localhost.evil.example:8300", 421),
        ("127.0.0.1:8300:1", 421),
        ("", 421),
    ],
)
def test_who_points_a_name_of_theirs_to_this_machine_gets_nothing(
    installation: Installation, host: str, status: int
) -> None:
    browser = Browser(installation)
    assert browser.get("/sign-in", Host=host).status_code == status
    assert browser.get("/healthz", Host=host).status_code == 200, "probes know addresses alone"


def test_the_public_url_says_which_host_is_meant(web_settings: Settings, token: Tokens) -> None:
    good = token(Role.REVIEWER, "rita")
    with opened(web_settings, public_url=PUBLIC) as installation:
        browser = Browser(installation, base=PUBLIC)
        assert browser.get("/sign-in").status_code == 200
        assert browser.get("/sign-in", Host="review.example.org:443").status_code == 200
        assert browser.get("/sign-in", Host="other.example.org").status_code == 421
        signed_in = browser.post("/sign-in", {"token": good}, Origin=PUBLIC)
        assert signed_in.status_code == 303
        plain = PUBLIC.replace("https", "http")
        assert browser.post("/sign-in", {"token": good}, Origin=plain).status_code == 403


# What every answer has


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sign-in", 200),
        ("/healthz", 200),
        ("/static/icon.svg", 200),
        ("/static/none.js", 404),
        ("/api/v1/me", 401),
        ("/none", 404),
    ],
)
def test_every_answer_tells_browsers_what_not_to_do_with_it(
    installation: Installation, path: str, status: int
) -> None:
    answer = Browser(installation).client.get(path, headers={"Accept": "*/*"})
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    kept = "no-cache" if status == 200 and path.startswith("/static") else "no-store"
    assert answer.headers["cache-control"] == kept
    assert "server" not in answer.headers
    assert "strict-transport-security" not in answer.headers


def test_so_does_the_answer_of_a_route_that_breaks(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(installation.sessions, "shown", broken, raising=True)
    answer = Browser(installation).client.get("/api/v1/me")
    assert answer.status_code == 500
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS


def test_the_policy_lets_scripts_and_styles_in_from_here_alone() -> None:
    policy = ALWAYS["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert {each for each in policy if "src" in each} == {
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
    }
    assert {"form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} < set(policy)


def test_by_https_browsers_are_told_to_stay_with_it(web_settings: Settings) -> None:
    with opened(web_settings, public_url=PUBLIC) as installation:
        answer = Browser(installation, base=PUBLIC).get("/sign-in")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_by_plain_http_a_page_of_ours_can_still_be_told_from_others(
    web_settings: Settings,
) -> None:
    with opened(web_settings, public_url="http://review.lan:8300") as installation:
        answer = Browser(installation, base="http://review.lan:8300").get("/sign-in")
    assert answer.headers["referrer-policy"] == "same-origin"
    assert 'name="referrer"' not in answer.text, "a page's own word would go before"


# Health, and how much one person may ask


def test_health_tells_whether_the_database_answers_and_nothing_else(
    installation: Installation,
) -> None:
    browser = Browser(installation)
    well = browser.get("/healthz")
    assert (well.status_code, well.json()) == (200, {"status": "ok"})
    place = installation.settings.home / "moderation.db"
    installation.store.close()
    for each in place.parent.glob("moderation.db*"):
        each.rename(each.with_name(f"away-{each.name}"))
    place.mkdir()
    ill = browser.get("/healthz")
    assert (ill.status_code, ill.json()) == (503, {"status": "unavailable"})


def test_somebody_who_asks_too_much_is_told_when_to_come_back_and_others_are_not(
    web_settings: Settings, token: Tokens
) -> None:
    busy, calm = token(Role.SERVICE, "busy"), token(Role.SERVICE, "calm")
    with opened(web_settings, requests_per_minute=2) as installation:
        loop = Browser(installation, Authorization=f"Bearer {busy}")
        answers = [loop.get("/api/v1/me") for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 30
        assert Browser(loop, Authorization=f"Bearer {calm}").who() == "calm"


def test_a_minutes_worth_may_be_asked_at_once_and_comes_back_bit_by_bit() -> None:
    now = [100.0]
    limit = RateLimit(4, clock=lambda: now[0])
    assert [limit.wait_s("a") for _ in range(6)] == [0, 0, 0, 0, 15, 15]
    assert limit.wait_s("b") == 0
    now[0] += 15
    assert [limit.wait_s("a"), limit.wait_s("a")] == [0, 15]
    now[0] += 60
    assert [limit.wait_s("a") for _ in range(5)] == [0, 0, 0, 0, 15]


def test_a_stranger_with_many_addresses_fills_no_memory() -> None:
    now = [0.0]
    limit = RateLimit(1, clock=lambda: now[0])
    for number in range(30_000):
        limit.require(str(number))
    assert len(limit) == 10_000
    assert limit.wait_s("29999") > 0
    now[0] += 61
    limit.require("one more")
    assert len(limit) == 1
