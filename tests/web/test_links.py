"""Links are for one person, one session and a few minutes; nobody else makes one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from moderation.errors import NotAllowed
from moderation.person import Person, Role
from moderation.store import Store
from moderation.web.caller import Caller, Via
from moderation.web.links import Links, PictureLink, VideoLink

RUT = Person(name="rut", role=Role.REVIEWER, created_at=datetime.now(UTC))
ANA = replace(RUT, name="ana")
BROWSER = Caller(person=RUT, via=Via.SESSION, session="s1")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'moderation.db'}") as store:
        yield store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def links(store: Store, clock: Clock) -> Links:
    return Links(store, 300, clock)


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


def test_a_link_says_what_it_was_made_for(links: Links) -> None:
    video = token_of(links.video("abcdefghij", BROWSER))
    assert links.read_video(video, BROWSER) == VideoLink("abcdefghij", 1_000_300_000)
    picture = token_of(links.picture("abcdefghij", -5, BROWSER, veiled=False))
    assert links.read_picture(picture, BROWSER) == PictureLink(
        "abcdefghij", -5, False, 1_000_300_000
    )


def test_another_server_of_the_installation_knows_it(links: Links, store: Store) -> None:
    token = token_of(links.video("abcdefghij", BROWSER))
    other = Links(store, 10, lambda: Clock.now)
    assert other.read_video(token, BROWSER).item_id == "abcdefghij"


def test_row_130_a_link_is_over_after_its_minutes(links: Links, clock: Clock) -> None:
    token = token_of(links.video("abcdefghij", BROWSER))
    clock.now += 299
    links.read_video(token, BROWSER)
    clock.now += 1
    with pytest.raises(NotAllowed):
        links.read_video(token, BROWSER)


@pytest.mark.parametrize(
    "other",
    [
        replace(BROWSER, person=ANA),
        replace(BROWSER, session="s2"),
        Caller(person=RUT, via=Via.TOKEN),
    ],
)
def test_row_130_a_link_is_nobody_elses(links: Links, other: Caller) -> None:
    token = token_of(links.picture("abcdefghij", 1, BROWSER))
    with pytest.raises(NotAllowed):
        links.read_picture(token, other)


def test_row_130_nothing_in_a_link_can_be_changed(links: Links) -> None:
    token = token_of(links.picture("abcdefghij", 1_000, BROWSER))
    changed = [
        token.replace("veiled", "clear"),
        token.replace("abcdefghij", "bbcdefghij"),
        token.replace(".1000.", ".2000."),
        token.replace(".1000.", ".+1000."),
        token.replace(".1000.", ".1_000."),
        token.replace("1000300000", "1000300001"),
        token[:-1],
        token + "0",
        token_of(links.video("abcdefghij", BROWSER)),
        "", ".", "....", "\0", "a" * 10_000, "é.1.veiled.2.ü",
    ]  # fmt: skip
    for each in changed:
        assert each != token
        with pytest.raises(NotAllowed):
            links.read_picture(each, BROWSER)
