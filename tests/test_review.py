"""What needs a person waits in the queue, once, until nothing of it is left to decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from moderation.errors import ConfigurationError, MediaFault
from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.review import CloseReason, ItemState, ReviewItem, ReviewQueue
from moderation.scan import Scan
from moderation.store import Store
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.verdict import Action, Severity

LEA = Person(name="lea", role=Role.LEAD, created_at=datetime.now(UTC))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'moderation.db'}") as store:
        yield store


@pytest.fixture
def queue(store: Store) -> ReviewQueue:
    return ReviewQueue(store)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.parse(
        'schema = "moderation.policy/v1"\nname = "ours"\nversion = "1"', "ours.toml"
    )


@pytest.fixture(scope="module")
def other_policy() -> Policy:
    return Policy.parse(
        'schema = "moderation.policy/v1"\nname = "ours"\nversion = "2"', "ours.toml"
    )


def judged(store: Store, policy: Policy, scan: Scan, action: Action | None = None) -> Scan:
    """Save the scan as the policy judged it."""
    verdict = replace(scan.verdict, policy=policy.ref, action=action or scan.verdict.action)
    scan = replace(scan, verdict=verdict)
    store.save(scan, policy, fingerprint="all")
    return scan


def only(items: tuple[ReviewItem, ...]) -> ReviewItem:
    (item,) = items
    return item


@pytest.mark.parametrize(
    ("action", "waits"),
    [
        (Action.APPROVE, False),
        (Action.REVIEW, True),
        (Action.INCOMPLETE, True),
        (Action.REJECT, False),
    ],
)
def test_a_verdict_that_leaves_a_question_waits_for_a_person(
    store: Store, queue: ReviewQueue, policy: Policy, action: Action, waits: bool
) -> None:
    judged(store, policy, make_scan(), action)
    assert queue.count(LEA) == waits


@pytest.mark.parametrize("fault", MediaFault)
def test_a_failure_waits_where_it_may_hide_something(
    store: Store, queue: ReviewQueue, policy: Policy, fault: MediaFault
) -> None:
    judged(store, policy, make_failed_scan(fault))
    hiding = {
        "encrypted",
        "unsupported_codec",
        "unsupported_container",
        "too_large",
        "too_many_streams",
        "unreadable",
        "access_denied",
        "source_changed",
    }
    assert queue.count(LEA) == (fault.value in hiding)


def test_the_severest_come_first_and_then_the_oldest(
    store: Store, queue: ReviewQueue, policy: Policy
) -> None:
    severities = {"a": "low", "b": "critical", "c": "high", "d": "critical", "e": "none"}
    for name, severity in severities.items():
        judged(store, policy, make_scan(name=name, severity=Severity(severity)))
    assert [item.uri for item in queue.list(LEA)] == ["b", "d", "c", "a", "e"]
    assert [item.uri for item in queue.list(LEA, limit=2)] == ["b", "d"]


def test_an_item_says_why_it_waits(store: Store, queue: ReviewQueue, policy: Policy) -> None:
    judged(store, policy, make_scan(make_evidence(start_s=62.5)))
    item = only(queue.list(LEA))
    assert item.why == "knife at 0:01:02.500"
    assert (item.action, item.severity) == (Action.REVIEW, Severity.HIGH)


def test_of_a_long_verdict_the_list_says_each_rule_once(
    store: Store, queue: ReviewQueue, policy: Policy
) -> None:
    seen = [make_evidence(start_s=start) for start in (1, 5)]
    judged(store, policy, make_scan(*seen, make_evidence("Alcohol", start_s=3)))
    item = only(queue.list(LEA))
    assert item.why == "knife at 0:00:01.000, alcohol at 0:00:03.000"
    assert item.verdict.segments == ()
    assert len(queue.show(item.id, LEA).item.verdict.segments) == 3


def test_an_item_of_an_incomplete_scan_says_what_is_missing(
    store: Store, queue: ReviewQueue, policy: Policy
) -> None:
    judged(store, policy, make_scan(action=Action.INCOMPLETE))
    assert only(queue.list(LEA)).why == "objects examined 30 of 60 samples"


def test_an_item_of_a_failure_says_what_happened(
    store: Store, queue: ReviewQueue, policy: Policy
) -> None:
    scan = judged(store, policy, make_failed_scan(MediaFault.ENCRYPTED))
    item = only(queue.list(LEA))
    assert item.failure == scan.failure
    assert item.why == "broken.mp4 cannot be scanned (encrypted)"


def test_a_scan_saved_twice_waits_once(store: Store, queue: ReviewQueue, policy: Policy) -> None:
    for _ in range(2):
        judged(store, policy, make_scan())
    assert queue.count(LEA) == 1


def test_an_id_is_short_and_stays_the_same(
    store: Store, queue: ReviewQueue, policy: Policy
) -> None:
    judged(store, policy, make_scan())
    first = only(queue.list(LEA)).id
    judged(store, policy, make_scan())
    assert only(queue.list(LEA)).id == first
    assert len(first) == 10


@pytest.mark.parametrize("length", [10, 4])
def test_an_item_is_shown_by_its_id_or_the_beginning_of_it(
    store: Store, queue: ReviewQueue, policy: Policy, length: int
) -> None:
    scan = judged(store, policy, make_scan(make_evidence()))
    listed = only(queue.list(LEA))
    item, shown, decisions = queue.show(listed.id[:length].upper(), LEA)
    assert (item.id, item.verdict, shown, decisions) == (listed.id, scan.verdict, scan, ())


@pytest.mark.parametrize("id", ["", "%", "nonsense"])
def test_what_names_no_single_item_is_refused(
    store: Store, queue: ReviewQueue, policy: Policy, id: str
) -> None:
    for name in ("a", "b"):
        judged(store, policy, make_scan(name=name))
    with pytest.raises(ConfigurationError, match="review item"):
        queue.show(id, LEA)


def test_an_item_is_closed_when_a_newer_verdict_needs_nobody(
    store: Store, queue: ReviewQueue, policy: Policy, other_policy: Policy
) -> None:
    judged(store, policy, make_scan())
    judged(store, other_policy, make_scan(), Action.APPROVE)
    assert queue.list(LEA) == ()
    closed = only(queue.list(LEA, state=ItemState.CLOSED))
    assert closed.closed_reason is CloseReason.SUPERSEDED
    assert closed.closed_at is not None


def test_a_video_waits_under_its_newest_verdict_alone(
    store: Store, queue: ReviewQueue, policy: Policy, other_policy: Policy
) -> None:
    judged(store, policy, make_scan())
    scan = judged(store, other_policy, make_scan(severity=Severity.LOW))
    assert only(queue.list(LEA)).verdict == scan.verdict


def test_an_item_waits_again_when_its_verdict_is_in_force_again(
    store: Store, queue: ReviewQueue, policy: Policy, other_policy: Policy
) -> None:
    judged(store, policy, make_scan())
    first = only(queue.list(LEA))
    judged(store, other_policy, make_scan(), Action.APPROVE)
    judged(store, policy, make_scan())
    again = only(queue.list(LEA))
    assert replace(again, version=first.version) == first
    assert again.version > first.version, "whoever had it before is told"


def test_a_failure_no_longer_waits_once_the_video_was_read(
    store: Store, queue: ReviewQueue, policy: Policy
) -> None:
    judged(store, policy, make_failed_scan(name="clip.mp4", id="first"))
    judged(store, policy, make_scan(name="clip.mp4"), Action.APPROVE)
    assert queue.count(LEA) == 0
    assert queue.count(LEA, state=ItemState.CLOSED) == 1
