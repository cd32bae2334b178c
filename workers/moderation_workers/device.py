"""The device of a worker: found before it starts, and held by it alone.

CUDA must not be touched in a worker's main process, so a short process of its own looks what there
is (`probe`). The pool's process is then shown the one device, whatever else the machine has.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from moderation.errors import ConfigurationError
from moderation_workers.device_lock import DeviceLock

__all__ = ["AUTO", "CPU", "Device", "find", "take"]

log = structlog.get_logger(__name__)

_MASK: Final = "CUDA_VISIBLE_DEVICES"

_PROBE_S: Final = 120
"""Until torch is imported and has computed something; a driver that is ill never answers."""

_SIGNS: Final = ("nvidia*", "nvhost*", "dxg", "kfd")
"""Files in /dev. Where there is none there is no GPU, and no need to import torch for seconds."""

_KNOWN: Final = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


@dataclass(frozen=True, slots=True)
class Device:
    """What a worker computes on.

    name      `cpu`, `mps`, or `cuda:N` as the main process counts; `auto`: who knows
    title     what its maker calls it
    identity  the same in every process of the machine; empty for what anybody may use
    mask      the value of CUDA_VISIBLE_DEVICES that shows it alone
    """

    name: str
    title: str = ""
    identity: str = ""
    mask: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.title})" if self.title else self.name

    def show(self, environment: MutableMapping[str, str]) -> None:
        """To a process that is yet to start: a GPU is `cuda:0` there, being the only one."""
        kind = self.name.partition(":")[0]
        environment["MODERATION_DEVICE"] = "cuda:0" if kind == "cuda" else kind
        if kind != "auto":
            environment[_MASK] = self.mask


CPU: Final = Device("cpu")

AUTO: Final = Device("auto")
"""Every detector's own choice: where torch is not installed nobody else knows."""


def find(asked: str) -> list[Device]:
    """The devices that are meant by `asked`, best first; computes on one that is named.

    `cuda` means any of CUDA, `auto` anything, the CPU last. Raises `ConfigurationError` when there
    is none.
    """
    if not _KNOWN.fullmatch(asked):
        raise ConfigurationError(
            f"there is no kind of device named {asked}", hint="use auto, cpu, mps, cuda or cuda:N"
        )
    if asked == "cpu" or (asked == "auto" and not _has_signs()):
        return [CPU]
    try:
        found = _probed(asked)
    except ConfigurationError as error:
        if asked != "auto":
            raise
        log.warning("no GPU is used", reason=error.message)
        return [CPU]
    return _chosen(asked, found)


def take(asked: str, folder: Path, *, share: bool = False) -> tuple[Device, DeviceLock]:
    """The first device meant by `asked` that no other worker holds; held while the lock lives.

    folder  for the locks, the same for all workers of the machine
    share   with other workers that share it too

    Raises `ConfigurationError` when there is none, or all are held.
    """
    for device in find(asked):
        lock = DeviceLock(folder, device.identity)
        if not device.identity or lock.acquire(share=share):
            log.info("the device of this worker", device=str(device), asked=asked)
            return device, lock
        log.info("a device is held", device=str(device), holder=lock.holder)
        held, holder = device, lock.holder
    raise ConfigurationError(
        f"{held} is held by {holder}",
        hint="give each worker a GPU of its own, or start all that use it with --share-device",
    )


def _chosen(asked: str, found: list[Device] | None) -> list[Device]:
    if found is None:
        if asked == "auto":
            return [AUTO]
        raise ConfigurationError(
            f"{asked} was asked for, and torch, which would find it, is not installed",
            hint="install torch, or set the device to auto",
        )
    if asked == "auto":
        return [*found, CPU]
    meant = [each for each in found if asked in (each.name, each.name.partition(":")[0])]
    if not meant:
        there = ", ".join(map(str, [*found, CPU]))
        raise ConfigurationError(
            f"{asked} was asked for, and this machine has only {there}",
            hint="check the driver, that torch is built for it, and CUDA_VISIBLE_DEVICES",
        )
    return meant


def _has_signs() -> bool:
    return sys.platform == "darwin" or any(any(Path("/dev").glob(each)) for each in _SIGNS)


def _probed(asked: str) -> list[Device] | None:
    """What there is by torch; `None` without it. Raises `ConfigurationError` for what is ill."""
    command = [sys.executable, "-m", "moderation_workers.probe", asked]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PROBE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"the driver of {asked} did not answer within {_PROBE_S} s",
            hint="see what it reports (nvidia-smi, dmesg)",
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise ConfigurationError(
            f"{asked} does not compute ({last})",
            hint="see what its driver reports (nvidia-smi, dmesg) and what else uses it",
        )
    told = json.loads(done.stdout)
    return None if told is None else [_device(**each) for each in told]


def _device(name: str, title: str, identity: str) -> Device:
    kind, _, number = name.partition(":")
    if kind != "cuda":
        return Device(name, title, f"{name}-{platform.node()}")
    visible = os.environ.get(_MASK)
    mask = number if visible is None else visible.split(",")[int(number)].strip()
    # Slices of one GPU are several devices, though their GPU has one identity.
    own = mask if mask.startswith("MIG-") or not identity else identity
    return Device(name, title, own, mask)
