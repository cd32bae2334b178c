"""Events sent to real receivers: signed, again and again under one id, and nowhere else."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import select, update

from moderation.address_guard import AddressGuard
from moderation.store import Store
from moderation.store.clock import now_us
from moderation.store.deliveries import Deliveries
from moderation.store.models import DeliveryRow
from moderation.store.outbox import announce
from moderation.store.webhooks import Webhooks
from moderation.webhook import Delivery, DeliveryState, Webhook
from moderation.webhook_delivery import LONGEST_PAUSE_S, RETRY_S, Sender
from moderation.webhook_settings import WebhookSettings
from moderation.webhook_signature import verify
from tests.services.certificate import self_signed
from tests.services.receiver import Receiver, Reply
from tests.services.server import until

LOOPBACK = ip_network("127.0.0.0/8")
SETTINGS = WebhookSettings(allowed_networks=(LOOPBACK,), poll_s=0.05, senders=2)
NAME = "hooks.example.com"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'moderation.db'}") as store:
        yield store


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def sender(store: Store) -> Sender:
    return Sender(store, SETTINGS)


def add(store: Store, url: str) -> Webhook:
    return Webhooks(store, AddressGuard([LOOPBACK], lambda *_: ["127.0.0.1"])).add(url, actor="a")


@pytest.fixture
def webhook(store: Store, receiver: Receiver) -> Webhook:
    return add(store, receiver.url)


def happen(store: Store, number: int = 1) -> None:
    with store.writing() as session:
        announce(session, type="job.completed", data={"number": number}, now=datetime.now(UTC))


def make_due(store: Store) -> None:
    with store.writing() as session:
        session.execute(update(DeliveryRow).values(due_us=0))


def clock(store: Store) -> datetime:
    """The database's."""
    with store.reading() as session:
        us = session.scalar(select(now_us())) or 0
    return datetime.fromtimestamp(us / 1e6, UTC)


def log(store: Store) -> Delivery:
    (only,) = Deliveries(store).log()
    return only


def failure(store: Store, sender: Sender) -> tuple[Delivery, float]:
    """What a try came to, and how many seconds at least the next one is away."""
    before = clock(store)
    state = sender.send_one()
    delivery = log(store)
    assert state is delivery.state
    return delivery, (delivery.due - before).total_seconds()


# Sent


def test_an_event_arrives_as_the_specification_says(
    store: Store, sender: Sender, receiver: Receiver, webhook: Webhook
) -> None:
    happen(store)
    assert sender.send_due() == {DeliveryState.DELIVERED: 1}
    (request,) = receiver.requests
    assert request.path == "/hook?key=1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    event = verify(request.headers, request.body, [webhook.secrets[0].value])
    assert (event["type"], event["data"]) == ("job.completed", {"number": 1})
    delivery = log(store)
    assert (delivery.event.id, delivery.status) == (request.id, 204)
    assert delivery.delivered_at is not None


def test_both_secrets_sign_while_one_is_replaced(
    store: Store, sender: Sender, receiver: Receiver, webhook: Webhook
) -> None:
    new = Webhooks(store, AddressGuard()).rotate(webhook.id, actor="ann")
    happen(store)
    sender.send_due()
    (request,) = receiver.requests
    for secret in (new, webhook.secrets[0].value):
        assert verify(request.headers, request.body, [secret])


@pytest.mark.usefixtures("webhook")
def test_all_that_is_due_is_sent_in_its_order(
    store: Store, sender: Sender, receiver: Receiver
) -> None:
    for number in range(5):
        happen(store, number)
    assert sender.send_due() == {DeliveryState.DELIVERED: 5}
    sent = [json.loads(each.body)["data"]["number"] for each in receiver.requests]
    assert sorted(sent) == [0, 1, 2, 3, 4]
    assert sender.send_due() == {}


@pytest.mark.usefixtures("webhook")
def test_a_running_sender_sends_what_happens_and_ends_when_told(
    store: Store, sender: Sender, receiver: Receiver
) -> None:
    over = threading.Event()
    running = threading.Thread(target=sender.run, args=(over,))
    running.start()
    happen(store)
    until(lambda: len(receiver.requests) == 1, "the event's arrival")
    over.set()
    running.join()
    assert log(store).state is DeliveryState.DELIVERED


@pytest.mark.usefixtures("webhook")
def test_a_receiver_that_hangs_does_not_hold_up_the_others(
    store: Store, sender: Sender, receiver: Receiver
) -> None:
    receiver.reply = Reply(instead=lambda _: receiver.over.wait())
    with Receiver() as other:
        happen(store, 1)
        add(store, other.url)
        happen(store, 2)
        over = threading.Event()
        running = threading.Thread(target=sender.run, args=(over,))
        running.start()
        until(lambda: len(receiver.requests) == 1, "the first event")
        until(lambda: len(other.requests) == 1, "the other receiver's event")
        over.set()
        receiver.over.set()
        running.join()


# Failures


def test_fault_134_a_receiver_that_is_down_is_tried_again(store: Store, sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    add(store, f"http://127.0.0.1:{port}/")
    happen(store)
    delivery, away_s = failure(store, sender)
    assert (delivery.state, delivery.attempt, delivery.status) == (DeliveryState.WAITING, 1, 0)
    assert "did not answer" in delivery.error
    assert away_s >= RETRY_S[0]


@pytest.mark.parametrize("status", [400, 401, 404, 500])
@pytest.mark.usefixtures("webhook")
def test_fault_134_a_receiver_that_fails_is_sent_the_same_again(
    store: Store, sender: Sender, receiver: Receiver, status: int
) -> None:
    receiver.reply = Reply(status)
    happen(store)
    delivery, away_s = failure(store, sender)
    assert (delivery.state, delivery.status) == (DeliveryState.WAITING, status)
    assert away_s >= RETRY_S[0]
    assert sender.send_one() is None
    receiver.reply = Reply(200)
    make_due(store)
    assert sender.send_one() is DeliveryState.DELIVERED
    first, second = receiver.requests
    assert (first.id, first.body) == (second.id, second.body)


@pytest.mark.usefixtures("webhook")
def test_fault_134_after_tries_over_days_an_event_is_dead_and_can_be_replayed(
    store: Store, sender: Sender, receiver: Receiver
) -> None:
    receiver.reply = Reply(500)
    happen(store)
    for number, delay in enumerate(RETRY_S, 1):
        delivery, away_s = failure(store, sender)
        assert (delivery.state, delivery.attempt) == (DeliveryState.WAITING, number)
        assert delay <= away_s <= delay * 1.2 + 60
        make_due(store)
    assert sender.send_one() is DeliveryState.DEAD
    make_due(store)
    assert sender.send_one() is None
    assert len(receiver.requests) == len(RETRY_S) + 1
    assert sum(RETRY_S) >= 3 * 24 * 3600
    receiver.reply = Reply(200)
    assert Deliveries(store).replay(log(store).event.id) == 1
    assert sender.send_one() is DeliveryState.DELIVERED
    assert len(set(receiver.ids)) == 1


def test_fault_134_chance_spreads_the_tries(
    store: Store, sender: Sender, receiver: Receiver
) -> None:
    receiver.reply = Reply(500)
    for _ in range(3):
        add(store, receiver.url)
    happen(store)
    before = clock(store)
    sender.send_due()
    delays = [(each.due - before).total_seconds() for each in Deliveries(store).log()]
    assert len(set(delays)) == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.usefixtures("webhook")
def test_fault_134_a_redirect_is_not_followed(
    store: Store, sender: Sender, receiver: Receiver, status: int
) -> None:
    with Receiver() as elsewhere:
        receiver.reply = Reply(status, {"location": elsewhere.url})
        happen(store)
        delivery, _ = failure(store, sender)
        assert (delivery.state, delivery.status) == (DeliveryState.WAITING, status)
        assert "redirects are not followed" in delivery.error
        assert elsewhere.requests == []


def test_fault_134_a_receiver_that_is_gone_is_left_alone(
    store: Store, sender: Sender, receiver: Receiver, webhook: Webhook
) -> None:
    receiver.reply = Reply(410)
    happen(store)
    assert sender.send_one() is DeliveryState.DEAD
    happen(store, 2)
    assert sender.send_one() is None
    (disabled,) = Webhooks(store, AddressGuard()).list()
    assert (disabled.id, disabled.disabled_at is None) == (webhook.id, False)
    assert "410" in disabled.disabled_reason
    assert len(receiver.requests) == 1


def in_a_day() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=20), usegmt=True)


@pytest.mark.parametrize(
    ("retry_after", "least_s", "most_s"),
    [
        (lambda: "7200", 7200, 8700),
        (in_a_day, 19 * 3600, 25 * 3600),
        (lambda: "9" * 40, LONGEST_PAUSE_S, LONGEST_PAUSE_S * 1.3),
        (lambda: "0", RETRY_S[0], 60),
        (lambda: "Thu, 01 Jan 1970 00:00:00 GMT", RETRY_S[0], 60),
        (lambda: "soon", RETRY_S[0], 60),
    ],
    ids=["seconds", "date", "for ever", "at once", "long ago", "nonsense"],
)
@pytest.mark.usefixtures("webhook")
def test_fault_134_a_receiver_says_when_it_wants_to_be_tried_again(
    store: Store,
    sender: Sender,
    receiver: Receiver,
    retry_after: Callable[[], str],
    least_s: float,
    most_s: float,
) -> None:
    receiver.reply = Reply(503, {"retry-after": retry_after()})
    happen(store)
    delivery, away_s = failure(store, sender)
    assert least_s <= away_s <= most_s
    assert delivery.state is DeliveryState.PAUSED
    happen(store, 2)
    assert sender.send_one() is None


@pytest.mark.parametrize("status", [429, 502, 504])
@pytest.mark.usefixtures("webhook")
def test_fault_134_an_overloaded_receiver_is_sent_nothing_else_meanwhile(
    store: Store, sender: Sender, receiver: Receiver, status: int
) -> None:
    receiver.reply = Reply(status)
    for number in range(3):
        happen(store, number)
    assert sender.send_due() == {DeliveryState.PAUSED: 1}
    assert len(receiver.requests) == 1


def trickle(connection: socket.socket) -> None:
    """Headers without an end, so that no time-out of the socket is ever reached."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"x-more: 1\r\n")
        time.sleep(0.02)


def be_silent(connection: socket.socket) -> None:
    connection.recv(1)


@pytest.mark.parametrize("instead", [trickle, be_silent])
@pytest.mark.usefixtures("webhook")
def test_fault_134_a_slow_receiver_costs_no_more_than_its_time(
    store: Store, receiver: Receiver, instead: Callable[[socket.socket], None]
) -> None:
    receiver.reply = Reply(instead=instead)
    happen(store)
    impatient = SETTINGS.model_copy(update={"timeout_s": 0.5})
    delivery, _ = failure(store, Sender(store, impatient))
    assert (delivery.state, delivery.status) == (DeliveryState.WAITING, 0)
    assert "did not answer" in delivery.error


@pytest.mark.parametrize(
    "answer", [b"", b"garbage\r\n\r\n", b"SSH-2.0\r\n", b"HTTP/1.1 999999 x\r\n"]
)
@pytest.mark.usefixtures("webhook")
def test_fault_134_what_is_no_answer_is_a_failure(
    store: Store, sender: Sender, receiver: Receiver, answer: bytes
) -> None:
    receiver.reply = Reply(instead=lambda connection: connection.sendall(answer))
    happen(store)
    delivery, _ = failure(store, sender)
    assert (delivery.state, delivery.status) == (DeliveryState.WAITING, 0)
    assert "did not answer" in delivery.error


# Addresses


class Listener:
    """A service of the inner network, as far as a connection."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    @property
    def was_connected_to(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True


def test_fault_135_a_name_that_turns_inner_after_it_was_saved_is_not_sent_to(store: Store) -> None:
    inner, answers = Listener(), iter([["93.184.215.14"], ["127.0.0.1"]])
    guard = AddressGuard(resolve=lambda *_: next(answers))
    Webhooks(store, guard).add(f"https://{NAME}:{inner.port}/", actor="ann")
    happen(store)
    delivery, _ = failure(store, Sender(store, SETTINGS, guard=guard))
    assert delivery.state is DeliveryState.WAITING
    assert "no public address" in delivery.error
    assert not inner.was_connected_to


def test_fault_135_the_address_that_was_checked_is_the_one_connected_to(
    store: Store, receiver: Receiver
) -> None:
    """A name server that changes its answer between check and connection is not asked again."""
    asked: list[str] = []

    def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    guard = AddressGuard([LOOPBACK], resolve)
    add(store, f"http://{NAME}:{receiver.port}/")
    happen(store)
    assert Sender(store, SETTINGS, guard=guard).send_one() is DeliveryState.DELIVERED
    assert asked == [NAME]
    assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"


def test_an_address_that_does_not_answer_gives_way_to_the_next(
    store: Store, receiver: Receiver
) -> None:
    guard = AddressGuard([LOOPBACK], lambda *_: ["127.0.0.2", "127.0.0.1"])
    add(store, f"http://{NAME}:{receiver.port}/")
    happen(store)
    assert Sender(store, SETTINGS, guard=guard).send_one() is DeliveryState.DELIVERED


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(NAME, tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure_receiver(certificate: Path) -> Iterator[Receiver]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    with Receiver(server) as receiver:
        yield receiver


@pytest.mark.parametrize(
    ("host", "state"),
    [(NAME, DeliveryState.DELIVERED), ("other.example.com", DeliveryState.WAITING)],
)
def test_a_certificate_must_be_that_of_the_name(
    store: Store, secure_receiver: Receiver, certificate: Path, host: str, state: DeliveryState
) -> None:
    """Though the connection goes to an address."""
    add(store, f"https://{host}:{secure_receiver.port}/")
    happen(store)
    guard = AddressGuard([LOOPBACK], lambda *_: ["127.0.0.1"])
    trusting = ssl.create_default_context(cafile=certificate)
    assert Sender(store, SETTINGS, guard=guard, tls=trusting).send_one() is state
    assert len(secure_receiver.requests) == (state is DeliveryState.DELIVERED)


def test_a_certificate_that_nobody_trusts_is_refused(
    store: Store, secure_receiver: Receiver
) -> None:
    add(store, f"https://{NAME}:{secure_receiver.port}/")
    happen(store)
    guard = AddressGuard([LOOPBACK], lambda *_: ["127.0.0.1"])
    delivery, _ = failure(store, Sender(store, SETTINGS, guard=guard))
    assert "certificate" in delivery.error
    assert secure_receiver.requests == []
