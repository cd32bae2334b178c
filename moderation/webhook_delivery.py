"""Sending what the outbox holds: signed, tried again for days, to checked addresses only.

An answer of 200 to 299 within `webhooks.timeout_s` is a success, everything else a failure,
redirects included; 410 disables the webhook. Tries follow `RETRY_S`; a receiver that says
`Retry-After`, or that it is overloaded, is left alone until then. How often and in which order
events arrive stands in `moderation.store.dispatch`.
"""

from __future__ import annotations

import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar

import structlog

from moderation import __version__
from moderation.address_guard import AddressGuard
from moderation.errors import ModerationError, TransientError
from moderation.store import Store
from moderation.store.dispatch import Dispatch, Failed
from moderation.webhook import Delivery, DeliveryState
from moderation.webhook_request import Answer, NoAnswer, post
from moderation.webhook_settings import WebhookSettings
from moderation.webhook_signature import sign

__all__ = ["LONGEST_PAUSE_S", "RETRY_S", "Sender"]

Got = TypeVar("Got")

log = structlog.get_logger(__name__)

_MINUTE, _HOUR = 60.0, 3600.0

RETRY_S: Final = (
    5.0, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR,
    24 * _HOUR,
)  # fmt: skip
"""Seconds from one failure to the next try: the schedule that Standard Webhooks gives, ten tries in
three days and some hours, in which somebody notices and repairs a receiver."""

_JITTER: Final = 0.2
"""Of a delay, that chance adds at most: receivers that failed together are not tried together."""

LONGEST_PAUSE_S: Final = 24 * _HOUR
"""That a receiver may ask for at once: no longer than the schedule itself would wait."""

_OVERLOADED: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Answers after which nothing else is sent to the webhook before the next try either."""

_LEASE: Final = 3
"""Leases in units of a request's time: names are resolved by the C library, which takes its own
time, and the outcome is written to a database that may be slow."""


class Sender:
    """Sends what is due. Any number of them, in any number of processes, may share one outbox.

    tls  for receivers by https; unset: the certificates that this machine trusts
    """

    def __init__(
        self,
        store: Store,
        settings: WebhookSettings,
        *,
        guard: AddressGuard | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._lease_s = _LEASE * settings.timeout_s
        self._dispatch = Dispatch(store, lease_s=self._lease_s)
        self._guard = guard or AddressGuard(settings.allowed_networks)
        self._tls = tls or ssl.create_default_context()

    def send_due(self) -> Counter[DeliveryState]:
        """Try all that is due, once; what became of it. Raises what the database raises."""
        over = threading.Event()
        return sum(self._side_by_side(over, partial(self._drain, over)), Counter())

    def run(self, over: threading.Event) -> None:
        """Until that is set; what is under way is finished first."""
        self._side_by_side(over, partial(self._watch, over))

    def send_one(self) -> DeliveryState | None:
        """Try what is due the longest; what became of it, or `None` where nothing is due."""
        began = time.monotonic()
        delivery = self._dispatch.claim()
        if delivery is None:
            return None
        try:
            answer = self._posted(delivery, began)
        except ModerationError as error:
            return self._failed(delivery, Answer(status=0), str(error))
        if 200 <= answer.status < 300:
            self._dispatch.delivered(delivery, answer.status)
            return DeliveryState.DELIVERED
        if answer.status == HTTPStatus.GONE:
            return self._gone(delivery)
        return self._failed(delivery, answer, _told(answer.status))

    def _side_by_side(self, over: threading.Event, work: Callable[[], Got]) -> list[Got]:
        """What each thread's work gave; the end of one that fails, and Ctrl-C, ends all."""
        with ThreadPoolExecutor(self._settings.senders, "webhooks") as pool:
            running = [pool.submit(work) for _ in range(self._settings.senders)]
            try:
                wait(running, return_when=FIRST_EXCEPTION)
                failed = [each for each in running if each.done() and each.exception()]
                return [each.result() for each in failed or running]
            finally:
                over.set()

    def _watch(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                self._drain(over)
            except TransientError as error:  # the database may be back the next time
                log.warning("webhooks cannot be sent", error=str(error))
            over.wait(self._settings.poll_s)

    def _drain(self, over: threading.Event) -> Counter[DeliveryState]:
        tries: Counter[DeliveryState] = Counter()
        while not over.is_set() and (state := self.send_one()):
            tries[state] += 1
        return tries

    def _posted(self, delivery: Delivery, began: float) -> Answer:
        """Raises `ConfigurationError` for a URL that may not be sent to, and `TransientError`."""
        target = self._guard.check(delivery.webhook.url)
        # Whoever sends when the lease has run out may send what another sends at that moment.
        left = began + self._lease_s - self._settings.timeout_s - time.monotonic()
        if left <= 0:
            raise NoAnswer(
                f"{target.host} was not resolved in time", hint="look at the name servers"
            )
        return post(
            target,
            delivery.event.body.encode(),
            _headers(delivery),
            timeout_s=min(left, self._settings.timeout_s),
            tls=self._tls,
        )

    def _gone(self, delivery: Delivery) -> DeliveryState:
        error = "the receiver answered 410: it wants no more"
        self._dispatch.gone(delivery, Failed(error=error, status=HTTPStatus.GONE))
        log.warning("a webhook is disabled", webhook=delivery.webhook.id, error=error)
        return DeliveryState.DEAD

    def _failed(self, delivery: Delivery, answer: Answer, error: str) -> DeliveryState:
        failed = _failure(delivery.attempt, answer, error)
        self._dispatch.failed(delivery, failed)
        if failed.retry_s is None:
            told = {"webhook": delivery.webhook.id, "event_id": delivery.event.id}
            log.warning("an event did not arrive in all its tries", **told, error=error)
        return failed.state


def _headers(delivery: Delivery) -> dict[str, str]:
    now = datetime.now(UTC)
    stamp = int(now.timestamp())
    return {
        "content-type": "application/json",
        "user-agent": f"moderation/{__version__}",
        "webhook-id": delivery.event.id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(
            delivery.webhook.signing(now), delivery.event.id, stamp, delivery.event.body.encode()
        ),
    }


def _told(status: int) -> str:
    redirects = 300 <= status < 400
    more = "; redirects are not followed, change the URL" if redirects else ""
    return f"the receiver answered {status}{more}"


def _failure(attempt: int, answer: Answer, error: str) -> Failed:
    if attempt > len(RETRY_S):
        return Failed(error=error, status=answer.status)
    asked = min(answer.retry_after_s or 0.0, LONGEST_PAUSE_S)
    delay = max(RETRY_S[attempt - 1], asked) * (1 + _JITTER * random.random())
    pause = answer.retry_after_s is not None or answer.status in _OVERLOADED
    return Failed(error=error, status=answer.status, retry_s=delay, pause=pause)
