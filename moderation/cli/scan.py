"""`moderation scan`: the whole way of section 1 in one process."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import click

from moderation.cli.console import fail, note
from moderation.cli.output import Output, output_options
from moderation.cli.progress import reporter
from moderation.config import Settings
from moderation.panel import Panel
from moderation.pictures import Pictures
from moderation.pipeline import Pipeline
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.scan import Scan
from moderation.store import Store
from moderation.verdict import Action

__all__ = ["scan", "scan_videos"]

FOUND = 1
"""Exit code of --fail-on."""
UNSCANNED = 3
"""Exit code when some videos could not be scanned."""

_FAIL_ON = {
    "review": (Action.REVIEW, Action.INCOMPLETE, Action.REJECT),
    "reject": (Action.REJECT,),
}


@dataclass(slots=True)
class _Tally:
    """What the exit code needs of scans; they themselves would fill the memory."""

    videos: int = 0
    failed: int = 0
    actions: set[Action] = field(default_factory=set)

    def count(self, scan: Scan) -> None:
        self.videos += 1
        self.failed += scan.failure is not None
        self.actions.add(scan.verdict.action)


@click.command()
@click.argument("videos", nargs=-1, required=True)
@click.option("--policy", help="Built-in policy or path of a TOML file.  [default: the setting]")
@output_options("table")
@click.option(
    "--fail-on",
    type=click.Choice(list(_FAIL_ON)),
    help="Exit with 1 when a verdict is at least this; `review` includes `incomplete`.",
)
@click.option("--force", is_flag=True, help="Look again at videos that were scanned before.")
@click.option(
    "--early-exit",
    is_flag=True,
    help="Stop looking at a video once it is rejected; the rest of it stays unknown.",
)
def scan(
    videos: Sequence[str],
    policy: str | None,
    output: Output,
    fail_on: str | None,
    force: bool,
    early_exit: bool,
) -> int:
    """Scan VIDEOS and say what breaks the policy.

    A video that was scanned before by the same detectors is not looked at again.
    """
    settings = Settings.read(**({"policy": policy} if policy else {}))
    if any(_whole(each) == _whole(output.target) for each in videos):
        raise click.UsageError(f"the report would overwrite the video {output.target}")
    done = _Tally()
    with closing(scan_videos(settings, videos, force=force, early_exit=early_exit)) as running:
        output.write(_counted(running, done), Pictures.of(settings))
    if done.failed:
        note(f"{done.failed} of {len(videos)} videos were not scanned")
        return UNSCANNED
    return FOUND if fail_on and done.actions.intersection(_FAIL_ON[fail_on]) else 0


def scan_videos(
    settings: Settings,
    videos: Sequence[str],
    *,
    force: bool = False,
    early_exit: bool = False,
) -> Generator[Scan]:
    """Scan one after another; each is stored before the next begins."""
    policy = Policy.read(settings.policy)
    panel = Panel(Registry.installed(settings.plugins), settings)
    with Store.open(settings.database_url, review=settings.review) as store:
        pipeline = Pipeline(settings, panel, policy, store)
        for number, uri in enumerate(videos, start=1):
            name = Path(uri).name or uri
            with reporter(name, f"[{number}/{len(videos)}]") as told:
                scan = pipeline.scan(
                    _whole(uri),
                    force=force,
                    early_exit=early_exit,
                    watch=told.watch,
                    announce=told.announce,
                )
            if scan.failure:
                fail(_named(name, scan.failure.message))
            yield scan


def _named(name: str, message: str) -> str:
    return message if name in message else f"{name}: {message}"


def _whole(uri: str) -> str:
    """The path from the root: two folders may hold a file of one name."""
    return uri if "://" in uri else os.path.abspath(uri)


def _counted(running: Iterator[Scan], done: _Tally) -> Iterator[Scan]:
    """Pass scans on, keeping count; after Ctrl-C what is done is stored, and no report written."""
    try:
        for each in running:
            done.count(each)
            yield each
    except KeyboardInterrupt:
        told = f"{done.videos} videos were scanned and are stored"
        raise KeyboardInterrupt(told) from None
