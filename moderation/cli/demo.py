"""`moderation demo`: a video made on the spot, scanned, and its report."""

from __future__ import annotations

import os
from pathlib import Path

import click

from moderation.cli.console import note
from moderation.cli.output import Output
from moderation.cli.scan import scan_videos
from moderation.config import Settings
from moderation.demo import compose
from moderation.pictures import Pictures

__all__ = ["demo"]


@click.command()
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("moderation-demo"),
    show_default=True,
    help="Where the video, the database and the report go.",
)
def demo(directory: Path) -> None:
    """Compose a video, scan it, print its verdict and write the HTML report."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = Settings.read(home=directory / "home")
    video, page = directory / "demo.mp4", directory / "report.html"
    if not video.exists():
        note(f"composing {video}")
        compose(video)
    pictures = Pictures.of(settings)
    scans = list(scan_videos(settings, [os.fspath(video)]))
    Output("table").write(scans, pictures)
    Output("html", os.fspath(page)).write(scans, pictures)
    note(f"the report with the evidence is {page.resolve()}")
