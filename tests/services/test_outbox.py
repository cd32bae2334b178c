"""The outbox on both databases: in one transaction with what happened, claimed by one at a time."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from moderation.address_guard import AddressGuard
from moderation.errors import ConfigurationError
from moderation.job import JobState
from moderation.store import Store
from moderation.store.announcements import announce_change, announce_job, in_force
from moderation.store.audit import record
from moderation.store.deliveries import Deliveries
from moderation.store.dispatch import Dispatch, Failed
from moderation.store.models import AuditRow, DeliveryRow, JobRow, WebhookEventRow
from moderation.store.outbox import announce
from moderation.store.webhooks import Webhooks
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Action
from moderation.webhook import Delivery, DeliveryState, EventType, Webhook

NOW = datetime(2026, 11, 21, 13, tzinfo=UTC)
LEASE_S = 3600


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store.open(database_url) as store:
        yield store


@pytest.fixture
def webhooks(store: Store) -> Webhooks:
    return Webhooks(store, AddressGuard(resolve=lambda *_: ["93.184.215.14"]))


@pytest.fixture
def dispatch(store: Store) -> Dispatch:
    return Dispatch(store, lease_s=LEASE_S)


@pytest.fixture
def webhook(webhooks: Webhooks) -> Webhook:
    return webhooks.add("https://one.example.com/", actor="ann")


def happen(store: Store, number: int = 1, type: str = "job.completed", at: datetime = NOW) -> None:
    with store.writing() as session:
        announce(session, type=type, data={"number": number}, now=at)


def make_due(store: Store) -> None:
    """All that waits and all that is held, as if its time had come."""
    with store.writing() as session:
        session.execute(update(DeliveryRow).values(due_us=0))


def claimed(dispatch: Dispatch) -> Delivery:
    delivery = dispatch.claim()
    assert delivery is not None
    return delivery


def numbers(store: Store) -> list[int]:
    """Of the events that are due, as they are sent one after another."""
    dispatch, found = Dispatch(store, lease_s=LEASE_S), []
    while (delivery := dispatch.claim()) is not None:
        found.append(json.loads(delivery.event.body)["data"]["number"])
        assert dispatch.delivered(delivery, 204)
    return found


# Announced


def test_an_event_is_in_the_outbox_of_every_webhook_that_wants_it(
    store: Store, webhooks: Webhooks
) -> None:
    every = webhooks.add("https://one.example.com/", actor="ann")
    webhooks.add("https://two.example.com/", [EventType.REVIEW_DECIDED], actor="ann")
    some = webhooks.add("https://three.example.com/", [EventType.JOB_COMPLETED], actor="ann")
    happen(store)
    log = Deliveries(store).log()
    assert {each.webhook.id for each in log} == {every.id, some.id}
    assert {each.event.id for each in log} == {log[0].event.id}
    assert {each.state for each in log} == {DeliveryState.WAITING}
    assert json.loads(log[0].event.body)["timestamp"] == "2026-11-21T13:00:00.000000Z"


@pytest.mark.usefixtures("webhook")
def test_what_is_not_committed_is_not_announced(store: Store) -> None:
    def undone() -> None:
        with store.writing() as session:
            announce(session, type="job.completed", data={}, now=NOW)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        undone()
    assert Deliveries(store).log() == []


def test_where_nobody_listens_nothing_is_kept(store: Store) -> None:
    happen(store)
    with store.reading() as session:
        assert session.scalar(select(func.count()).select_from(WebhookEventRow)) == 0


@pytest.mark.usefixtures("webhook")
def test_a_type_that_is_none_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="exploded"):
        happen(store, type="job.exploded")


def test_a_webhook_can_be_removed_while_others_announce(
    store: Store, webhooks: Webhooks, webhook: Webhook
) -> None:
    """Who announces is in the middle of something more important, and must not fail for it."""
    announced, remover = threading.Event(), ThreadPoolExecutor(1)
    with store.writing() as session:
        announce(session, type="job.completed", data={}, now=NOW)
        removal = remover.submit(lambda: (announced.wait(), webhooks.remove(webhook.id, actor="a")))
        announced.set()
    removal.result()
    assert (Deliveries(store).log(), webhooks.list()) == ([], [])


# Claimed


@pytest.mark.usefixtures("webhook")
def test_the_longest_due_goes_first_and_one_at_a_time(store: Store, dispatch: Dispatch) -> None:
    happen(store, 1)
    happen(store, 2)
    first = claimed(dispatch)
    assert dispatch.claim() is None
    assert dispatch.delivered(first, 204)
    second = claimed(dispatch)
    assert [json.loads(each.event.body)["data"]["number"] for each in (first, second)] == [1, 2]
    assert second.attempt == 1


def test_one_webhook_does_not_wait_for_another(
    store: Store, dispatch: Dispatch, webhooks: Webhooks, webhook: Webhook
) -> None:
    other = webhooks.add("https://two.example.com/", actor="ann")
    happen(store)
    assert {claimed(dispatch).webhook.id, claimed(dispatch).webhook.id} == {webhook.id, other.id}


def test_many_senders_share_the_work_and_none_is_sent_twice(
    store: Store, webhooks: Webhooks
) -> None:
    """Nor two events at one time to the same receiver."""
    for name in ("one", "two", "three"):
        webhooks.add(f"https://{name}.example.com/", actor="ann")
    for number in range(12):
        happen(store, number)
    done: Counter[tuple[str, str]] = Counter()
    held: Counter[str] = Counter()
    most: list[int] = []
    lock = threading.Lock()

    def send() -> None:
        dispatch = Dispatch(store, lease_s=LEASE_S)
        while sum(done.values()) < 36:
            delivery = dispatch.claim()
            if delivery is None:
                continue
            with lock:
                held[delivery.webhook.id] += 1
                most.append(held[delivery.webhook.id])
            with lock:
                held[delivery.webhook.id] -= 1
                done[delivery.webhook.id, delivery.event.id] += 1
            assert dispatch.delivered(delivery, 204)

    with ThreadPoolExecutor(6) as pool:
        for each in [pool.submit(send) for _ in range(6)]:
            each.result()
    assert (len(done), set(done.values()), set(most)) == (36, {1}, {1})


@pytest.mark.usefixtures("webhook")
def test_fault_137_what_a_dead_sender_had_is_sent_by_another_under_its_id(
    store: Store, dispatch: Dispatch
) -> None:
    happen(store)
    dead = claimed(dispatch)
    assert dispatch.claim() is None
    make_due(store)
    heir = claimed(dispatch)
    assert (heir.event, heir.attempt) == (dead.event, 2)
    assert not dispatch.delivered(dead, 204)
    assert not dispatch.failed(dead, Failed(error="late"))
    assert dispatch.delivered(heir, 204)
    assert not dispatch.gone(dead, Failed(error="late"))
    (log,) = Deliveries(store).log()
    assert (log.state, log.error) == (DeliveryState.DELIVERED, "")


@pytest.mark.usefixtures("webhook")
def test_fault_137_what_was_committed_is_sent_though_its_writer_is_gone(
    store: Store, database_url: str
) -> None:
    happen(store)
    store.close()
    with Store.open(database_url) as later:
        assert numbers(later) == [1]
        assert numbers(later) == []


# Outcomes


@pytest.mark.usefixtures("webhook")
def test_a_failure_waits_and_does_not_hold_back_the_rest(store: Store, dispatch: Dispatch) -> None:
    happen(store, 1)
    happen(store, 2)
    failed = Failed(error="the receiver answered 500", status=500, retry_s=600)
    assert dispatch.failed(claimed(dispatch), failed)
    assert numbers(store) == [2]
    (waiting,) = Deliveries(store).log(state=DeliveryState.WAITING)
    assert (waiting.attempt, waiting.status, waiting.error) == (1, 500, failed.error)
    make_due(store)
    assert numbers(store) == [1]


@pytest.mark.usefixtures("webhook")
def test_a_pause_holds_back_all_of_its_webhook_and_nothing_else(
    store: Store, dispatch: Dispatch, webhooks: Webhooks
) -> None:
    happen(store, 1)
    busy = Failed(error="the receiver answered 429", status=429, retry_s=600, pause=True)
    assert dispatch.failed(claimed(dispatch), busy)
    happen(store, 2)
    assert not dispatch.is_due()
    webhooks.add("https://two.example.com/", actor="ann")
    happen(store, 3)
    assert numbers(store) == [3]
    make_due(store)
    assert sorted(numbers(store)) == [1, 2, 3]


def test_who_is_gone_is_sent_nothing_until_somebody_enables_it(
    store: Store, dispatch: Dispatch, webhooks: Webhooks, webhook: Webhook
) -> None:
    happen(store, 1)
    happen(store, 2)
    assert dispatch.gone(claimed(dispatch), Failed(error="answered 410", status=410))
    happen(store, 3)
    assert numbers(store) == []
    assert webhooks.get(webhook.id).disabled_reason == "answered 410"
    webhooks.enable(webhook.id, actor="ann")
    assert numbers(store) == [2]
    assert Deliveries(store).replay_since(NOW) == 2
    assert sorted(numbers(store)) == [1, 3]


# Sent again


@pytest.mark.usefixtures("webhook")
def test_a_replay_sends_an_event_under_its_id(store: Store, dispatch: Dispatch) -> None:
    happen(store)
    delivery = claimed(dispatch)
    assert dispatch.failed(delivery, Failed(error="no answer"))
    assert dispatch.claim() is None
    assert Deliveries(store).replay(delivery.event.id) == 1
    again = claimed(dispatch)
    assert (again.event, again.attempt, again.error) == (delivery.event, 1, "")


@pytest.mark.usefixtures("webhook")
def test_a_replay_since_sends_what_did_not_arrive_and_on_demand_what_did(
    store: Store, dispatch: Dispatch, webhooks: Webhooks
) -> None:
    happen(store, 1, at=NOW - timedelta(hours=1))
    happen(store, 2)
    assert numbers(store) == [1, 2]
    happen(store, 3)
    assert dispatch.failed(claimed(dispatch), Failed(error="no answer"))
    deliveries = Deliveries(store)
    assert (deliveries.replay_since(NOW), numbers(store)) == (1, [3])
    assert (deliveries.replay_since(NOW), numbers(store)) == (0, [])
    assert deliveries.replay_since(NOW, delivered=True) == 2
    assert sorted(numbers(store)) == [2, 3]
    late = webhooks.add("https://two.example.com/", [EventType.JOB_COMPLETED], actor="ann")
    assert deliveries.replay_since(NOW, webhook=late.id) == 2
    assert sorted(numbers(store)) == [2, 3]


@pytest.mark.usefixtures("webhook")
def test_what_is_being_sent_is_not_replayed(store: Store, dispatch: Dispatch) -> None:
    happen(store)
    delivery = claimed(dispatch)
    assert Deliveries(store).replay(delivery.event.id) == 0
    assert dispatch.delivered(delivery, 204)


def test_only_what_there_is_can_be_replayed(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="no event msg_1"):
        Deliveries(store).replay("msg_1")
    with pytest.raises(ConfigurationError, match="no webhook w9"):
        Deliveries(store).replay_since(NOW, webhook="w9")


# Webhooks


def test_the_changes_of_a_webhook_are_in_the_audit_log_without_its_secrets(
    store: Store, webhooks: Webhooks, dispatch: Dispatch
) -> None:
    added = webhooks.add("https://one.example.com/hook?key=hush", actor="ann")
    webhooks.disable(added.id, "too loud", actor="bob")
    webhooks.enable(added.id, actor="bob")
    secret = webhooks.rotate(added.id, actor="bob")
    happen(store)
    dispatch.gone(claimed(dispatch), Failed(error="answered 410"))
    webhooks.remove(added.id, actor="cay")
    with store.reading() as session:
        rows = list(session.scalars(select(AuditRow).order_by(AuditRow.number)))
    verbs = ["added", "disabled", "enabled", "rotated", "disabled", "removed"]
    assert [each.action for each in rows] == [f"webhook.{verb}" for verb in verbs]
    assert [each.actor for each in rows] == ["ann", "bob", "bob", "bob", "webhooks", "cay"]
    assert {each.subject for each in rows} == {f"webhook:{added.id}"}
    told = " ".join(each.content for each in rows)
    assert not any(each in told for each in (secret, added.secrets[0].value, "hush"))


def test_a_new_secret_signs_beside_the_former_one_until_that_ends(
    webhooks: Webhooks, webhook: Webhook
) -> None:
    (former,) = webhook.secrets
    second = webhooks.rotate(webhook.id, actor="ann")
    rotated, now = webhooks.get(webhook.id), datetime.now(UTC)
    assert rotated.signing(now) == [second, former.value]
    assert rotated.signing(now + timedelta(hours=25)) == [second]
    third = webhooks.rotate(webhook.id, actor="ann", overlap=timedelta(0))
    assert webhooks.get(webhook.id).signing(datetime.now(UTC)) == [third]


def test_fault_135_a_url_of_an_inner_address_is_not_saved(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="no public address"):
        Webhooks(store, AddressGuard()).add("https://127.0.0.1/", actor="ann")
    assert Webhooks(store, AddressGuard()).list() == []


def test_a_webhook_that_there_is_not_is_an_error(webhooks: Webhooks) -> None:
    for change in (webhooks.get, lambda id: webhooks.remove(id, actor="ann")):
        with pytest.raises(ConfigurationError, match="no webhook w9"):
            change("w9")


# What jobs and verdicts say


@pytest.mark.usefixtures("webhook")
def test_a_job_tells_what_it_came_to(store: Store) -> None:
    scan = make_scan(make_evidence(), action=Action.REJECT)
    job = JobRow(id="j1", state=JobState.DONE, uri="s3://b/a.mp4", tag="t", error="")
    failed = JobRow(id="j2", state=JobState.FAILED, uri="s3://b/b.mp4", tag="", error="lost")
    with store.writing() as session:
        announce_job(session, job, scan, NOW)
        announce_job(session, failed, None, NOW + timedelta(seconds=1))
    second, first = (json.loads(each.event.body)["data"] for each in Deliveries(store).log())
    assert (first["job_id"], first["state"], first["uri"]) == ("j1", "done", "s3://b/a.mp4")
    assert (first["scan_id"], first["sha256"]) == (scan.id, scan.video.sha256)
    assert first["verdict"]["action"] == "reject"
    assert first["verdict"]["labels"] == ["Violence/Weapons/Knife"]
    assert first["verdict"]["policy"]["digest"] == scan.verdict.policy.digest
    assert (second["state"], second["error"]) == ("failed", "lost")


@pytest.mark.usefixtures("webhook")
def test_a_verdict_that_says_something_else_is_a_change(store: Store) -> None:
    before, after = make_scan(make_evidence()), make_scan(action=Action.APPROVE)
    with store.writing() as session:
        assert in_force(session, 1) is None
        announce_change(session, before, None, NOW)
        announce_change(session, before, before.verdict, NOW)
        announce_change(session, after, before.verdict, NOW)
    (only,) = Deliveries(store).log()
    data = json.loads(only.event.body)["data"]
    assert only.event.type is EventType.VERDICT_CHANGED
    assert (data["former"]["action"], data["verdict"]["action"]) == ("review", "approve")


@pytest.mark.usefixtures("webhook")
def test_an_event_and_its_entry_in_the_audit_log_share_a_transaction(store: Store) -> None:
    with store.writing() as session:
        announce(session, type="review.decided", data={"item_id": "i1"}, now=NOW)
        record(session, actor="a", action="item.decided", subject="item:i1", content={}, now=NOW)
    (only,) = Deliveries(store).log()
    assert only.event.type is EventType.REVIEW_DECIDED
