"""Finds, loads, isolates and lists plugins; remembers what failed to load, and why.

Each entry point is loaded on its own: in pluggy one failing import would abort all of them, and
one raising hook would lose the others' results.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeAlias

import pluggy

from moderation import hookspecs
from moderation.errors import ConfigurationError, ModerationError, PluginError
from moderation.taxonomy import Taxonomy

if TYPE_CHECKING:
    import click

    from moderation.detector import Detector

__all__ = ["DetectorClass", "Plugin", "Registry"]

DetectorClass: TypeAlias = "type[Detector[Any]]"


@dataclass(slots=True)
class Plugin:
    """One entry point: what it brought, or why it did not load."""

    name: str
    distribution: str = ""
    version: str = ""
    detectors: list[DetectorClass] = field(default_factory=list)
    commands: list[click.Command] = field(default_factory=list)
    error: str = ""

    @property
    def title(self) -> str:
        """With its distribution: entry points of two may have one name."""
        return f"{self.name} ({self.distribution})" if self.distribution else self.name

    @property
    def status(self) -> str:
        return "failed" if self.error else "loaded"


class Registry:
    """The plugins of this process.

    allowed  names of entry points that may load; None for all. What is not allowed is never
             imported.
    """

    def __init__(
        self, allowed: Iterable[str] | None = None, taxonomy: Taxonomy | None = None
    ) -> None:
        self.plugins: list[Plugin] = []
        self._allowed = None if allowed is None else frozenset(allowed)
        self._taxonomy = taxonomy or Taxonomy.default()

    @classmethod
    def installed(cls, allowed: Iterable[str] | None = None) -> Registry:
        """All plugins that installed distributions announce."""
        registry = cls(allowed)
        points = metadata.entry_points(group=hookspecs.NAMESPACE)
        for point in sorted(points, key=lambda each: each.name):
            registry.load(point)
        registry.miss({point.name for point in points})
        registry.check()
        return registry

    def load(self, point: metadata.EntryPoint) -> None:
        """Import one entry point and let it register; what goes wrong stays with its `Plugin`."""
        if self._allowed is not None and point.name not in self._allowed:
            return
        plugin = Plugin(point.name)
        if point.dist is not None:
            plugin.distribution, plugin.version = point.dist.name, point.dist.version
        self._isolated(plugin, lambda: point.load())

    def register(self, module: object, name: str) -> None:
        """Register a plugin that is already imported: for tests and for embedding."""
        self._isolated(Plugin(name), lambda: module)

    def miss(self, installed: Set[str]) -> None:
        """Remember the plugins that may load and are not there."""
        for name in sorted((self._allowed or frozenset()) - installed):
            error = "it is in the setting `plugins` and not installed"
            self.plugins.append(Plugin(name, error=error))

    def check(self) -> None:
        """Refuse two detectors of one name; raises `PluginError` that names both plugins."""
        owners: dict[str, Plugin] = {}
        for plugin in self.plugins:
            for detector in plugin.detectors:
                if detector.name in owners:
                    other = owners[detector.name]
                    raise PluginError(
                        f"two detectors are named {detector.name}: "
                        f"of {other.title} and of {plugin.title}",
                        hint="uninstall one, or list the ones to load in the setting `plugins`",
                    )
                owners[detector.name] = plugin

    @property
    def detectors(self) -> Mapping[str, DetectorClass]:
        """Detector classes by name."""
        return {each.name: each for plugin in self.plugins for each in plugin.detectors}

    @property
    def commands(self) -> list[click.Command]:
        return [command for plugin in self.plugins for command in plugin.commands]

    @property
    def failed(self) -> list[Plugin]:
        return [plugin for plugin in self.plugins if plugin.error]

    def get(self, name: str) -> DetectorClass:
        """The detector class of that name; raises `ConfigurationError` when there is none."""
        try:
            return self.detectors[name]
        except KeyError:
            known = ", ".join(self.detectors) or "none"
            raise ConfigurationError(
                f"there is no detector named {name}", hint=f"installed are: {known}"
            ) from None

    def _isolated(self, plugin: Plugin, load: Callable[[], object]) -> None:
        self.plugins.append(plugin)
        try:
            self._call_hooks(plugin, load())
        except ModerationError as error:
            plugin.error = str(error)
        # The boundary: a plugin's failure stays its own, and so does its wish to exit.
        except (Exception, SystemExit) as error:
            plugin.error = f"{type(error).__name__}: {error}"

    def _call_hooks(self, plugin: Plugin, module: object) -> None:
        manager = pluggy.PluginManager(hookspecs.NAMESPACE)
        manager.add_hookspecs(hookspecs)
        manager.register(module, plugin.name)
        manager.check_pending()
        detectors: list[DetectorClass] = []
        manager.hook.register_detectors(register=detectors.append)
        manager.hook.register_commands(register=plugin.commands.append)
        for detector in detectors:
            self._checked(detector)
        plugin.detectors = detectors

    def _checked(self, detector: DetectorClass) -> None:
        missing = [name for name in ("name", "wants", "labels") if not hasattr(detector, name)]
        if missing:
            raise PluginError(f"{detector.__name__} does not declare its {', '.join(missing)}")
        if inspect.isabstract(detector):
            raise PluginError(f"{detector.__name__} has no method `detect`")
        unknown = [label for label in detector.labels.values() if label not in self._taxonomy]
        if unknown:
            raise PluginError(
                f"the detector {detector.name} reports labels that the taxonomy does not know: "
                + ", ".join(sorted(set(unknown)))
            )
