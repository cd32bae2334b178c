"""`moderation watch`: the trigger - a queue that is read, a webhook that is called, or a folder."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import click

from moderation import logs
from moderation.cli.objects import chosen, object_options
from moderation.client import Client
from moderation.config import Settings
from moderation.publish_settings import PublishSettings
from moderation_workers.filter import Filter
from moderation_workers.folder import FolderTrigger, check_apart

__all__ = ["watch"]

_AMAZONS: Final = re.compile(r"https://sqs(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com")
"""A queue's URL, which names the queue's region."""


@click.command()
@click.option("--queue-url", help="Of the SQS queue that the bucket notifies.")
@click.option("--endpoint", help="URL of an SQS service.  [default: Amazon's]")
@click.option("--region", help="Of the queue.  [default: that of its URL, else boto3's]")
@click.option("--webhook", metavar="HOST:PORT", help="Listen there for MinIO or RustFS.")
@click.option("--token-file", type=click.File(), help="What the webhook's callers must know.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of this machine, with every file in it.",
)
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.05),
    default=1.0,
    show_default=True,
    help="Seconds between two looks at --folder.",
)
@click.option("--prefix", "prefixes", multiple=True, help="Only keys that begin so.")
@object_options
@click.option("--tag", default="", help="Whose they are.  [default: the bucket]")
def watch(
    queue_url: str | None,
    endpoint: str | None,
    region: str | None,
    webhook: str | None,
    token_file: IO[str] | None,
    folder: Path | None,
    every_s: float,
    prefixes: Sequence[str],
    tag: str,
    **objects: Any,
) -> None:
    """Have every object judged that a bucket announces, until told to stop.

    A queue needs a dead letter queue: what is no notification goes there.
    """
    if sum(each is not None for each in (queue_url, webhook, folder)) != 1:
        raise click.UsageError("give --queue-url, --webhook or --folder")
    settings = Settings.read()
    accept = chosen(Filter, publish=settings.publish, prefixes=prefixes, **objects)
    with Client(settings) as client:
        if queue_url is not None:
            _poll(queue_url, endpoint, region, client, accept, tag)
        elif webhook is not None:
            _listen(webhook, token_file, client, accept, tag)
        elif folder is not None:
            policy = _policy_of_folder(accept)
            check_apart(folder, settings)
            _set_up_logs()
            FolderTrigger(folder, client, policy=policy, tag=tag).run(every_s)


def _poll(
    queue_url: str,
    endpoint: str | None,
    region: str | None,
    client: Client,
    accept: Filter,
    tag: str,
) -> None:
    import boto3
    from botocore.exceptions import NoRegionError

    from moderation_workers.trigger import Trigger

    named = _AMAZONS.match(queue_url)
    region = region or (named and named[1])
    try:
        sqs = boto3.client("sqs", endpoint_url=endpoint, region_name=region)
    except NoRegionError:
        raise click.UsageError("the queue's URL names no region: give --region") from None
    except ValueError as error:  # of --region or --endpoint
        raise click.UsageError(str(error)) from None
    _set_up_logs()
    Trigger(sqs, queue_url, client, accept, tag).run()


def _listen(
    place: str, token_file: IO[str] | None, client: Client, accept: Filter, tag: str
) -> None:
    from moderation_workers.intake import Intake
    from moderation_workers.webhook import Webhook

    host, _, port = place.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise click.UsageError(f"--webhook {place}: write HOST:PORT")
    token = token_file.read().strip() if token_file else ""
    if token_file and not token:
        raise click.UsageError(f"{Path(token_file.name)} is empty: write a token into it")
    with Webhook(host.strip("[]"), int(port), Intake(client, accept, tag), token) as webhook:
        _set_up_logs()
        webhook.run()


def _set_up_logs() -> None:
    """As those of a worker, which it runs beside: what becomes a job is told."""
    debug = click.get_current_context().find_root().params.get("debug")
    logs.set_up(logging.DEBUG if debug else logging.INFO, Settings.read())


def _policy_of_folder(accept: Filter) -> str | None:
    """Raises `UsageError` where more was asked for than a folder's trigger heeds."""
    rest = accept.model_copy(update={"policies": {}, "publish": PublishSettings()})
    if rest != Filter() or any(accept.policies):
        raise click.UsageError("--folder takes every file: give no prefix, suffix or size with it")
    return accept.key_policy("")
