"""The panel: the detectors of this process, chosen by the settings and loaded once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from moderation import __version__
from moderation.config import Settings
from moderation.detector import Detector, Device, Text
from moderation.device_faults import is_lost, is_out_of_memory, spend
from moderation.errors import (
    ConfigurationError,
    DetectorUnavailable,
    DeviceError,
    ModelMissing,
    ModerationError,
)
from moderation.manifest import sha256_of
from moderation.models import ModelStore, looks_like_path
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
        # The name of an import package does not always tell its distribution; the registry knows.
        self._plugins = sorted(
            [each.name, each.version] for each in registry.plugins if each.detectors or each.error
        )
        self._known = frozenset(registry.detectors)
        self.detectors: list[Detector[Any]] = []
        self.absent = [_not_loaded(plugin.name, plugin.error) for plugin in registry.failed]
        self._identities = dict[str, Mapping[str, Any]]()
        self.load_s = 0.0
        self.device_fault = ""
        """Why a detector did not load, where another process may succeed; empty otherwise."""
        self._loaded = False
        if not registry.failed:  # whose detectors nobody knows the names of
            for name in settings.detectors:
                registry.get(name)
        for name, each in sorted(registry.detectors.items()):
            self._seat(each, dict(settings.detectors.get(name, {})))
        self._unseated = tuple(self.absent)

    def _seat(self, detector: DetectorClass, options: dict[str, Any]) -> None:
        if not _is_enabled(detector.name, options.pop("enabled", True)):
            status, reason = CoverageStatus.DISABLED, "switched off in the settings"
            self.absent.append(Coverage(detector=detector.name, status=status, reason=reason))
        else:
            self._take_in(detector, options)

    def _take_in(self, detector: DetectorClass, options: dict[str, Any]) -> None:
        try:
            seated = detector(options, model_store(self.settings))
            self._identities[seated.name] = _identity(seated)
        except ModerationError:  # options that do not hold: the operator's to correct
            raise
        except Exception as error:  # the boundary, as in loading
            log.warning("a detector did not start", detector=detector.name, exc_info=True)
            self.absent.append(_not_loaded(detector.name, f"{type(error).__name__}: {error}"))
        else:
            self.detectors.append(seated)

    @cached_property
    def fingerprint(self) -> str:
        """Equal for two panels that would see the same in the same bytes; sha256, hex.

        Made without loading weights, so that a stored scan is found at once: their digests are
        taken from the manifests of those that lie on this machine. Loading does not change it.
        """
        content = {
            "core": __version__,
            "plugins": self._plugins,
            "floor": self.settings.evidence_floor,
            "most": self.settings.max_evidence,
            "media": self.settings.media.model_dump(),
            "detectors": self._identities,
            "absent": sorted(each.detector for each in self._unseated),
        }
        canonical = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def keep(self, names: Collection[str]) -> None:
        """Look with these alone, and say nothing of the others: they look elsewhere.

        The fingerprint stays that of all: what is seen is the same wherever it is seen.
        """
        self.fingerprint  # noqa: B018  # computed while all are here
        self.detectors = [each for each in self.detectors if each.name in names]
        foreign = self._known - set(names)
        self.absent = [each for each in self.absent if each.detector not in foreign]

    def load(self, announce: Callable[[str], None] = lambda _: None) -> None:
        """Bring every detector's weights into memory, once; one that cannot becomes absent."""
        if self._loaded:
            return
        started = time.perf_counter()
        device = Device(self.settings.device, self.settings.threads or self._share_of_threads)
        self.detectors = [each for each in self.detectors if self._loads(each, device, announce)]
        for each in self.absent:
            if each.detector in self.settings.detectors and not _is_off(each):
                log.warning("a detector with options of its own cannot look", **_told(each))
        self.load_s, self._loaded = time.perf_counter() - started, True

    @property
    def _share_of_threads(self) -> int:
        """For each of the engines that compute at the same time: together they have the cores.

        Each of them alone would take all, and then they wait for each other.
        """
        engines = sum(not isinstance(each.wants, Text) for each in self.detectors)
        return max(1, _cores() // max(1, engines))

    def _loads(
        self, detector: Detector[Any], device: Device, announce: Callable[[str], None]
    ) -> bool:
        announce(detector.name)
        try:
            detector.load(device)
        except (ModelMissing, DetectorUnavailable) as error:  # which the fingerprint knows
            self.absent.append(_not_loaded(detector.name, str(error)))
        # The boundary: a detector that breaks costs its own coverage.
        except (Exception, SystemExit) as error:
            self._has_failed(detector, error)
        else:
            return True
        return False

    def _has_failed(self, detector: Detector[Any], error: BaseException) -> None:
        reason = str(error)
        if not isinstance(error, ModerationError):
            reason = f"{type(error).__name__}: {error}"
            log.warning("a detector did not load", detector=detector.name, exc_info=error)
        if is_lost(error) or is_out_of_memory(error):
            fault = DeviceError(f"{detector.name} did not load ({reason})")
            self.device_fault = str(spend(fault))
        failed = CoverageStatus.FAILED  # which asks for another look; a bug may pass
        self.absent.append(Coverage(detector=detector.name, status=failed, reason=reason))


def _cores() -> int:
    """That this process may run on; a container is often given fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_off(coverage: Coverage) -> bool:
    return coverage.status is CoverageStatus.DISABLED


def _told(coverage: Coverage) -> dict[str, str]:
    return {"detector": coverage.detector, "reason": coverage.reason}


def _is_enabled(name: str, value: object) -> bool:
    try:
        return TypeAdapter(bool).validate_python(value)
    except ValidationError:
        raise ConfigurationError(
            f"[detectors.{name}] enabled is neither true nor false: {value!r}", hint="correct it"
        ) from None


def _not_loaded(name: str, reason: str) -> Coverage:
    return Coverage(detector=name, status=CoverageStatus.UNAVAILABLE, reason=reason)


def _identity(detector: Detector[Any]) -> Mapping[str, Any]:
    return {
        "version": detector.version(),
        "engines": _engines(detector),
        "options": detector.options.model_dump(mode="json"),
        "weights": detector.models.present(detector.manifest),
        "own weights": _own_weights(detector),
        "state": detector.fingerprint(),
    }


def _own_weights(detector: Detector[Any]) -> list[str]:
    """Digests of what options name by path: a checkpoint is replaced under its name."""
    named = (value for value in detector.options.model_dump().values() if isinstance(value, str))
    files = (Path(value).expanduser() for value in named if looks_like_path(value))
    return [sha256_of(each) for each in files if each.is_file()]


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
