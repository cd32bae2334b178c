"""A bucket as teams set it up: uploads are announced to a queue, which has a dead letter queue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import boto3

__all__ = ["Amazon"]


class Amazon(NamedTuple):
    """A bucket that notifies a queue, which has a dead letter queue."""

    endpoint: str
    s3: Any
    sqs: Any
    bucket: str
    queue: str
    dead: str

    @classmethod
    def at(cls, endpoint: str, name: str) -> Amazon:
        """With everything made anew."""
        s3, sqs = (boto3.client(kind, endpoint_url=endpoint) for kind in ("s3", "sqs"))
        dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": _arn(sqs, dead), "maxReceiveCount": "2"}
        attributes = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "0"}
        queue = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        s3.create_bucket(Bucket=name)
        events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
        s3.put_bucket_notification_configuration(
            Bucket=name,
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": _arn(sqs, queue), "Events": events}]
            },
        )
        return cls(endpoint, s3, sqs, name, queue, dead)

    def put(self, key: str, path: Path) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=path.read_bytes())

    def write(self, key: str, content: str) -> str:
        """Its ETag; the bucket's own event is taken away."""
        etag = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content.encode())["ETag"]
        self.drain()
        return str(etag).strip('"')

    def drain(self) -> None:
        """SQS purges a queue once a minute."""
        while messages := self.waiting(self.queue):
            for each in messages:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"])

    def count(self, queue: str, *which: str) -> int:
        names = [f"ApproximateNumberOfMessages{each}" for each in which]
        asked = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)
        return sum(int(asked["Attributes"][name]) for name in names)

    def allow(self, receives: int) -> None:
        """Before a message is dead."""
        redrive = {"deadLetterTargetArn": _arn(self.sqs, self.dead), "maxReceiveCount": receives}
        self.sqs.set_queue_attributes(
            QueueUrl=self.queue, Attributes={"RedrivePolicy": json.dumps(redrive)}
        )

    def dead_bodies(self) -> set[str]:
        """Which are taken away."""
        found: set[str] = set()
        while messages := self.waiting(self.dead):
            for each in messages:
                found.add(each["Body"])
                self.sqs.delete_message(QueueUrl=self.dead, ReceiptHandle=each["ReceiptHandle"])
        return found

    def event(self, key: str, name: str = "ObjectCreated:Put", **more: Any) -> dict[str, Any]:
        """A record as S3 writes it; moto's have no sequencer and no version."""
        place = {"bucket": {"name": self.bucket}, "object": {"key": key, "size": 5, **more}}
        return {"eventVersion": "2.1", "eventName": name, "s3": place}

    def announce(self, *records: dict[str, Any]) -> None:
        """A message for each."""
        for record in records:
            self.tell(json.dumps({"Records": [record]}))

    def tell(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def waiting(self, queue: str) -> list[Any]:
        return list(self.sqs.receive_message(QueueUrl=queue).get("Messages", []))


def _arn(sqs: Any, queue: str) -> str:
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return str(asked["Attributes"]["QueueArn"])
