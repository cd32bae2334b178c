"""What somebody has seen is counted once, weighed, theirs alone, and enough at some time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import select, update

from moderation.config import Settings
from moderation.errors import NotAllowed, NotFound, ReviewConflict
from moderation.exposure import Exposure
from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.retention import sweep
from moderation.review import ReviewQueue
from moderation.review_settings import ReviewSettings
from moderation.store import Store
from moderation.store.models import ExposureRow
from moderation.testing.scans import make_scan
from moderation.timeline import MICROSECONDS
from moderation.verdict import Severity

POLICY = Policy.parse('schema = "moderation.policy/v1"\nname = "ours"\nversion = "1"', "ours.toml")


def somebody(name: str, role: Role = Role.REVIEWER) -> Person:
    return Person(name=name, role=role, created_at=datetime.now(UTC))


ANN, BEN, LEA = somebody("ann"), somebody("ben"), somebody("lea", Role.LEAD)

SETTINGS = ReviewSettings(
    exposure_cap_s=40, exposure_beat_s=30, pause_after_s=60, pause_s=300, second_look_share=0
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'moderation.db'}") as store:
        yield store


@pytest.fixture
def exposure(store: Store) -> Exposure:
    return Exposure(store, SETTINGS)


class Desk:
    """Items, and a clock that goes on when told to: what was seen was seen so much longer ago."""

    def __init__(self, store: Store, exposure: Exposure) -> None:
        self.store, self.exposure = store, exposure
        self.queue = ReviewQueue(store, SETTINGS)

    def item(self, name: str = "a", severity: Severity = Severity.MEDIUM) -> str:
        scan = make_scan(name=name, severity=severity, policy=POLICY.ref)
        self.store.save(scan, POLICY, fingerprint="all")
        found = self.queue.list(LEA)
        return next(each.id for each in found if each.uri == name)

    def wait(self, seconds: float) -> None:
        us, row = round(seconds * MICROSECONDS), ExposureRow
        with self.store.writing() as session:
            back = {"first_us": row.first_us - us, "last_us": row.last_us - us}
            session.execute(update(row).values(back))

    def watch(self, item: str, seconds: float, unveiled: float = 0, by: Person = ANN) -> float:
        """For so long, told at its end; how much that makes today, not weighed."""
        self.wait(seconds)
        return self.exposure.add(by, item, seconds, unveiled).total.seconds


@pytest.fixture
def desk(store: Store, exposure: Exposure) -> Desk:
    return Desk(store, exposure)


def near(seconds: float) -> object:
    """What the database's clock adds while a test runs is not more."""
    return pytest.approx(seconds, abs=0.01)


# What is counted


def test_what_was_watched_adds_up(desk: Desk) -> None:
    item = desk.item()
    assert desk.watch(item, 10, 4) == near(10)
    assert desk.watch(item, 10, 2) == near(20)
    today = desk.exposure.today(ANN)
    assert (today.total.unveiled_s, today.by_severity) == (near(6), {Severity.MEDIUM: near(20)})


def test_no_more_is_counted_than_has_passed(desk: Desk) -> None:
    """However often a page says so, and of however many items at one time."""
    first, second = desk.item("a"), desk.item("b")
    desk.watch(first, 10)
    for item in (first, second, first):
        desk.exposure.add(ANN, item, 10)
    passed = desk.exposure.today(ANN).total.seconds
    assert 10 <= passed < 15


def test_one_message_adds_no_more_than_a_page_can_mean(desk: Desk) -> None:
    assert desk.watch(desk.item(), 3600) == near(30)


def test_without_blur_is_no_longer_than_at_all(desk: Desk) -> None:
    desk.watch(desk.item(), 10, 25)
    assert desk.exposure.today(ANN).total.unveiled_s == near(10)


@pytest.mark.parametrize("seconds", [-5.0, 0.0])
def test_nothing_is_taken_back(desk: Desk, seconds: float) -> None:
    item = desk.item()
    desk.watch(item, 10)
    desk.wait(20)
    assert desk.exposure.add(ANN, item, seconds, seconds).total.seconds == near(10)


def test_a_page_that_shows_nothing_costs_another_nothing(desk: Desk) -> None:
    shown, hidden = desk.item("a"), desk.item("b")
    desk.watch(shown, 10)
    desk.wait(20)
    desk.exposure.add(ANN, hidden, 0)
    assert desk.exposure.add(ANN, shown, 20).total.seconds == near(30)


def test_an_item_that_there_is_not_cannot_be_watched(desk: Desk) -> None:
    with pytest.raises(NotFound, match="no review item nothing"):
        desk.exposure.add(ANN, "nothing", 10)


def test_a_second_weighs_by_what_it_shows(desk: Desk) -> None:
    for severity in Severity:
        desk.watch(desk.item(severity.value, severity), 8)
    today = desk.exposure.today(ANN)
    assert today.total.seconds == near(40)
    assert today.total.weighted_s == near(8 * (4 + 2 + 1 + 0.5 + 0.25))


@pytest.mark.parametrize(
    ("weights", "fault"),
    [
        ({"high": 2}, "lacks"),
        (dict.fromkeys(("critical", "high", "medium", "low", "none"), -1), "below 0"),
    ],
)
def test_weights_are_of_every_severity(weights: dict[str, float], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        ReviewSettings.model_validate({"exposure_weights": weights})


# When it is enough


def test_nothing_more_is_given_out_to_who_has_seen_enough(desk: Desk) -> None:
    item = desk.item(severity=Severity.HIGH)
    desk.watch(item, 19)
    desk.exposure.check(ANN)
    desk.watch(item, 2)
    assert desk.exposure.today(ANN).is_enough
    with pytest.raises(ReviewConflict, match="seen enough for today") as told:
        desk.exposure.check(ANN)
    assert "midnight" in told.value.hint
    desk.exposure.check(BEN)


def test_who_has_an_item_may_finish_it_and_no_other(desk: Desk) -> None:
    item, other = desk.item(severity=Severity.CRITICAL), desk.item("b")
    desk.queue.claim(item, ANN)
    desk.watch(item, 30)
    desk.exposure.check(ANN)
    desk.exposure.check(ANN, item)
    with pytest.raises(ReviewConflict, match="enough"):
        desk.exposure.check(ANN, other)
    desk.queue.release(item, ANN)
    with pytest.raises(ReviewConflict, match="enough"):
        desk.exposure.check(ANN)


def test_another_day_begins_anew(desk: Desk) -> None:
    desk.watch(desk.item(severity=Severity.CRITICAL), 30)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    with desk.store.writing() as session:
        session.execute(update(ExposureRow).values(day=yesterday.isoformat()))
    today = desk.exposure.today(ANN)
    assert (today.total.weighted_s, today.is_enough) == (0, False)
    assert [(each.day, each.seconds) for each in desk.exposure.days(ANN)] == [(yesterday, near(30))]
    assert desk.exposure.days(ANN, days=1) == ()


def test_without_a_cap_it_is_never_enough(store: Store) -> None:
    settings = SETTINGS.model_copy(update={"exposure_cap_s": 0})
    desk = Desk(store, Exposure(store, settings))
    desk.watch(desk.item(severity=Severity.CRITICAL), 30)
    desk.exposure.check(ANN)


# A pause


def paused(desk: Desk) -> bool:
    return not desk.exposure.today(ANN).pause


def test_a_pause_is_suggested_to_who_has_not_made_one(desk: Desk) -> None:
    first, second = desk.item("a"), desk.item("b")
    for item in (first, second, first):
        assert paused(desk)
        desk.watch(item, 25)
        desk.wait(100)  # deciding is no pause
    assert not paused(desk)
    desk.wait(250)
    assert paused(desk)


def test_what_was_seen_before_a_pause_is_forgotten(desk: Desk) -> None:
    item = desk.item()
    for _ in range(3):
        desk.watch(item, 25)
    assert not paused(desk)
    desk.wait(301)
    desk.watch(item, 25)
    assert paused(desk)
    assert desk.exposure.today(ANN).total.seconds == near(100)


def test_an_open_page_that_shows_nothing_hides_no_pause(desk: Desk) -> None:
    item = desk.item()
    for _ in range(3):
        desk.watch(item, 25)
    for _ in range(4):
        desk.wait(100)
        desk.exposure.add(ANN, item, 0)
    assert paused(desk)


def test_a_pause_that_is_never_to_be_suggested_is_not(store: Store) -> None:
    desk = Desk(store, Exposure(store, SETTINGS.model_copy(update={"pause_after_s": 0})))
    for _ in range(5):
        desk.watch(desk.item(), 30)
    assert paused(desk)


# Whose it is


def test_leads_see_the_totals_of_days_and_others_their_own(desk: Desk) -> None:
    desk.watch(desk.item("a"), 10, 5)
    desk.watch(desk.item("b", Severity.HIGH), 10, by=BEN)
    assert [(each.person, each.seconds) for each in desk.exposure.days(BEN)] == [("ben", near(10))]
    totals = {each.person: each for each in desk.exposure.everybody(LEA)}
    assert {name: each.weighted_s for name, each in totals.items()} == {
        "ann": near(10),
        "ben": near(20),
    }
    assert totals["ann"].unveiled_s == near(5)
    with pytest.raises(NotAllowed, match="may not assign"):
        desk.exposure.everybody(ANN)


def test_programs_watch_nothing(desk: Desk) -> None:
    portal = somebody("portal", Role.SERVICE)
    for ask in (desk.exposure.today, desk.exposure.days, desk.exposure.check):
        with pytest.raises(NotAllowed):
            ask(portal)


@pytest.mark.parametrize(("days", "kept"), [(89, 1), (91, 0)])
def test_it_is_kept_for_so_long(desk: Desk, tmp_path: Path, days: int, kept: int) -> None:
    desk.watch(desk.item(), 10)
    later = datetime.now(UTC) + timedelta(days=days)
    settings = Settings(home=tmp_path / "home")
    assert sweep(desk.store, settings, later)["exposure"] == 1 - kept
    with desk.store.reading() as session:
        assert len(session.scalars(select(ExposureRow)).all()) == kept


def test_it_is_kept_for_ever_where_that_is_asked(desk: Desk, tmp_path: Path) -> None:
    desk.watch(desk.item(), 10)
    settings = Settings.model_validate(
        {"home": tmp_path / "home", "retention": {"exposure": 0, "verdicts": 0, "evidence": 0}}
    )
    assert sweep(desk.store, settings, datetime.now(UTC) + timedelta(days=9999))["exposure"] == 0
