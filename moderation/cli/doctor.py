"""`moderation doctor`: will a night's batch run here? Every line is tried, not assumed."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from moderation import __version__, wake
from moderation.cli.lanes import deserted
from moderation.config import Settings
from moderation.errors import ModerationError
from moderation.finding import Finding, Status
from moderation.lanes import CONTROL, check
from moderation.media.sandbox import LAYERS, layers_here
from moderation.panel import Panel
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.reports.text import visible
from moderation.store import Jobs, Store, schema
from moderation.store.workers import Worker, Workers
from moderation.verdict import CoverageStatus

__all__ = ["doctor"]

SICK = 3
"""Exit code when something would not work."""

CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "aac", "mp3", "opus", "vorbis", "flac")
"""What uploads are made of; a decoder that is missing is named."""


_COLOURS = {"ok": "green", "warning": "yellow", "bad": "red", "off": "dim"}


@click.command()
def doctor() -> int:
    """Check Python, codecs, devices and weights (by loading every detector), and the database.

    Where jobs are submitted or workers run, the broker and the lanes as well.
    """
    settings = Settings.read()
    table = Table("", "what", "detail", box=None, show_header=False)
    findings = list(_examine(settings))
    for each in findings:
        status = f"[{_COLOURS[each.status]}]{each.status}[/]"
        table.add_row(status, escape(each.what), escape(visible(each.detail)))
    Console().print(table)
    return SICK if any(each.status == "bad" for each in findings) else 0


def _examine(settings: Settings) -> Iterator[Finding]:
    yield Finding("moderation", "ok", f"{__version__} on Python {platform.python_version()}")
    yield from _guarded("python", _python)
    yield from _guarded("codecs", _codecs)
    yield from _guarded("decoder", lambda: _decoder(settings))
    yield from _guarded("policy", lambda: _policy(settings))
    yield from _guarded("database", lambda: _database(settings))
    yield from _guarded("workers", lambda: _workers(settings))
    yield from _guarded("plugins", lambda: _detectors(settings))


def _guarded(what: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except ModerationError as error:
        yield Finding(what, "bad", str(error))


def _python() -> Iterator[Finding]:
    fine = sys.version_info >= (3, 11)
    yield Finding("python", "ok" if fine else "bad", f"{sys.executable} ({platform.machine()})")


def _codecs() -> Iterator[Finding]:
    missing = [name for name in CODECS if name not in av.codecs_available]
    detail = f"PyAV {av.__version__}" + (f", without {', '.join(missing)}" if missing else "")
    yield Finding("codecs", "warning" if missing else "ok", detail)


def _decoder(settings: Settings) -> Iterator[Finding]:
    layers = layers_here()
    missing = [name for name in LAYERS if not any(each.startswith(name) for each in layers)]
    detail = f"held by {', '.join(layers)}"
    if not missing:
        yield Finding("decoder", "ok", detail)
        return
    status: Status = "bad" if settings.media.require_sandbox else "warning"
    yield Finding("decoder", status, f"{detail}; this kernel has no {' and no '.join(missing)}")


def _policy(settings: Settings) -> Iterator[Finding]:
    ref = Policy.read(settings.policy).ref
    yield Finding("policy", "ok", f"{ref.name} {ref.version}")


def _database(settings: Settings) -> Iterator[Finding]:
    with Store.open(settings.database_url) as store:
        place = store.engine.url.render_as_string(hide_password=True)
        found = schema.version(store.engine).revision
        yield Finding("database", "ok", f"{place}, schema {found}")
        for warning in store.warnings():
            yield Finding("database", "warning", warning)


def _workers(settings: Settings) -> Iterator[Finding]:
    """Nothing of it, for somebody who only scans."""
    check(settings.lanes)
    with Store.open(settings.database_url) as store:
        workers, jobs = Workers(store), Jobs(store).find(limit=1)
        alive, silent = workers.alive(), workers.silent()
        loads = workers.loads((CONTROL, *settings.lanes))
    if not (jobs or alive or silent or "broker" in settings.jobs.model_fields_set):
        told = "not checked, as no broker is set, no job was submitted and no worker runs"
        yield Finding("workers", "off", told)
        return
    yield from _broker(settings)
    yield _there(alive)
    for worker in silent:
        yield Finding("workers", "warning", f"{worker.name} fell silent at {worker.seen:%H:%M} UTC")
    for sentence in deserted(loads):
        yield Finding("lanes", "warning", sentence)


def _broker(settings: Settings) -> Iterator[Finding]:
    waker = wake.installed(settings)
    if waker is None:
        yield Finding("broker", "off", "not checked, as moderation-workers is not installed here")
    else:
        yield from waker.check()


def _there(alive: list[Worker]) -> Finding:
    if not alive:
        return Finding("workers", "warning", "none runs: start one with `moderation worker`")
    return Finding("workers", "ok", f"{len(alive)} run: {', '.join(each.name for each in alive)}")


def _detectors(settings: Settings) -> Iterator[Finding]:
    panel = Panel(Registry.installed(settings.plugins), settings)
    panel.load()
    for detector in panel.detectors:
        device = detector.device_in_use or "cpu"
        model = detector.producer.model or "no weights needed"
        wanted = getattr(detector.options, "model", "")
        if wanted and Path(wanted).name != model:
            told = f"{model} on {device}: {wanted} is not there, run `moderation models pull`"
            yield Finding(detector.name, "warning", told)
        else:
            yield Finding(detector.name, "ok", f"{model} on {device}")
    for absent in panel.absent:
        off = absent.status is CoverageStatus.DISABLED
        yield Finding(absent.detector, "off" if off else "bad", absent.reason)
