"""`moderation erase`: remove what was derived from videos, and keep the bare record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from moderation.cli.console import note
from moderation.config import Settings
from moderation.erasure import Eraser, Receipt
from moderation.person import local_person
from moderation.reports.text import visible
from moderation.retention import sweep
from moderation.store import Store

__all__ = ["erase"]

REMNANTS = 3
"""Exit code when the database file may still hold remnants of what was erased."""


@click.command()
@click.argument("videos", nargs=-1)
@click.option("--media", is_flag=True, help="Delete the uploads themselves, too.")
@click.option("--yes", is_flag=True, help="Do not ask before --media.")
@click.option("--expired", is_flag=True, help="All that the settings `retention` keep no longer.")
@click.option("--by", "actor", default="", help="Who does it, for the audit log.  [default: you]")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def erase(
    videos: Sequence[str], media: bool, yes: bool, expired: bool, actor: str, form: str
) -> int:
    """Remove what was derived from VIDEOS: URIs, paths, or sha256 of their bytes.

    Evidence, transcripts, screen text, pictures, published documents, notes and names go; who
    decided what, when and how stays. Prints a receipt for each. Jobs that are at it are cancelled.
    Exits with 3 where the database file was in use, or its disk full, so that it may hold remnants:
    run it again.
    """
    if bool(videos) == expired or (expired and media):
        raise click.UsageError("name videos, or give --expired alone")
    if media and not yes:
        click.confirm(f"Delete {len(videos)} uploads for good?", abort=True, err=True)
    settings = Settings.read()
    with Store.open(settings.database_url) as store:
        if expired:
            _sweep(store, settings)
            return 0
        eraser, is_clean = Eraser(settings, store), True
        for video in videos:
            receipt = eraser.erase(video, actor=actor or local_person().name, media=media)
            click.echo(_shown(receipt) if form == "text" else json.dumps(receipt.written))
            is_clean &= receipt.is_clean
    return 0 if is_clean else REMNANTS


def _sweep(store: Store, settings: Settings) -> None:
    removed = sweep(store, settings, datetime.now(UTC))
    told = [f"{count} {what}" for what, count in sorted(removed.items()) if count]
    note(f"removed {', '.join(told)}" if told else "nothing is kept too long")


def _shown(receipt: Receipt) -> str:
    lines = [f"erased  {', '.join(receipt.videos) or 'a video that nobody has read'}"]
    lines += [f"removed {count} {what}" for what, count in receipt.removed.items() if count]
    lines += [f"stopped job {each}" for each in receipt.stopped]
    lines += [f"kept    {each.count} {each.what}: {each.why}" for each in receipt.kept]
    lines.append(f"audit   entry {receipt.audit} by {receipt.actor}")
    if not receipt.is_clean:
        lines.append("the database file is in use, or its disk full: run it again, for remnants")
    return "\n".join(map(visible, lines))
