"""`moderation doctor`: will a night's batch run here? Every line is tried, not assumed."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from moderation import __version__
from moderation.config import Settings
from moderation.errors import ModerationError
from moderation.media.sandbox import LAYERS, layers_here
from moderation.panel import Panel
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.reports.text import visible
from moderation.store import Store
from moderation.verdict import CoverageStatus

__all__ = ["doctor"]

SICK = 3
"""Exit code when something would not work."""

CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "aac", "mp3", "opus", "vorbis", "flac")
"""What uploads are made of; a decoder that is missing is named."""


@dataclass(frozen=True, slots=True)
class _Finding:
    what: str
    status: str
    detail: str


_COLOURS = {"ok": "green", "warning": "yellow", "bad": "red", "off": "dim"}


@click.command()
def doctor() -> int:
    """Check Python, codecs, devices and weights (by loading every detector), and the database."""
    settings = Settings.read()
    table = Table("", "what", "detail", box=None, show_header=False)
    findings = list(_examine(settings))
    for each in findings:
        status = f"[{_COLOURS[each.status]}]{each.status}[/]"
        table.add_row(status, escape(each.what), escape(visible(each.detail)))
    Console().print(table)
    return SICK if any(each.status == "bad" for each in findings) else 0


def _examine(settings: Settings) -> Iterator[_Finding]:
    yield _Finding("moderation", "ok", f"{__version__} on Python {platform.python_version()}")
    yield from _guarded("python", _python)
    yield from _guarded("codecs", _codecs)
    yield from _guarded("decoder", lambda: _decoder(settings))
    yield from _guarded("policy", lambda: _policy(settings))
    yield from _guarded("database", lambda: _database(settings))
    yield from _guarded("plugins", lambda: _detectors(settings))


def _guarded(what: str, check: Callable[[], Iterator[_Finding]]) -> Iterator[_Finding]:
    try:
        yield from check()
    except ModerationError as error:
        yield _Finding(what, "bad", str(error))


def _python() -> Iterator[_Finding]:
    fine = sys.version_info >= (3, 11)
    yield _Finding("python", "ok" if fine else "bad", f"{sys.executable} ({platform.machine()})")


def _codecs() -> Iterator[_Finding]:
    missing = [name for name in CODECS if name not in av.codecs_available]
    detail = f"PyAV {av.__version__}" + (f", without {', '.join(missing)}" if missing else "")
    yield _Finding("codecs", "warning" if missing else "ok", detail)


def _decoder(settings: Settings) -> Iterator[_Finding]:
    layers = layers_here()
    missing = [name for name in LAYERS if not any(each.startswith(name) for each in layers)]
    detail = f"held by {', '.join(layers)}"
    if not missing:
        yield _Finding("decoder", "ok", detail)
        return
    status = "bad" if settings.media.require_sandbox else "warning"
    yield _Finding("decoder", status, f"{detail}; this kernel has no {' and no '.join(missing)}")


def _policy(settings: Settings) -> Iterator[_Finding]:
    ref = Policy.read(settings.policy).ref
    yield _Finding("policy", "ok", f"{ref.name} {ref.version}")


def _database(settings: Settings) -> Iterator[_Finding]:
    with Store.open(settings.database_url) as store:
        place = store.engine.url.render_as_string(hide_password=True)
        yield _Finding("database", "ok", place)
        for warning in store.warnings():
            yield _Finding("database", "warning", warning)


def _detectors(settings: Settings) -> Iterator[_Finding]:
    panel = Panel(Registry.installed(settings.plugins), settings)
    panel.load()
    for detector in panel.detectors:
        device = detector.device_in_use or "cpu"
        model = detector.producer.model or "no weights needed"
        wanted = getattr(detector.options, "model", "")
        if wanted and Path(wanted).name != model:
            told = f"{model} on {device}: {wanted} is not there, run `moderation models pull`"
            yield _Finding(detector.name, "warning", told)
        else:
            yield _Finding(detector.name, "ok", f"{model} on {device}")
    for absent in panel.absent:
        off = absent.status is CoverageStatus.DISABLED
        yield _Finding(absent.detector, "off" if off else "bad", absent.reason)
