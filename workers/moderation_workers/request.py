"""A request: a message that this worker has taken, until it is acknowledged."""

from __future__ import annotations

from celery import Task
from celery.worker.request import Request
from kombu.transport.virtual import QoS

__all__ = ["Acknowledging", "WakeRequest"]


class WakeRequest(Request):  # type: ignore[misc]
    """One that gives its place back, whether or not the broker hears of its end.

    A worker takes one message at a time. Where the line breaks just while it acknowledges one,
    Celery logs that and kombu still counts the message: the worker would take no other for ever,
    with all its connections restored. What Redis still has of it comes back later, and finds that
    there is nothing to do.
    """

    def acknowledge(self) -> None:
        super().acknowledge()
        if not self.message.acknowledged:
            QoS.ack(self.message.channel.qos, self.message.delivery_tag)  # type: ignore[no-untyped-call]


class Acknowledging(Task):  # type: ignore[misc]
    """A task whose messages are requests as above."""

    Request = f"{__name__}:{WakeRequest.__name__}"
