"""The board's figures, counted by real databases, against what was counted by hand."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from statistics import median
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from moderation import board
from moderation.board import MOST_RULINGS, Board, Figures
from moderation.decision import Decision, Judgement, Outcome, Purpose, standing
from moderation.errors import NotAllowed
from moderation.exposure import Exposure
from moderation.people import People
from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.rates import Agreement, Rate
from moderation.review import ReviewQueue
from moderation.review_settings import ReviewSettings
from moderation.store import Store
from moderation.store.expire import Expiry
from moderation.store.models import NEVER_US, DecisionRow, ExposureRow, ReviewItemRow
from moderation.store.tally import Glance, Tally
from moderation.testing.scans import make_evidence, make_scan
from moderation.timeline import MICROSECONDS
from moderation.verdict import Action, Severity

POLICY = Policy.parse('schema = "moderation.policy/v1"\nname = "ours"\nversion = "1"', "ours.toml")

NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)

BOARD_S = 1.0
"""Of computing, in which 10,000 items and decisions are to be on the board; what it takes by the
clock depends on who else computes."""


def somebody(name: str, role: Role = Role.REVIEWER) -> Person:
    return Person(name=name, role=role, created_at=NOW)


LEA = somebody("lea", Role.LEAD)
ANN = somebody("ann")


class Desk:
    """Items and decisions as they are in the database, written by hand."""

    def __init__(self, store: Store) -> None:
        self.store, self._numbers = store, count()
        scan = make_scan(
            make_evidence(start_s=1),
            make_evidence(start_s=40),
            make_evidence("Hate/Slur", start_s=5),
        )
        verdict = replace(scan.verdict, policy=POLICY.ref, action=Action.REVIEW)
        self.scan = replace(scan, verdict=verdict)
        store.save(self.scan, POLICY, fingerprint="all")
        with store.writing() as session:
            row = session.scalars(select(ReviewItemRow)).one()
            self._about = {"verdict_id": row.verdict_id, "video_id": row.video_id}
            session.delete(row)

    def item(self, purpose: Purpose = Purpose.VERDICT, **given: object) -> str:
        """Its id."""
        id = f"item{next(self._numbers)}"
        row = {
            **self._about,
            "id": id,
            "case_id": id,
            "purpose": purpose,
            "severity_rank": 3,
            "rank": -3,
            "state": "open",
            "created_at": NOW,
            "role": "reviewer",
            "due_us": NEVER_US,
            "holder": "",
            "held_until_us": 0,
            "claimed_us": 0,
            **given,
        }
        with self.store.writing() as session:
            session.execute(insert(ReviewItemRow), [row])
        return id

    def decision(
        self,
        outcome: Outcome = Outcome.UPHOLD,
        person: str = "ann",
        at: datetime = NOW - timedelta(hours=1),
        *,
        case: str = "",
        purpose: Purpose = Purpose.VERDICT,
        seconds: float = 60,
        withdrawn: bool = False,
        segments: Sequence[dict[str, object]] = (),
    ) -> str:
        """Of an item of its own; the case that it belongs to."""
        id = self.item(purpose, state="decided", **({"case_id": case} if case else {}))
        row = {
            "item_id": id,
            "case_id": case or id,
            "number": 1,
            "person": person,
            "outcome": outcome,
            "reason": "",
            "note": "",
            "segments": [*segments],
            "version": 1,
            "seconds": seconds,
            "decided_at": at,
            "withdrawn_at": at if withdrawn else None,
        }
        with self.store.writing() as session:
            session.execute(insert(DecisionRow), [row])
        return case or id

    def figures(self, days: int = 30) -> Figures:
        return Board(self.store).figures(LEA, days=days, now=NOW)


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    with Store.open(database_url) as store:
        yield Desk(store)


def test_the_board_is_for_leads(desk: Desk) -> None:
    with pytest.raises(NotAllowed, match="may not assign"):
        Board(desk.store).figures(ANN)


def test_an_empty_queue_has_an_empty_board(desk: Desk) -> None:
    figures = desk.figures(days=7)
    assert {
        each.severity: each.under_24_h + each.older for each in figures.waiting
    } == dict.fromkeys(Severity, 0)
    assert (figures.held, figures.people, dict(figures.purposes)) == ((), (), {})
    assert figures.everybody.decisions == figures.proved.rulings == 0
    assert figures.agreement == Agreement(n=0, same=None, kappa=None)
    assert list(figures.by_day.values()) == [0] * 8


def test_what_waits_is_counted_by_severity_and_age(desk: Desk) -> None:
    late = round((NOW - timedelta(hours=1)).timestamp() * MICROSECONDS)
    waiting: list[tuple[int, dict[str, Any]]] = [
        (1, {}),
        (23, {"due_us": late}),
        (25, {"purpose": Purpose.APPEAL}),
        (47, {}),
        (49, {"due_us": late}),
        (500, {"severity_rank": 4, "due_us": late}),
        (500, {"state": "decided", "due_us": late}),
        (500, {"state": "closed", "due_us": late}),
    ]
    for hours, given in waiting:
        desk.item(**{"created_at": NOW - timedelta(hours=hours), **given})
    figures = desk.figures()
    counted = {
        each.severity: (each.under_24_h, each.under_48_h, each.older, each.overdue)
        for each in figures.waiting
        if each.severity in (Severity.CRITICAL, Severity.HIGH)
    }
    assert counted == {Severity.CRITICAL: (0, 0, 1, 1), Severity.HIGH: (2, 2, 1, 2)}
    assert [each.severity for each in figures.waiting] == [*reversed(Severity)]
    assert figures.purposes == {Purpose.VERDICT: 5, Purpose.APPEAL: 1}


def test_who_has_what_is_told_as_long_as_they_have_it(desk: Desk) -> None:
    queue = ReviewQueue(desk.store, ReviewSettings())
    kept, run_out = desk.item(rank=-4), desk.item()
    for name, id in (("ann", kept), ("ben", run_out)):
        queue.claim(id, somebody(name))
    with desk.store.writing() as session:
        past = update(ReviewItemRow).where(ReviewItemRow.id == run_out).values(held_until_us=1)
        session.execute(past)
    (held,) = Board(desk.store).figures(LEA).held
    assert (held.item_id, held.person, held.severity) == (kept, "ann", Severity.HIGH)
    assert held.until - held.since == timedelta(seconds=600)
    queue.free(kept, LEA)
    assert Board(desk.store).figures(LEA).held == ()


def test_throughput_is_of_the_days_and_hours_with_decisions(desk: Desk) -> None:
    today, yesterday = NOW.replace(hour=9, minute=0), NOW - timedelta(days=1)
    for minutes, seconds in ((0, 10), (59, 20), (60, 90)):  # two hours
        desk.decision(at=today + timedelta(minutes=minutes), seconds=seconds)
    desk.decision(at=yesterday, seconds=40)
    desk.decision(person="ben", at=yesterday, seconds=1000)
    desk.decision(Outcome.SKIP, at=yesterday - timedelta(days=1), seconds=5000)
    desk.decision(Outcome.ESCALATE, at=today, seconds=5000)
    desk.decision(at=today, withdrawn=True, seconds=5000)
    desk.decision(at=NOW - timedelta(days=40), seconds=5000)
    ann, ben = desk.figures().people
    assert (ann.person, ann.decisions, ann.skipped, ann.escalated) == ("ann", 4, 1, 1)
    assert (ann.a_day, ann.median_s) == (2, 30)
    assert ann.an_hour == pytest.approx(4 / 3)
    assert (ben.person, ben.decisions, ben.a_day, ben.median_s) == ("ben", 1, 1, 1000)
    everybody = desk.figures().everybody
    assert (everybody.decisions, everybody.a_day, everybody.median_s) == (5, 2.5, 40)
    assert everybody.an_hour == pytest.approx(5 / 3)
    by_day = {day: n for day, n in desk.figures().by_day.items() if n}
    assert by_day == {today.date(): 3, yesterday.date(): 2}


def test_a_median_is_that_of_the_sorted_seconds(desk: Desk) -> None:
    chance = Random(4)
    by_person: dict[str, list[float]] = {"ann": [], "ben": [], "cem": []}
    for n, (name, seconds) in enumerate(by_person.items(), 7):
        seconds += [chance.uniform(1, 100) for _ in range(n)]
        for each in seconds:
            desk.decision(person=name, seconds=each)
    found = desk.figures()
    assert {each.person: each.median_s for each in found.people} == pytest.approx(
        {name: median(seconds) for name, seconds in by_person.items()}
    )
    everything = [each for seconds in by_person.values() for each in seconds]
    assert found.everybody.median_s == pytest.approx(median(everything))


def judged(desk: Desk, number: int, judgement: Judgement) -> dict[str, object]:
    segment = desk.scan.verdict.segments[number]
    span = {"start": {"us": segment.span.start.us}, "end": {"us": segment.span.end.us}}
    return {"label": segment.label, "span": span, "judgement": judgement, "subject": None}


def test_rules_and_detectors_are_overturned_by_the_decisions_that_stand(desk: Desk) -> None:
    """`knife` fired on the first two segments, `slur` on the third; `objects` saw all three."""
    for outcome in (Outcome.UPHOLD, Outcome.UPHOLD, Outcome.OVERTURN):
        desk.decision(outcome)
    one = judged(desk, 0, Judgement.REJECT), judged(desk, 1, Judgement.CONFIRM)
    desk.decision(Outcome.PARTIAL, segments=[*one, judged(desk, 2, Judgement.REJECT)])
    desk.decision(Outcome.OVERTURN, withdrawn=True)
    desk.decision(Outcome.SKIP)
    desk.decision(Outcome.OVERTURN, at=NOW - timedelta(days=40))
    proved = desk.figures().proved
    assert proved.rules == {"slur": Rate.of(4, 2), "knife": Rate.of(4, 1.5)}
    assert list(proved.rules) == ["slur", "knife"]
    assert proved.detectors == {"objects": Rate.of(4, 1 + 2 / 3)}
    assert (proved.rulings, proved.is_cut) == (4, False)


def test_an_appeal_that_is_granted_overturns_the_rule_once(desk: Desk) -> None:
    case = desk.decision(Outcome.UPHOLD)
    desk.decision(Outcome.OVERTURN, case=case, purpose=Purpose.SECOND_LOOK)
    assert desk.figures().proved.rules["knife"] == Rate.of(1, 0)
    desk.decision(Outcome.OVERTURN, case=case, purpose=Purpose.APPEAL)
    assert desk.figures().proved.rules["knife"] == Rate.of(1, 1)


def test_what_counts_of_a_case_is_what_stands_of_its_decisions(desk: Desk) -> None:
    """As `moderation.decision.standing` has it, of every order of what can be said; and why the
    case was opened.
    """
    chance = Random(7)
    expected: Counter[str] = Counter()
    for n in range(60):
        case, opened, said = "", "", []
        for number in range(chance.randint(1, 5)):
            outcome, purpose = chance.choice([*Outcome]), chance.choice([*Purpose])
            at = NOW - timedelta(hours=1, minutes=chance.randint(0, 500), seconds=number)
            taken_back, opened = chance.random() < 0.2, opened or purpose
            case = desk.decision(outcome, at=at, case=case, purpose=purpose, withdrawn=taken_back)
            if not taken_back:
                said.append(decision(n, number, outcome, purpose, at))
        stands = standing(said)
        if stands is not None:
            expected[f"{opened} {stands.outcome}"] += 1
    rows = Tally(desk.store).standing(NOW - timedelta(days=30), 1000)
    assert Counter(f"{each.purpose} {each.outcome}" for each in rows) == expected
    assert len(expected) > 5


def decision(case: int, number: int, outcome: Outcome, purpose: Purpose, at: datetime) -> Decision:
    return Decision(
        id=number,
        item_id=str(case),
        number=1,
        person="ann",
        outcome=outcome,
        reason="",
        note="",
        segments=(),
        seconds=1,
        decided_at=at,
        purpose=purpose,
    )


def test_approved_videos_drawn_by_lot_say_what_was_missed(desk: Desk) -> None:
    for outcome in (Outcome.UPHOLD, Outcome.UPHOLD, Outcome.UPHOLD, Outcome.OVERTURN):
        desk.decision(outcome, purpose=Purpose.AUDIT)
    proved = desk.figures().proved
    assert proved.missed == Rate.of(4, 1)
    assert proved.rules == {}


@pytest.mark.parametrize("purpose", [Purpose.THIRD_LOOK, Purpose.APPEAL])
def test_an_audited_approval_is_one_whoever_decides_it_last(desk: Desk, purpose: Purpose) -> None:
    case = desk.decision(Outcome.UPHOLD, purpose=Purpose.AUDIT)
    desk.decision(Outcome.OVERTURN, case=case, purpose=purpose)
    proved = desk.figures().proved
    assert (proved.missed, proved.rules, proved.detectors) == (Rate.of(1, 1), {}, {})


def test_a_decision_after_midnight_by_the_database_alone_is_counted(desk: Desk) -> None:
    desk.decision(at=NOW + timedelta(days=1))
    assert desk.figures().by_day[NOW.date()] == 1


def test_second_looks_agree_with_first_ones_so_far(desk: Desk) -> None:
    """Cohen's kappa of 20, 5, 10 and 15 pairs is (0.7 - 0.5) / (1 - 0.5)."""
    yes, no = Outcome.UPHOLD, Outcome.OVERTURN
    pairs = {(yes, yes): 20, (yes, no): 5, (no, yes): 10, (no, no): 15}
    for (first, second), times in pairs.items():
        for _ in range(times):
            looked_at_twice(desk, first, second)
    looked_at_twice(desk, no, no, taken_back=True)
    desk.decision(yes)  # by one alone
    desk.decision(no, case=looked_at_twice(desk, yes, Outcome.SKIP), purpose=Purpose.THIRD_LOOK)
    agreement = desk.figures().agreement
    assert agreement.n == 50
    assert agreement.same == pytest.approx(0.7)
    assert agreement.kappa == pytest.approx(0.4)


def looked_at_twice(
    desk: Desk, first: Outcome, second: Outcome, *, taken_back: bool = False
) -> str:
    case = desk.decision(first, at=NOW - timedelta(hours=3), withdrawn=taken_back)
    return desk.decision(second, "ben", case=case, purpose=Purpose.SECOND_LOOK)


def test_a_second_look_at_what_was_decided_anew_is_none_of_that(desk: Desk) -> None:
    case = looked_at_twice(desk, Outcome.UPHOLD, Outcome.UPHOLD, taken_back=True)
    desk.decision(Outcome.OVERTURN, case=case, at=NOW - timedelta(minutes=1))
    assert desk.figures().agreement.n == 0


def test_an_open_page_is_told_how_many_wait_and_what_became_of_its_item(desk: Desk) -> None:
    first = desk.item()
    for role in ("reviewer", "reviewer", "lead"):
        desk.item(role=role)
    desk.item(state="closed")
    ReviewQueue(desk.store, ReviewSettings()).claim(first, ANN)
    waiting, items = Tally(desk.store).glance([first, "nothing"])
    assert waiting == {"reviewer": 3, "lead": 1}
    assert items == {first: Glance("open", 1, "ann")}
    with desk.store.writing() as session:
        session.execute(update(ReviewItemRow).values(held_until_us=1))
    assert Tally(desk.store).glance([first])[1] == {first: Glance("open", 1, "")}
    assert Tally(desk.store).glance([])[1] == {}


def test_pages_of_one_person_count_the_same_seconds_once(desk: Desk) -> None:
    """Eight of them say at one time that they showed the last ten seconds."""
    items = [desk.item() for _ in range(8)]
    exposure = Exposure(desk.store, ReviewSettings())
    People(desk.store).add("ann", Role.REVIEWER, by=somebody("ada", Role.ADMIN))
    exposure.add(ANN, items[0], 0.001)
    with desk.store.writing() as session:
        session.execute(update(ExposureRow).values(last_us=ExposureRow.last_us - 10 * MICROSECONDS))
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: exposure.add(ANN, item, 10, 10), items))
    took = time.monotonic() - began
    total = exposure.today(ANN).total
    assert 10 <= total.seconds <= 10 + took + 0.01
    assert total.unveiled_s == pytest.approx(total.seconds, abs=0.002)


def test_what_was_seen_is_kept_by_person_day_and_severity(desk: Desk) -> None:
    exposure = Exposure(desk.store, ReviewSettings())
    for name, rank in (("ann", 4), ("ben", 2)):
        exposure.add(somebody(name), desk.item(severity_rank=rank), 7, 3)
    assert exposure.today(ANN).by_severity == {Severity.CRITICAL: 7}
    assert [(each.person, each.weighted_s) for each in exposure.everybody(LEA)] == [
        ("ann", 28),
        ("ben", 7),
    ]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert Expiry(desk.store).forget_exposure(tomorrow - timedelta(days=1)) == 0
    assert Expiry(desk.store).forget_exposure(tomorrow) == 2


def test_ten_thousand_items_and_decisions_are_on_the_board_at_once(desk: Desk) -> None:
    many(desk, 10_000)
    figures = Board(desk.store).figures(LEA)
    took = min(timed(Board(desk.store)) for _ in range(2))
    assert sum(each.under_24_h for each in figures.waiting) == 10_000
    assert figures.proved.rulings == figures.everybody.decisions == 10_000 == MOST_RULINGS
    assert took < BOARD_S


def test_of_long_verdicts_the_newest_are_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        desk.decision(Outcome.UPHOLD if n else Outcome.OVERTURN, at=NOW - timedelta(hours=6 - n))
    monkeypatch.setattr(board, "MOST_LETTERS", 1)
    proved = desk.figures().proved
    assert (proved.rulings, proved.is_cut) == (1, True)
    assert proved.rules["knife"] == Rate.of(1, 0)


def timed(asked: Board) -> float:
    began = time.thread_time()
    asked.figures(LEA)
    return time.thread_time() - began


def many(desk: Desk, number: int) -> None:
    """Decided items of forty people, and as many that wait."""
    first, now = desk.decision(at=datetime.now(UTC)), datetime.now(UTC)
    with desk.store.writing() as session:
        about = session.get_one(ReviewItemRow, first)
        item = {"verdict_id": about.verdict_id, "video_id": about.video_id, "severity_rank": 3}
        made = {**item, "created_at": now, "purpose": "verdict", "role": "reviewer"}
        said = {"number": 1, "outcome": "uphold", "reason": "", "note": "", "segments": []}
        done = [f"done{n}" for n in range(number - 1)]
        waits = [f"waits{n}" for n in range(number)]
        session.execute(
            insert(ReviewItemRow),
            [{**made, "id": id, "case_id": id, "state": "decided"} for id in done]
            + [{**made, "id": id, "case_id": id, "state": "open"} for id in waits],
        )
        session.execute(
            insert(DecisionRow),
            [
                {**said, "item_id": id, "case_id": id, "person": f"person {n % 40}", "version": 1}
                | {"seconds": n % 500, "decided_at": now - timedelta(minutes=n)}
                for n, id in enumerate(done)
            ],
        )
