"""Signatures of webhooks, as Standard Webhooks 1.0 specifies them: `v1`, HMAC-SHA256.

For receivers in Python:

    from moderation.webhook_signature import verify

    event = verify(request.headers, request.body, ["whsec_..."])

Sign and compare bytes as they came: JSON that is read and written again is other bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets as random
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from moderation.errors import ConfigurationError, PermanentError

__all__ = ["TOLERANCE_S", "WrongSignature", "new_secret", "sign", "verify"]

TOLERANCE_S: Final = 300.0
"""Seconds that the clocks of sender and receiver may differ, and a request may take: what was
recorded on the way cannot be sent again later."""

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1"

_FEWEST_BYTES, _MOST_BYTES = 24, 64
"""Of a secret, by the specification."""

_NEW_BYTES: Final = 32
"""As many as the digest has."""


class WrongSignature(PermanentError):
    """A request that is not, or not any more, what its sender signed."""


def new_secret() -> str:
    """`whsec_` and base64 of 32 random bytes."""
    return _PREFIX + base64.b64encode(random.token_bytes(_NEW_BYTES)).decode()


def sign(secrets: Iterable[str], id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each secret.

    timestamp  of the try, in seconds since 1970

    Raises `ConfigurationError` for what is no secret.
    """
    return " ".join(f"{_VERSION},{_digest(each, id, timestamp, body)}" for each in secrets)


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Iterable[str],
    tolerance_s: float = TOLERANCE_S,
    *,
    now: float | None = None,
) -> Any:
    """The event in a request: for receivers.

    headers  of the request, in whichever case
    secrets  that the receiver knows; while one is replaced, both
    now      seconds since 1970; unset: this machine's clock

    An event may come more than once, under the same `webhook-id`: note the ids that were dealt
    with. Raises `WrongSignature`, and `ConfigurationError` for what is no secret.
    """
    given = {name.lower(): value for name, value in headers.items()}
    id, timestamp = _given(given, "webhook-id"), _seconds(_given(given, "webhook-timestamp"))
    if abs((time.time() if now is None else now) - timestamp) > tolerance_s:
        raise WrongSignature(
            "the request is of another time", hint="refuse it; if all are, set the clock right"
        )
    expected = {_digest(each, id, timestamp, body).encode() for each in secrets}
    signatures = list(_signatures(_given(given, "webhook-signature")))
    if not any(hmac.compare_digest(own, each) for own in expected for each in signatures):
        raise WrongSignature(
            "no signature fits", hint="refuse it; if none ever fits, compare the secrets"
        )
    return json.loads(body)


def _digest(secret: str, id: str, timestamp: int, body: bytes) -> str:
    signed = b".".join((id.encode(errors="replace"), str(timestamp).encode(), body))
    return base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not _FEWEST_BYTES <= len(key) <= _MOST_BYTES:
        raise ConfigurationError(  # which does not quote it
            "a webhook's secret does not hold",
            hint=f"it is {_PREFIX} and base64 of {_FEWEST_BYTES} to {_MOST_BYTES} bytes",
        )
    return key


def _given(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise WrongSignature(f"the header {name} is missing", hint="refuse the request")
    return value


def _seconds(timestamp: str) -> int:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15):
        raise WrongSignature("webhook-timestamp is no number of seconds", hint="refuse it")
    return int(timestamp)


def _signatures(header: str) -> Iterable[bytes]:
    for each in header.split():
        version, _, signature = each.partition(",")
        if version == _VERSION:
            yield signature.encode(errors="replace")
