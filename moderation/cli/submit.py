"""`moderation submit`: have uploads judged by workers."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Final

import click

from moderation.cli.console import fail, note
from moderation.cli.crowd import wait_for_all
from moderation.client import Client, JobHandle
from moderation.config import Settings
from moderation.errors import SourceError
from moderation.job import JobState, Pinned
from moderation.object_filter import ObjectFilter
from moderation.policy import Policy
from moderation.s3_listing import Folder, list_objects
from moderation.s3_settings import S3Settings
from moderation.verdict import Action
from moderation.wake import installed

__all__ = ["submit"]

FOUND = 1
"""Exit code of --fail-on."""
UNJUDGED = 3
"""Exit code when some videos could not be submitted, or with --wait were not judged."""

_FAIL_ON = {
    "review": (Action.REVIEW, Action.INCOMPLETE, Action.REJECT),
    "reject": (Action.REJECT,),
}

_BATCH: Final = 1_000
"""Videos of one transaction, and those whose ids a Ctrl-C may leave unprinted."""


@click.command()
@click.argument("videos", nargs=-1)
@click.option(
    "--prefix",
    "folders",
    multiple=True,
    metavar="s3://BUCKET/FOLDER/",
    help="All objects below it.",
)
@click.option("--suffix", "suffixes", multiple=True, help="Of --prefix, only keys that end so.")
@click.option(
    "--from",
    "listed",
    type=click.File(encoding="utf-8", errors="surrogateescape"),
    help="File of paths or URIs, a line each; - for stdin. Lines that begin with # are comments.",
)
@click.option("--policy", help="Built-in policy or path of a TOML file.  [default: the setting]")
@click.option("--priority", type=click.IntRange(0, 9), default=5, show_default=True)
@click.option("--tag", default="", help="Whose they are; tags share the workers evenly.")
@click.option("--wait", is_flag=True, help="Until all are judged.")
@click.option(
    "--fail-on",
    type=click.Choice(list(_FAIL_ON)),
    help="With --wait, exit with 1 when a verdict is at least this.",
)
def submit(
    videos: Sequence[str],
    folders: Sequence[str],
    suffixes: Sequence[str],
    listed: IO[str] | None,
    policy: str | None,
    priority: int,
    tag: str,
    wait: bool,
    fail_on: str | None,
) -> int:
    """Have workers judge VIDEOS; prints a job's id for each.

    The same version of a video under the same policy is the same job. Exits with 3 if some could
    not be opened, or with --wait were not judged.
    """
    if not (videos or folders or listed):
        raise click.UsageError("no videos were named: give paths or URIs, --prefix or --from FILE")
    if fail_on and not wait:
        raise click.UsageError("--fail-on needs --wait: there is no verdict before")
    if suffixes and not folders:
        raise click.UsageError("--suffix needs --prefix: what is named is submitted")
    settings = Settings.read()
    Policy.read(policy or settings.policy)  # before a thousand objects are asked for
    below = map(Folder.read, folders)
    accept = ObjectFilter(suffixes=tuple(suffixes), publish=settings.publish)
    given = (*videos, *_lines(listed or ()))
    if installed(settings) is None:
        note("moderation-workers is not installed here: the jobs wait for workers elsewhere")
    jobs: list[JobHandle] = []
    try:
        with Client(settings) as client:
            pinned = _pinned(client, given, [*below], accept, settings.s3)
            refused = _submitted(client, pinned, jobs, policy, priority, tag)
            code = _judged(client, jobs, fail_on) if wait and jobs else 0
    except KeyboardInterrupt as stopped:
        told = f"{len(jobs)} videos were submitted and go on; see `moderation status`"
        raise KeyboardInterrupt(*(stopped.args or [told])) from None
    return UNJUDGED if refused else code


def _lines(listed: Iterable[str]) -> Iterator[str]:
    for line in map(str.strip, listed):
        if line and not line.startswith("#"):
            yield line


def _pinned(
    client: Client,
    given: Sequence[str],
    folders: Sequence[Folder],
    accept: ObjectFilter,
    s3: S3Settings,
) -> Iterator[Pinned | SourceError]:
    for first in range(0, len(given), _BATCH):
        yield from client.pin_many(given[first : first + _BATCH])
    for folder in folders:
        for each in list_objects(folder, s3):
            if each.size and not accept.key_refusal(each.bucket, each.key, each.size):
                yield Pinned(each.pinned_uri, each.pin)


def _submitted(
    client: Client,
    pinned: Iterator[Pinned | SourceError],
    jobs: list[JobHandle],
    policy: str | None,
    priority: int,
    tag: str,
) -> int:
    """Adds the jobs, whose ids are printed; how many videos could not be opened."""
    refused = 0
    while batch := list(islice(pinned, _BATCH)):
        errors = [each for each in batch if isinstance(each, SourceError)]
        opened = [each for each in batch if isinstance(each, Pinned)]
        new = client.submit_many(opened, policy, priority=priority, tag=tag)
        jobs += new
        click.echo("".join(f"{job.id}\n" for job in new), nl=False)
        for error in errors:
            fail(str(error))
        refused += len(errors)
    sys.stdout.flush()
    if refused:
        note(f"{refused} videos could not be opened, {len(jobs)} were submitted")
    elif not jobs:
        note("there is nothing to submit")
    return refused


def _judged(client: Client, jobs: Sequence[JobHandle], fail_on: str | None) -> int:
    outcomes = wait_for_all(client, jobs)
    if any(each.state is not JobState.DONE for each in outcomes):
        return UNJUDGED
    return FOUND if fail_on and {each.action for each in outcomes} & {*_FAIL_ON[fail_on]} else 0
