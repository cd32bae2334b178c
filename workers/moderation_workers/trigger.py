"""The S3 trigger: a bucket's notifications in an SQS queue become jobs.

A message is deleted when its jobs are in the database, and not before. What is no notification
stays, and after its queue's `maxReceiveCount` goes to the dead letter queue by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from moderation.client import Client
from moderation.errors import TransientError
from moderation.job import Pinned
from moderation.s3 import uri_of
from moderation_workers.events import Garbage, ObjectEvent, parse
from moderation_workers.filter import Filter

__all__ = ["Trigger"]

log = structlog.get_logger(__name__)

_WAIT_S: Final = 20
"""Of a long poll: what SQS allows at most."""

_BATCH: Final = 10
"""Messages of one answer: what SQS gives at most."""


class Trigger:
    """One queue, read by any number of processes.

    sqs  a client of boto3
    """

    def __init__(self, sqs: Any, queue_url: str, client: Client, accept: Filter, tag: str) -> None:
        self._sqs, self._queue, self._client = sqs, queue_url, client
        self._filter, self._tag = accept, tag

    def run(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Until it is told to stop; a poll may take `_WAIT_S` seconds."""
        while not stopping():
            self.poll()

    def poll(self, wait_s: int = _WAIT_S) -> int:
        """Handle what there is; how many messages became jobs, or needed none."""
        answer = self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=wait_s
        )
        messages: Sequence[Mapping[str, Any]] = answer.get("Messages", [])
        handled = [each for each in messages if self._handle(each)]
        for each in handled:
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=each["ReceiptHandle"])
        return len(handled)

    def _handle(self, message: Mapping[str, Any]) -> bool:
        """Whether the message has done its duty."""
        told = log.bind(message=message.get("MessageId"))
        try:
            for event in parse(message["Body"]):
                self._follow(event)
        except Garbage as error:
            told.warning("a message is no notification of S3", reason=error.message)
            return False
        except TransientError as error:
            told.warning("a message waits", reason=error.message)
            return False
        return True

    def _follow(self, event: ObjectEvent) -> None:
        refusal = self._filter.refusal(event)
        if refusal:
            log.info("an object is not scanned", uri=event.uri, reason=refusal)
        elif event.kind == "removed":
            uri = uri_of(event.bucket, event.key, event.version)
            for job in self._client.unfinished(uri):
                job.cancel()
        else:
            tag = self._tag or event.bucket
            self._client.submit_many([_pinned(event)], self._filter.policy_of(event), tag=tag)


def _pinned(event: ObjectEvent) -> Pinned | str:
    """As `S3Object` pins it; what has neither version nor ETag is looked at."""
    if event.version:
        return Pinned(uri_of(event.bucket, event.key, event.version), f"version:{event.version}")
    return Pinned(event.uri, f"etag:{event.etag}") if event.etag else event.uri
