"""The commands `moderation faces enroll | list | remove`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from moderation.config import Settings
from moderation.errors import ConfigurationError
from moderation.models import Model
from moderation.panel import model_store
from moderation_faces.detector import Faces
from moderation_faces.watchlist import WatchList

if TYPE_CHECKING:
    from moderation_faces.enrollment import Enrollment

__all__ = ["faces"]

_REFUSED = 3
"""Exit code when some pictures were refused, as `moderation scan` has it for videos."""

_list_option = click.option(
    "--list",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The watch list's file; by default the configured one, else watchlist.npz in `home`.",
)


@click.group()
def faces() -> None:
    """The watch list: people to recognise in videos."""


@faces.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_list_option
@click.pass_context
def enroll(context: click.Context, folder: Path, file: Path | None) -> None:
    """Add the people in FOLDER to the watch list.

    FOLDER has a folder of pictures for each person, named by your own id of that person. Each
    picture shows one face.
    """
    from moderation_faces.enrollment import enroll as enroll_all
    from moderation_faces.enrollment import portraits

    settings, pictures = Settings.read(), portraits(folder)
    file, detector = file or _default_file(settings), _detector(settings)
    recogniser, finder = detector.recogniser(), detector.finder()
    before = _opened(file, recogniser.model)
    after, outcomes = enroll_all(before, pictures, finder, recogniser)
    if after is not before:
        after.write(file)
    _show(outcomes)
    if after.faces and file != detector.options.watch_list:
        _say_how_to_use(file)
    if any(each.refused for each in outcomes):
        context.exit(_REFUSED)


@faces.command("list")
@_list_option
def list_people(file: Path | None) -> None:
    """Show who is on the watch list."""
    file = file or _default_file(Settings.read())
    watch_list = WatchList.read(file)
    table = Table("person", "faces", title=escape(f"{file} (by {watch_list.model})"))
    for person, count in watch_list.people.items():
        table.add_row(escape(person), str(count))
    Console().print(table)


@faces.command()
@click.argument("person")
@_list_option
def remove(person: str, file: Path | None) -> None:
    """Take PERSON, named by the external id, off the watch list."""
    file = file or _default_file(Settings.read())
    watch_list = WatchList.read(file)
    if person not in watch_list.people:
        known = ", ".join(watch_list.people) or "nobody"
        raise ConfigurationError(f"{person} is not on {file}", hint=f"on it are: {known}")
    watch_list.remove(person).write(file)
    click.echo(f"{person} was removed, with {watch_list.people[person]} faces.")


def _default_file(settings: Settings) -> Path:
    return _detector(settings).options.watch_list or settings.home / "watchlist.npz"


def _detector(settings: Settings) -> Faces:
    """The detector as it is configured, so that enrolled and scanned faces are comparable."""
    options = dict(settings.detectors.get(Faces.name, {}))
    options.pop("enabled", None)
    return Faces(options, model_store(settings))


def _opened(file: Path, model: Model) -> WatchList:
    if not file.exists():
        return WatchList(model.name, model.digest)
    watch_list = WatchList.read(file)
    watch_list.check(model, file)
    return watch_list


def _show(outcomes: list[Enrollment]) -> None:
    table = Table("person", "picture", "enrolled")
    for each in outcomes:
        outcome = f"no: {each.refused}" if each.refused else "yes"
        table.add_row(*map(escape, (each.person, each.path.name, outcome)))
    Console().print(table)


def _say_how_to_use(file: Path) -> None:
    click.echo("To recognise them, put this under [detectors.faces] in moderation.toml:", err=True)
    click.echo(f'watch_list = "{file.absolute().as_posix()}"', err=True)
    click.echo(
        "So that no video passes without, put this under [coverage] in your policy:", err=True
    )
    click.echo("faces = 0.95", err=True)
