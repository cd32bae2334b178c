"""The S3 trigger: a bucket's notifications in an SQS queue become jobs.

A message is deleted when its jobs are in the database, and not before. What is no notification
stays, and after its queue's `maxReceiveCount` goes to the dead letter queue by itself.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import structlog
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from moderation.client import Client
from moderation.errors import ConfigurationError, PermanentError, TransientError
from moderation_workers.events import Garbage, ObjectEvent, parse
from moderation_workers.filter import Filter
from moderation_workers.intake import Intake

__all__ = ["Trigger"]

log = structlog.get_logger(__name__)

_WAIT_S: Final = 20
"""Of a long poll: what SQS allows at most."""

_BATCH: Final = 10
"""Messages of one answer: what SQS gives at most."""

_HOLD_S: Final = 120
"""Seconds that a message is ours: it takes milliseconds, but for a database that restarts."""

_BACKLOG: Final = 100_000
"""Parts of jobs that may wait. What is beyond waits in the queue, which keeps it for four days
unless it is told to keep it longer."""

_LOOK_S: Final = 5.0
"""Between two looks at how many wait."""

_FIRST_PAUSE_S, _LAST_PAUSE_S = 1.0, 60.0
"""After a failure, and after many; halved by lot, since all pollers see the same one."""

_MISTAKEN: Final = (
    "AccessDenied",
    "AccessDeniedException",
    "InvalidAddress",
    "InvalidClientTokenId",
    "NonExistentQueue",
    "QueueDoesNotExist",
    "SignatureDoesNotMatch",
)
"""How codes of errors end that no waiting cures."""

_Message: TypeAlias = Mapping[str, Any]


class Trigger:
    """One queue, read by any number of processes.

    sqs      a client of boto3
    backlog  parts of jobs that may wait before it takes no more messages
    hold_s   seconds that a message is nobody else's; taken anew while it is worked on
    """

    def __init__(
        self,
        sqs: Any,
        queue_url: str,
        client: Client,
        accept: Filter,
        tag: str = "",
        *,
        backlog: int = _BACKLOG,
        hold_s: int = _HOLD_S,
    ) -> None:
        self._sqs, self._queue, self._client = sqs, queue_url, client
        self._intake = Intake(client, accept, tag)
        self._backlog, self._hold_s = backlog, hold_s
        self._looked_at, self._is_full = float("-inf"), False

    def run(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Until it is told to stop; a poll may take `_WAIT_S` seconds.

        Where queue or database do not answer, it tries again, ever more seldom. Raises
        `ConfigurationError` for a queue that it may not read.
        """
        pause_s, is_checked = 0.0, False
        while not stopping():
            try:
                is_checked = is_checked or self._check_redrive()
                pause_s = 0.0 if self._round() else _LOOK_S
            except TransientError as error:
                pause_s = min(_LAST_PAUSE_S, max(_FIRST_PAUSE_S, pause_s * 2))
                log.warning("the trigger waits", reason=error.message, seconds=round(pause_s))
            _sleep(pause_s * random.uniform(0.5, 1), stopping)

    def poll(self, wait_s: int = _WAIT_S) -> int:
        """Handle what there is; how many messages became jobs, or needed none.

        Raises `TransientError` when queue or database do not answer: what was not handled comes
        back.
        """
        with self._asking("received"):
            answer = self._sqs.receive_message(
                QueueUrl=self._queue,
                MaxNumberOfMessages=_BATCH,
                WaitTimeSeconds=wait_s,
                VisibilityTimeout=self._hold_s,
            )
        messages: Sequence[_Message] = answer.get("Messages", [])
        if not messages:
            return 0
        with self._held(messages):
            handled = self._handled(messages)
            self._delete(handled)
        return len(handled)

    def _round(self) -> bool:
        """Whether there was room for more."""
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_S:
            was_full, self._looked_at = self._is_full, now
            self._is_full = self._client.waiting() > self._backlog
            if self._is_full and not was_full:
                log.warning("too many parts wait: messages stay in the queue", most=self._backlog)
        if not self._is_full:
            self.poll()
        return not self._is_full

    def _handled(self, messages: Sequence[_Message]) -> list[_Message]:
        """All in one go; when one of them cannot be taken, each by itself.

        What the operator must correct is no message's fault, and is raised.
        """
        told = [(each, events) for each in messages if (events := _events(each)) is not None]
        try:
            self._intake.take([event for _, events in told for event in events])
        except ConfigurationError:
            raise
        except PermanentError:
            return [each for each, events in told if self._take_each(each, events)]
        return [each for each, _ in told]

    def _take_each(self, message: _Message, events: Sequence[ObjectEvent]) -> bool:
        """Whether all events of a message were taken; the good ones are, whatever others are."""
        taken = True
        for event in events:
            try:
                self._intake.take([event])
            except ConfigurationError:
                raise
            except PermanentError as error:
                taken = False
                _warn(message, "an event cannot be followed", error, uri=event.uri)
        return taken

    def _delete(self, messages: Sequence[_Message]) -> None:
        if not messages:
            return
        with self._asking("deleted"):
            answer = self._sqs.delete_message_batch(
                QueueUrl=self._queue, Entries=_entries(messages)
            )
        for each in answer.get("Failed", ()):  # it comes once more, and is known then
            log.warning("a message was not deleted", reason=each.get("Code"))

    @contextlib.contextmanager
    def _held(self, messages: Sequence[_Message]) -> Iterator[None]:
        """Nobody else gets the messages while we work on them, however long it takes."""
        over = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(messages, over), daemon=True)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()

    def _keep(self, messages: Sequence[_Message], over: threading.Event) -> None:
        while self._hold_s and not over.wait(self._hold_s / 2):
            entries = _entries(messages, VisibilityTimeout=self._hold_s)
            try:
                self._sqs.change_message_visibility_batch(QueueUrl=self._queue, Entries=entries)
            except (BotoCoreError, ClientError) as error:  # another one may get them meanwhile
                log.warning("messages were not held", reason=type(error).__name__)

    def _check_redrive(self) -> bool:
        """Without a dead letter queue, what is no notification comes back for days."""
        with self._asking("asked for"), contextlib.suppress(ClientError):
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self._queue, AttributeNames=["RedrivePolicy"]
            )
            if "RedrivePolicy" not in answer.get("Attributes", {}):
                log.warning("the queue has no dead letter queue", queue=self._queue)
        return True

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """boto3's errors as ours."""
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code.endswith(_MISTAKEN):
                raise self._refused(what, code) from None
            raise self._silent(code) from None
        except (NoCredentialsError, PartialCredentialsError):
            raise self._refused(what, "no credentials") from None
        except BotoCoreError as error:
            raise self._silent(type(error).__name__) from None

    def _refused(self, what: str, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"messages of {self._queue} cannot be {what} ({why})",
            hint="check the queue's URL and region, the credentials and their rights",
        )

    def _silent(self, what: str) -> TransientError:
        return TransientError(
            f"the queue {self._queue} does not answer ({what})",
            hint="check the endpoint and the network; messages stay where they are",
        )


def _events(message: _Message) -> tuple[ObjectEvent, ...] | None:
    """What a message tells; `None` for garbage, which stays in the queue."""
    try:
        return parse(message["Body"])
    except Garbage as error:
        _warn(message, "a message is no notification of S3", error)
        return None


def _warn(message: _Message, what: str, error: PermanentError, **more: str) -> None:
    log.warning(what, message=message.get("MessageId"), reason=str(error), **more)


def _entries(messages: Sequence[_Message], **more: int) -> list[dict[str, Any]]:
    return [
        {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"], **more}
        for number, each in enumerate(messages)
    ]


def _sleep(seconds: float, stopping: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not stopping():
        time.sleep(min(left, 0.5))
