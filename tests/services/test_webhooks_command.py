"""`moderation webhooks`: what an operator does, from the first receiver to a replay."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from moderation.store import Store
from moderation.store.models import DeliveryRow
from moderation.store.outbox import announce
from moderation.webhook_signature import verify
from tests.services.commands import Done, begin, command
from tests.services.installation import Installation
from tests.services.receiver import Receiver, Reply
from tests.services.server import until

NO_BROKER = "redis://127.0.0.1:9/0"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path, f"sqlite:///{tmp_path / 'moderation.db'}", NO_BROKER)
    made.more["MODERATION_WEBHOOKS__ALLOWED_NETWORKS"] = "127.0.0.0/8, fd00::/8"
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def webhooks(installation: Installation, *arguments: str) -> Done:
    return command(installation, "webhooks", *arguments)


def added(installation: Installation, *arguments: str) -> tuple[str, str]:
    """A new webhook, and its secret."""
    done = webhooks(installation, "add", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stderr.split()[1].rstrip(":"), done.stdout.strip()


def happen(installation: Installation, type: str = "job.completed") -> None:
    now = datetime.now(UTC)
    with Store.open(installation.settings.database_url) as store, store.writing() as session:
        announce(session, type=type, data={"id": "x1"}, now=now)


def make_due(installation: Installation) -> None:
    with Store.open(installation.settings.database_url) as store, store.writing() as session:
        session.execute(update(DeliveryRow).values(due_us=0))


def test_a_webhook_is_added_and_its_secret_shown_once(
    installation: Installation, receiver: Receiver
) -> None:
    id, secret = added(installation, receiver.url, "--event", "job.completed")
    happen(installation, "review.decided")
    happen(installation)
    assert webhooks(installation, "send").stdout == "1 delivered\n"
    assert webhooks(installation, "send").stdout == "nothing is due\n"
    (request,) = receiver.requests
    assert verify(request.headers, request.body, [secret])["type"] == "job.completed"
    listed, log = webhooks(installation, "list"), webhooks(installation, "log")
    assert all(each in listed.stdout for each in (id, "job.completed", "enabled", receiver.url))
    assert all(each in log.stdout for each in (request.id, "delivered", "204", id))
    assert secret not in listed.stdout + listed.stderr + log.stdout + log.stderr


def test_where_there_is_none_the_next_step_is_said(installation: Installation) -> None:
    assert "webhooks add URL" in webhooks(installation).stderr
    assert "nothing was sent" in webhooks(installation, "log").stderr


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "https://[::1]/", "ftp://x/"],
)
def test_fault_135_an_inner_address_is_refused_when_it_is_added(
    installation: Installation, url: str
) -> None:
    done = webhooks(installation, "add", url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no webhook yet" in webhooks(installation, "list").stderr


def test_a_new_secret_is_taken_over_without_a_gap(
    installation: Installation, receiver: Receiver
) -> None:
    id, former = added(installation, receiver.url)
    new = webhooks(installation, "rotate", id).stdout.strip()
    happen(installation)
    webhooks(installation, "send")
    leaked = webhooks(installation, "rotate", id, "--overlap", "0").stdout.strip()
    happen(installation)
    webhooks(installation, "send")
    both, only = (each.headers["webhook-signature"].split() for each in receiver.requests)
    assert (len(both), len(only)) == (2, 1)
    assert verify(receiver.requests[0].headers, receiver.requests[0].body, [former])
    assert len({former, new, leaked}) == 3


def test_a_webhook_is_disabled_enabled_and_removed(
    installation: Installation, receiver: Receiver
) -> None:
    id, _ = added(installation, receiver.url)
    webhooks(installation, "disable", id, "--reason", "too [bold]loud")
    assert "disabled: too [bold]loud" in webhooks(installation, "list").stdout
    happen(installation)
    assert webhooks(installation, "send").stdout == "nothing is due\n"
    webhooks(installation, "enable", id)
    assert webhooks(installation, "replay", "--since", "1h").stdout == "1 to send\n"
    assert webhooks(installation, "send").stdout == "1 delivered\n"
    webhooks(installation, "remove", id)
    assert webhooks(installation, "remove", id).returncode == 2
    assert "there is no webhook yet" in webhooks(installation, "list").stderr


def test_an_event_that_failed_is_replayed_under_its_id(
    installation: Installation, receiver: Receiver
) -> None:
    added(installation, receiver.url)
    receiver.reply = Reply(500)
    happen(installation)
    assert webhooks(installation, "send").stdout == "1 waiting\n"
    log = webhooks(installation, "log", "--state", "waiting").stdout
    assert "the receiver answered 500" in log
    receiver.reply = Reply(200)
    event = receiver.requests[0].id
    assert webhooks(installation, "replay", event).stdout == "1 to send\n"
    assert webhooks(installation, "send").stdout == "1 delivered\n"
    assert receiver.ids == [event, event]


@pytest.mark.parametrize(
    "arguments", [(), ("msg_1", "--since", "1h"), ("msg_1", "--delivered"), ("msg_1",)]
)
def test_a_replay_says_what_it_needs(
    installation: Installation, arguments: tuple[str, ...]
) -> None:
    assert webhooks(installation, "replay", *arguments).returncode == 2


def test_fault_137_a_sender_that_is_killed_leaves_the_event_to_the_next(
    installation: Installation, receiver: Receiver
) -> None:
    """After the receiver has it, and before that is written down: it comes twice, under one id."""
    added(installation, receiver.url)
    happen(installation)
    receiver.reply = Reply(instead=lambda _: receiver.over.wait())
    sender = begin(installation, "webhooks", "send")
    until(lambda: len(receiver.requests) == 1, "the event's arrival")
    sender.kill()
    sender.communicate()
    receiver.reply = Reply(200)
    assert webhooks(installation, "send").stdout == "nothing is due\n"
    make_due(installation)  # the lease of the dead runs out
    assert webhooks(installation, "send").stdout == "1 delivered\n"
    assert len(receiver.requests) == 2
    assert len(set(receiver.ids)) == 1


def test_the_service_sends_until_it_is_told_to_stop(
    installation: Installation, receiver: Receiver
) -> None:
    added(installation, receiver.url)
    service = begin(installation, "webhooks", "send", "--forever")
    happen(installation)
    until(lambda: len(receiver.requests) == 1, "the event's arrival")
    service.send_signal(signal.SIGTERM)
    _, told = service.communicate(timeout=60)
    assert service.returncode == 130
    assert "Traceback" not in told
    assert json.loads(receiver.requests[0].body)["data"] == {"id": "x1"}
