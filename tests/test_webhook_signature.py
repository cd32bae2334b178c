"""Webhooks are what Standard Webhooks says: bodies, signatures, and what a receiver refuses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from moderation.errors import ConfigurationError
from moderation.webhook import LARGEST_BODY, EventType, Webhook, WebhookSecret, body_of
from moderation.webhook_signature import WrongSignature, new_secret, sign, verify

AT = datetime(2026, 11, 21, 13, 5, 0, 250, tzinfo=UTC)

REFERENCE_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
REFERENCE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
REFERENCE_TIME = 1614265330
REFERENCE_BODY = b'{"test": 2432232314}'
REFERENCE_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
"""The vector that the specification's own libraries are tested with."""

OLD, NEW = new_secret(), new_secret()
BODY = b'{"type":"job.completed"}'


def headers_of(*secrets: str, id: str = "msg_1", at: int = 1_000_000) -> dict[str, str]:
    signature = sign(secrets, id, at, BODY)
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": signature}


# Bodies


def test_a_body_has_type_timestamp_and_data() -> None:
    body = body_of(EventType.JOB_COMPLETED, AT, {"job_id": "j1"})
    assert json.loads(body) == {
        "type": "job.completed",
        "timestamp": "2026-11-21T13:05:00.000250Z",
        "data": {"job_id": "j1"},
    }


def test_what_is_too_much_is_left_out_and_named_and_ids_stay() -> None:
    data = {"id": "j1", "long": "ü" * 10_000, "longer": ["x" * 22_000], "error": "short"}
    body = body_of(EventType.VERDICT_CHANGED, AT, data)
    assert len(body.encode()) <= LARGEST_BODY
    assert json.loads(body)["left_out"] == ["long", "longer"]
    assert json.loads(body)["data"] == {"id": "j1", "error": "short"}


def test_a_name_that_no_encoding_takes_does_not_stop_an_event() -> None:
    body = body_of(EventType.JOB_COMPLETED, AT, {"uri": "a\udc80.mp4"})
    assert json.loads(body.encode())["data"]["uri"].startswith("a\ufffd")


# Signatures


def test_the_reference_vector_is_signed_as_the_specification_does() -> None:
    made = sign([REFERENCE_SECRET], REFERENCE_ID, REFERENCE_TIME, REFERENCE_BODY)
    assert made == REFERENCE_SIGNATURE


def test_a_signature_is_the_hmac_of_id_time_and_body() -> None:
    secret = new_secret()
    assert secret.startswith("whsec_")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert 24 <= len(key) <= 64
    digest = hmac.new(key, b"msg_1.1000000." + BODY, hashlib.sha256).digest()
    assert headers_of(secret)["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_no_two_secrets_are_the_same() -> None:
    assert new_secret() != new_secret()


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_***",
        base64.b64encode(bytes(32)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
    ],
)
def test_what_is_no_secret_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        sign([secret], "msg_1", 1, b"")
    assert not secret or secret not in str(refused.value) or secret == "whsec_"


def test_secrets_of_a_webhook_sign_until_their_time_is_over_and_are_not_shown() -> None:
    former = WebhookSecret(value=OLD, until=AT)
    webhook = Webhook(
        id="w1",
        url="https://example.com",
        secrets=(WebhookSecret(value=NEW), former),
        events=(),
        created_at=AT,
    )
    assert webhook.signing(AT - timedelta(seconds=1)) == [NEW, OLD]
    assert webhook.signing(AT) == [NEW]
    assert "whsec_" not in f"{webhook!r} {former!r}"


# Receivers


def test_a_receiver_accepts_what_the_specification_signed() -> None:
    headers = {
        "Webhook-Id": REFERENCE_ID,
        "Webhook-Timestamp": str(REFERENCE_TIME),
        "Webhook-Signature": REFERENCE_SIGNATURE,
    }
    given = verify(headers, REFERENCE_BODY, [REFERENCE_SECRET], now=REFERENCE_TIME + 1)
    assert given == {"test": 2432232314}


@pytest.mark.parametrize(
    ("signing", "known"),
    [([OLD], [OLD]), ([NEW, OLD], [OLD]), ([NEW, OLD], [NEW]), ([NEW], [OLD, NEW])],
)
def test_fault_136_while_a_secret_is_replaced_both_are_accepted(
    signing: list[str], known: list[str]
) -> None:
    assert verify(headers_of(*signing), BODY, known, now=1_000_000) == json.loads(BODY)


@pytest.mark.parametrize(
    ("changed", "body", "now"),
    [
        ({}, BODY, 1_000_301),
        ({}, BODY, 999_699),
        ({}, BODY + b" ", 1_000_000),
        ({"webhook-id": "msg_2"}, BODY, 1_000_000),
        ({"webhook-timestamp": "1000300"}, BODY, 1_000_300),
        ({"webhook-timestamp": "now"}, BODY, 1_000_000),
        ({"webhook-timestamp": "9" * 30}, BODY, 1_000_000),
        ({"webhook-signature": headers_of(NEW)["webhook-signature"]}, BODY, 1_000_000),
        ({"webhook-signature": "v1,"}, BODY, 1_000_000),
        ({"webhook-signature": "v1"}, BODY, 1_000_000),
        ({"webhook-signature": "v1,\udcff\ud800"}, BODY, 1_000_000),
        ({"webhook-signature": headers_of(OLD)["webhook-signature"][3:]}, BODY, 1_000_000),
        ({"webhook-signature": "v1a" + headers_of(OLD)["webhook-signature"][2:]}, BODY, 1_000_000),
        ({"webhook-id": ""}, BODY, 1_000_000),
        ({"webhook-timestamp": ""}, BODY, 1_000_000),
        ({"webhook-signature": ""}, BODY, 1_000_000),
    ],
    ids=[
        *("replayed", "of the future", "altered body", "other id", "other time", "no time"),
        *("huge time", "other secret", "empty", "no comma", "no text", "no version"),
        *("other version", "without id", "without time", "without signature"),
    ],
)
def test_fault_136_what_was_not_signed_like_that_and_now_is_refused(
    changed: dict[str, str], body: bytes, now: int
) -> None:
    with pytest.raises(WrongSignature):
        verify({**headers_of(OLD), **changed}, body, [OLD], now=now)


def test_one_signature_among_others_is_enough() -> None:
    headers = headers_of(OLD)
    headers["webhook-signature"] = f"v1a,AAAA v1,BBBB {headers['webhook-signature']} v2,CCCC"
    assert verify(headers, BODY, [OLD], now=1_000_000)


def test_a_receiver_without_secrets_accepts_nothing() -> None:
    with pytest.raises(WrongSignature):
        verify(headers_of(OLD), BODY, [], now=1_000_000)
