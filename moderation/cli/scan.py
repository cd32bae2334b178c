"""`moderation scan`: the whole way of section 1 in one process."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import click

from moderation.cli.console import fail, note, reporter
from moderation.cli.output import Output, output_options
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
def scan(
    videos: Sequence[str], policy: str | None, output: Output, fail_on: str | None, force: bool
) -> int:
    """Scan VIDEOS and say what breaks the policy.

    A video that was scanned before by the same detectors is not looked at again.
    """
    settings = Settings.read(**({"policy": policy} if policy else {}))
    scans: list[Scan] = []
    with closing(scan_videos(settings, videos, force=force)) as running:
        output.write(_kept(running, scans), Pictures(settings.pictures))
    failed = [each for each in scans if each.failure]
    if failed or len(scans) < len(videos):
        note(f"{len(videos) - len(scans) + len(failed)} of {len(videos)} videos were not scanned")
        return UNSCANNED
    found = fail_on and any(each.verdict.action in _FAIL_ON[fail_on] for each in scans)
    return FOUND if found else 0


def scan_videos(
    settings: Settings, videos: Sequence[str], *, force: bool = False
) -> Generator[Scan]:
    """Scan one after another; each is stored before the next begins."""
    policy = Policy.read(settings.policy)
    panel = Panel(Registry.installed(settings.plugins), settings)
    with Store.open(settings.database_url) as store:
        pipeline = Pipeline(settings, panel, policy, store)
        for number, uri in enumerate(videos, start=1):
            name = Path(uri).name or uri
            with reporter(name, f"[{number}/{len(videos)}]") as told:
                scan = pipeline.scan(uri, force=force, watch=told.watch, announce=told.announce)
            if scan.failure:
                fail(scan.failure.message)
            yield scan


def _kept(running: Iterator[Scan], scans: list[Scan]) -> Iterator[Scan]:
    """Pass scans on, keeping count; Ctrl-C ends the run, and what is done is still written."""
    try:
        for each in running:
            scans.append(each)
            yield each
    except KeyboardInterrupt:
        note(f"interrupted: {len(scans)} videos were scanned and are stored")
        raise
