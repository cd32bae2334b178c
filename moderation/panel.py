"""The panel: the detectors of this process, chosen by the settings and loaded once."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import metadata
from typing import Any

import structlog

from moderation import __version__
from moderation.config import Settings
from moderation.detector import Detector, Device
from moderation.errors import ModerationError
from moderation.models import ModelStore
from moderation.registry import DetectorClass, Registry
from moderation.verdict import Coverage, CoverageStatus

__all__ = ["Panel", "model_store"]

log = structlog.get_logger(__name__)


def model_store(settings: Settings) -> ModelStore:
    """Where this installation looks for weights."""
    return ModelStore(settings.models, settings.model_cache, offline=settings.offline)


class Panel:
    """Detectors by the registry and the settings; what cannot look is kept as coverage."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        """Check every detector's options; raises `ConfigurationError`. Loads nothing yet."""
        self.settings = settings
        self.detectors: list[Detector[Any]] = []
        self.absent = [_not_loaded(plugin.name, plugin.error) for plugin in registry.failed]
        self.load_s = 0.0
        self._loaded = False
        for name in settings.detectors:
            registry.get(name)
        for name, each in sorted(registry.detectors.items()):
            self._seat(each, dict(settings.detectors.get(name, {})))
        self._seated, self._unseated = tuple(self.detectors), tuple(self.absent)

    def _seat(self, detector: DetectorClass, options: dict[str, Any]) -> None:
        if str(options.pop("enabled", True)).lower() in ("false", "0", "no", "off"):
            status, reason = CoverageStatus.DISABLED, "switched off in the settings"
            self.absent.append(Coverage(detector=detector.name, status=status, reason=reason))
        else:
            self.detectors.append(detector(options, model_store(self.settings)))

    @cached_property
    def fingerprint(self) -> str:
        """Equal for two panels that would see the same in the same bytes; sha256, hex.

        Made without loading weights, so that a stored scan is found at once: their digests are
        taken from the manifests of those that lie on this machine. Loading does not change it.
        """
        content = {
            "core": __version__,
            "floor": self.settings.evidence_floor,
            "media": self.settings.media.model_dump(),
            "detectors": {each.name: _identity(each) for each in self._seated},
            "absent": sorted(each.detector for each in self._unseated),
        }
        canonical = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def load(self, announce: Callable[[str], None] = lambda _: None) -> None:
        """Bring every detector's weights into memory, once; one that cannot becomes absent."""
        if self._loaded:
            return
        started = time.perf_counter()
        device = Device(self.settings.device, self.settings.threads)
        self.detectors = [each for each in self.detectors if self._loads(each, device, announce)]
        self.load_s, self._loaded = time.perf_counter() - started, True

    def _loads(
        self, detector: Detector[Any], device: Device, announce: Callable[[str], None]
    ) -> bool:
        announce(detector.name)
        try:
            detector.load(device)
        except ModerationError as error:
            self.absent.append(_not_loaded(detector.name, str(error)))
        except Exception as error:  # the boundary: a detector that breaks costs its own coverage
            log.warning("a detector did not load", detector=detector.name, exc_info=True)
            reason = f"{type(error).__name__}: {error}"
            failed = CoverageStatus.FAILED  # which asks for another look; a bug may pass
            self.absent.append(Coverage(detector=detector.name, status=failed, reason=reason))
        else:
            return True
        return False


def _not_loaded(name: str, reason: str) -> Coverage:
    return Coverage(detector=name, status=CoverageStatus.UNAVAILABLE, reason=reason)


def _identity(detector: Detector[Any]) -> Mapping[str, Any]:
    return {
        "version": detector.version(),
        "engines": _engines(detector),
        "options": detector.options.model_dump(mode="json"),
        "weights": detector.models.present(detector.manifest),
        "state": detector.fingerprint(),
    }


def _engines(detector: Detector[Any]) -> Mapping[str, str]:
    """Versions of what the detector's distribution is built on: another engine sees otherwise."""
    distribution = type(detector).__module__.partition(".")[0].replace("_", "-")
    try:
        needs = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return {}
    return {name: _version(name) for name in map(_requirement_name, needs)}


def _requirement_name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
