"""`moderation plugins`: what is loaded, what is not, and why."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table

from moderation.cli.console import fail
from moderation.config import Settings
from moderation.registry import Plugin, Registry

__all__ = ["plugins"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def plugins(as_json: bool) -> None:
    """List plugins: what is loaded, what is not, and why."""
    registry = Registry.installed(Settings.read().plugins)
    if as_json:
        click.echo(json.dumps([_row(each) for each in registry.plugins], indent=2))
        return
    table = Table("plugin", "version", "status", "detectors", box=None, header_style="bold")
    for each in registry.plugins:
        detectors = ", ".join(detector.name for detector in each.detectors)
        table.add_row(each.name, each.version, each.status, detectors)
    Console().print(table)
    for each in registry.failed:
        fail(f"{each.name}: {each.error}")


def _row(plugin: Plugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "status": plugin.status,
        "error": plugin.error,
        "detectors": [
            {
                "name": each.name,
                "wants": type(each.wants).__name__,
                "labels": sorted(set(each.labels.values())),
                "options": sorted(each.Options.model_fields),
            }
            for each in plugin.detectors
        ],
        "commands": [command.name for command in plugin.commands],
    }
