"""`moderation models`: weights, where they come from, licence, digest, present or not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from moderation.cli.console import fail, note
from moderation.cli.progress import pulling
from moderation.config import Settings
from moderation.errors import ConfigurationError, ModelError
from moderation.models import Manifest, ModelStore, Weights
from moderation.panel import model_store
from moderation.registry import Registry

__all__ = ["models"]

_WIDTH = 120
"""Columns of the list: a narrow terminal breaks its lines, which reads better than cut names."""

BAD = 3
"""Exit code when some weights are missing or wrong."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Weights that some detector, or a model directory, knows by name."""

    user: str
    weights: Weights
    manifest: Manifest
    place: Path | None
    own: bool
    """Whether the operator's model directory supplies it."""


@click.group()
def models() -> None:
    """Weights: list, pull, verify."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs, with whole addresses.")
def list_models(as_json: bool) -> None:
    """Weights that the installed detectors know: origin, licence, digest, present or not."""
    if as_json:
        click.echo(json.dumps([_entry(each) for each in _known()], indent=2))
        return
    table = Table(box=None, header_style="bold")
    for name in ("weights", "detector", "present", "MB", "licence", "sha256", "from"):
        table.add_column(name, no_wrap=True)
    for each in _known():
        table.add_row(*_row(each))
    Console(width=max(Console().width, _WIDTH)).print(table)


def _row(known: _Known) -> tuple[str, ...]:
    weights = known.weights
    present = "[green]yes[/]" if known.place else "[yellow]no[/]"
    size = f"{weights.bytes / 1e6:.1f}" if weights.bytes else ""
    digest, origin = weights.digest[:8], _origin(known)
    return weights.name, known.user, present, size, weights.licence, digest, origin


def _origin(known: _Known) -> str:
    """In a word or two: `MODERATION_MODELS`, the package that carries it, or the host."""
    if known.own:
        return "MODERATION_MODELS"
    return re.split("/", known.weights.source.removeprefix("https://"), maxsplit=1)[0]


def _entry(known: _Known) -> dict[str, object]:
    weights = known.weights
    return {
        "name": weights.name,
        "detector": known.user,
        "present": known.place is not None,
        "path": known.place and str(known.place),
        "source": weights.source,
        "licence": weights.licence,
        "sha256": weights.digest,
        "bytes": weights.bytes,
        "what": weights.what,
    }


@models.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that are known: several GB.")
def pull(names: Sequence[str], everything: bool) -> int:
    """Fetch the weights NAMES into the cache."""
    settings = Settings.read()
    if not (names or everything):
        raise click.UsageError("name weights (`moderation models list`), or say --all")
    if settings.offline:
        raise ConfigurationError("MODERATION_OFFLINE is set", hint="unset it to download weights")
    wanted = [each for each in _known() if everything or each.weights.name in names]
    if unknown := set(names) - {each.weights.name for each in wanted}:
        raise ConfigurationError(
            f"no manifest knows weights named {', '.join(sorted(unknown))}",
            hint="`moderation models list` shows all names",
        )
    return max((_pull(model_store(settings), each) for each in wanted), default=0)


def _pull(store: ModelStore, known: _Known) -> int:
    if known.place is not None:
        note(f"{known.weights.name}: present at {known.place}")
        return 0
    try:
        with pulling() as progress:
            note(f"{known.weights.name}: {store.pull(known.weights, progress).path}")
    except ModelError as error:
        fail(str(error))
        return BAD
    return 0


@models.command()
def verify() -> int:
    """Read all present weights and check their digests."""
    store, bad = model_store(Settings.read()), 0
    for each in _known():
        if each.place is None:
            continue
        try:
            store.resolve(each.weights.name, each.manifest)
            click.echo(f"ok       {each.weights.name}  {each.place}")
        except ModelError as error:
            bad = BAD
            click.echo(f"corrupt  {each.weights.name}  {each.place}")
            fail(str(error))
    return bad


def _known() -> Iterator[_Known]:
    """Every name once for each detector that knows it, then the model directories' own."""
    settings = Settings.read()
    store, seen = model_store(settings), set[str]()
    for detector in Registry.installed(settings.plugins).detectors.values():
        for name, weights in detector.manifest.weights.items():
            seen.add(name)
            yield _placed(store, detector.name, weights, detector.manifest)
    for directory in settings.models:
        own = Manifest.of_directory(directory)
        for name, weights in own.weights.items():
            if name not in seen:
                yield _placed(store, "", weights, own)


def _placed(store: ModelStore, user: str, weights: Weights, manifest: Manifest) -> _Known:
    own, place = store.find(weights.name, manifest) or (weights, None)
    return _Known(user, own, manifest, place, own is not weights or not user)
