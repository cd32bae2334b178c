"""`moderation redact`: carry out what was decided about a video, in a new file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from moderation.cli.console import note, shown, stderr
from moderation.config import Settings
from moderation.decision import Decision, Remedy, standing
from moderation.errors import ConfigurationError
from moderation.redact import plan
from moderation.redact import redact as carry_out
from moderation.redaction import Edit, Treatment, decided, edits, labelled
from moderation.redaction_files import SUFFIXES, manifest_path
from moderation.redaction_manifest import Manifest, read_edits
from moderation.review import ReviewQueue
from moderation.scan import Scan
from moderation.source import Source
from moderation.sources import open_source
from moderation.store import Store
from moderation.store.history import scans_of
from moderation.taxonomy import Taxonomy

__all__ = ["redact"]

_CHANGING: Final = (Remedy.BLUR, Remedy.MUTE, Remedy.CUT)


class _Labelled(click.ParamType[tuple[str, Remedy]]):
    """`LABEL=remedy`, with a label of the taxonomy."""

    name = "LABEL=REMEDY"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[str, Remedy]:
        label, equals, remedy = str(value).rpartition("=")
        if not equals or remedy not in [each.value for each in Remedy]:
            self.fail(f"{value!r}: write LABEL=blur, mute, cut or none", param, context)
        return Taxonomy.default().get(label).path, Remedy(remedy)


@click.command()
@click.argument("video")
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path),
    help="The new file.  [default: VIDEO.redacted.mp4 beside it]",
)
@click.option(
    "--remedy",
    "remedies",
    type=_Labelled(),
    multiple=True,
    help="What to do about a label and those below it, instead of what was decided.",
)
@click.option(
    "--all",
    "everything",
    type=click.Choice([each.value for each in _CHANGING]),
    help="What to do about all violations that --remedy does not name.",
)
@click.option(
    "--edits",
    "listed",
    type=click.Path(path_type=Path),
    help="Do what this JSON file says: the manifest of another redaction, or as much of one.",
)
@click.option("--bleep", is_flag=True, help="Put a tone in the place of muted words.")
@click.option("--force", is_flag=True, help="Replace the new file and its manifest if they exist.")
@click.option("--dry-run", is_flag=True, help="Print the manifest of what would be done.")
def redact(
    video: str,
    target: Path | None,
    remedies: Sequence[tuple[str, Remedy]],
    everything: str | None,
    listed: Path | None,
    bleep: bool,
    force: bool,
    dry_run: bool,
) -> None:
    """Blur, mute and cut in VIDEO what was decided about it, in a new file with a manifest.

    VIDEO, a path or s3:// URI, stays as it is. The new one has its pictures and its sound, and no
    other streams, tags or subtitles. Nothing is written unless all edits can be carried out.
    """
    by_label = dict(remedies), Remedy(everything) if everything else None
    if listed and any(by_label):
        raise click.UsageError("--edits already says what to do: leave --remedy and --all away")
    settings = Settings.read()
    with open_source(video, settings.s3) as source:
        todo = read_edits(listed) if listed else _edits(settings, source, *by_label, bleep=bleep)
        if dry_run:
            click.echo(plan(source, todo, settings.media).json_text(), nl=False)
            return
        place = (target or _beside(video)).expanduser().absolute()
        with stderr.status(f"writing {shown(place.name)}"):
            done = carry_out(source, todo, place, settings.media, force=force)
    _tell(done, place)
    click.echo(place)


def _edits(
    settings: Settings,
    source: Source,
    remedies: Mapping[str, Remedy],
    everything: Remedy | None,
    *,
    bleep: bool,
) -> tuple[Edit, ...]:
    with Store.open(settings.database_url) as store:
        scans = scans_of(store, source.sha256())
        if not scans:
            raise ConfigurationError(
                "the video was not scanned: nobody knows what is in it, and where",
                hint="run `moderation scan` first, or say what to do with --edits",
            )
        if remedies or everything:
            segments = dict.fromkeys(each for scan in scans for each in scan.verdict.segments)
            treatments = labelled(segments, remedies, everything)
        else:
            treatments = _decided(store, scans)
    if not treatments:
        raise ConfigurationError(
            "nothing in the video is to be changed",
            hint="`moderation report --label` shows what was seen",
        )
    return edits(treatments, scans, bleep=bleep)


def _decided(store: Store, scans: Sequence[Scan]) -> tuple[Treatment, ...]:
    """What counts of all that people said, of the newest scan that they decided about."""
    said: Mapping[str, Sequence[Decision]] = ReviewQueue(store).decisions([s.id for s in scans])
    for scan in scans:
        decision = standing(said.get(scan.id, ()))
        if decision is not None:
            return decided(decision)
    raise ConfigurationError(
        "nobody has decided what to do about the video",
        hint="decide in the review queue, or say what to do with --remedy or --all",
    )


def _beside(video: str) -> Path:
    """The old name with another end; what lies in S3 comes into this folder."""
    path = Path(video.partition("?")[0].rstrip("/").rpartition("/")[2] if "://" in video else video)
    return path.with_name(f"{path.stem}.redacted{SUFFIXES[0]}")


def _tell(done: Manifest, place: Path) -> None:
    for each in done.edits:
        if not each.done:
            note(f"{each.remedy} {each.label}: {each.reason}")
        elif each.note:
            note(f"{each.remedy} {each.label}: {each.note}")
    for sentence in done.notes:
        note(sentence)
    if done.dropped:
        note(f"left out: {', '.join(done.dropped)}")
    note(f"what was done stands in {manifest_path(place)}")
